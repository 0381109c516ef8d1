"""A connection reads its scope, believes no junk, and writes nothing by reading."""

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.errors import CookiesTooLarge, TooManyQueryFields
from nexios.adapters.asgi.guards import guarded, guards_of
from nexios.adapters.asgi.state import RouteParam, State
from nexios.adapters.asgi.types import Scope
from nexios.adapters.asgi.url import URL, URLPath, parse_authority
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.limits import Limits

READABLE = (
    *("app", "base_app", "path", "headers", "query_params", "path_params", "cookies", "client"),
    *("scheme", "is_secure", "host", "url", "base_url", "state", "user", "auth", "caller"),
    "limits",
)


@dataclass
class Config:
    trusted_proxies: list[str] | None = None


@dataclass
class App:
    config: Config = field(default_factory=Config)
    limits: Limits = field(default_factory=Limits)
    state: dict[str, Any] = field(default_factory=dict)
    anonymous_user: object = "nobody"


def scope(**parts: Any) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"shop.test")],
        "client": ("203.0.113.9", 4711),
        "server": ("10.0.0.5", 8000),
        **parts,
    }


def with_headers(*pairs: tuple[bytes, bytes], **parts: Any) -> Connection:
    return Connection(scope(headers=list(pairs), **parts))


def test_reading_everything_leaves_the_scope_as_it_was() -> None:
    original = scope(extensions={"x": {}}, state={"s": 1}, app=App())
    connection = Connection(copy.copy(original))
    for name in [
        "app",
        "base_app",
        "path",
        "headers",
        "query_params",
        "path_params",
        "cookies",
        "client",
        "scheme",
        "is_secure",
        "host",
        "url",
        "base_url",
        "state",
        "user",
        "auth",
        "caller",
        "limits",
    ]:
        getattr(connection, name)
    connection.get_client_ip()
    connection.state.x = 1
    assert connection.scope == original


def test_as_a_mapping_it_is_the_scope_and_equality_is_identity() -> None:
    one, two = Connection(scope()), Connection(scope())
    assert one["path"] == "/"
    assert set(one) == set(scope())
    assert len(one) == len(scope())
    assert one != two
    assert len({one, two}) == 2


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b" ",
        b"a b",
        b"a@b",
        b"user:pw@shop.test",
        b"shop.test/x",
        b"shop.test?x",
        b"shop.test#x",
        b"a\r\nb",
        b"shop.test:99999",
        b"shop.test:80:80",
        b"[::zz]",
        b"[::1",
        b"\xe9.test",
        b"shop.test\\x",
        b"<script>",
    ],
)
def test_host_header_junk_never_reaches_the_url(junk: bytes) -> None:
    connection = with_headers((b"host", junk))
    assert str(connection.url) == "http://10.0.0.5:8000/"
    assert str(connection.base_url) == "http://10.0.0.5:8000/"
    assert connection.url.hostname == "10.0.0.5"


def test_two_hosts_are_none_and_no_server_is_localhost() -> None:
    twice = with_headers((b"host", b"a.test"), (b"host", b"b.test"), server=None)
    assert str(twice.url) == "http://localhost/"


@pytest.mark.parametrize("host", ["shop.test", "shop.test:8000", "[::1]:80", "127.0.0.1", "a%41"])
def test_a_sound_host_is_kept(host: str) -> None:
    assert with_headers((b"host", host.encode())).host == host


def test_the_url_is_percent_encoded_from_the_decoded_path() -> None:
    connection = Connection(scope(path='/é /"x"\r\n', query_string=b"a=%20&b=\xff\r\n<"))
    assert str(connection.url) == ("http://shop.test/%C3%A9%20/%22x%22%0D%0A?a=%20&b=%FF%0D%0A%3C")


def test_base_url_ends_with_the_root_path() -> None:
    assert str(Connection(scope(root_path="/api/")).base_url) == "http://shop.test/api/"


def test_forwarded_headers_of_a_public_peer_change_nothing() -> None:
    pairs = [(b"host", b"shop.test"), (b"x-forwarded-proto", b"https")]
    pairs += [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-host", b"evil.test")]
    public = Connection(scope(headers=pairs))
    assert (public.get_client_ip(), public.is_secure) == ("203.0.113.9", False)
    assert str(public.url) == "http://shop.test/"
    trusted = Connection(scope(headers=pairs, client=("127.0.0.1", 1)))
    assert (trusted.get_client_ip(), trusted.is_secure) == ("1.1.1.1", True)
    assert str(trusted.url) == "https://shop.test/"
    nobody = App(Config(trusted_proxies=[]))
    distrusted = Connection(scope(headers=pairs, client=("127.0.0.1", 1), app=nobody))
    assert distrusted.get_client_ip() == "127.0.0.1"


def test_client_may_be_unknown() -> None:
    connection = Connection(scope(client=None))
    assert connection.client is None
    assert connection.get_client_ip() == ""


def test_limits_of_the_app_hold_unless_the_endpoint_has_its_own() -> None:
    app = App(limits=Limits(query_fields=1, cookie_pairs=1))
    wide = scope(
        app=app, query_string=b"a=1&b=2", headers=[(b"cookie", b"a=1"), (b"cookie", b"b=2")]
    )
    with pytest.raises(TooManyQueryFields):
        _ = Connection(wide).query_params
    with pytest.raises(CookiesTooLarge):
        _ = Connection(wide).cookies
    roomy = Connection(wide, limits=Limits())
    assert dict(roomy.query_params) == {"a": "1", "b": "2"}
    assert roomy.cookies == {"a": "1", "b": "2"}


def test_prefixed_cookies_count_over_tls_only() -> None:
    pairs = [(b"cookie", b"__Host-id=1; a=2")]
    assert Connection(scope(headers=pairs)).cookies == {"a": "2"}
    secure = Connection(scope(headers=pairs, scheme="https")).cookies
    assert secure == {"__Host-id": "1", "a": "2"}


def test_user_auth_and_caller_without_anybody_proven() -> None:
    connection = Connection(scope(app=App()))
    assert (connection.user, connection.auth, connection.caller) == (
        "nobody",
        "no-auth",
        ANONYMOUS,
    )
    connection.user = {"id": 1}
    assert connection.user == {"id": 1}
    known = Connection(scope(user=None, auth="jwt", caller=Caller(actor="7")))
    assert (known.user, known.auth, known.caller.actor) == (None, "jwt", "7")


def test_state_reads_own_then_server_then_app_and_writes_own() -> None:
    app = App(state={"a": "app", "b": "app"})
    server = {"b": "server", "c": "server"}
    connection = Connection(scope(app=app, state=server))
    connection.state.c = "own"
    state = connection.state
    assert (state.a, state.b, state.c, state.missing) == ("app", "server", "own", None)
    assert (app.state, server) == ({"a": "app", "b": "app"}, {"b": "server", "c": "server"})
    assert Connection(scope(app=app, state=server)).state.c == "server"


def test_state_as_a_bag() -> None:
    state = State({"a": 1}, {"b": 2})
    assert "b" in state
    assert state["x"] is None
    assert sorted(state) == ["a", "b"]
    assert len(state) == 2
    state["c"] = 3
    state.update({"d": 4})
    del state.a
    del state["c"]
    del state.never_there
    assert state.to_dict() == {"b": 2, "d": 4}
    assert "4" not in repr(state)
    assert not hasattr(state, "__wrapped__")


def test_path_values_read_as_mapping_attributes_and_keywords() -> None:
    params = Connection(scope(path_params={"id": 7})).path_params
    assert (params["id"], params.id, dict(**params)) == (7, 7, {"id": 7})
    assert params["missing"] is None
    assert params.missing is None
    assert Connection(scope()).path_params == RouteParam()


# URL and URLPath.


def test_a_url_is_taken_apart_and_masks_its_password() -> None:
    url = URL("https://bob:hunter2@shop.test:8443/a?x=1#f")
    assert (url.scheme, url.hostname, url.port, url.path, url.query, url.fragment) == (
        "https",
        "shop.test",
        8443,
        "/a",
        "x=1",
        "f",
    )
    assert (url.username, url.password, url.is_secure) == ("bob", "hunter2", True)
    assert "hunter2" not in repr(url)
    assert "bob" in repr(url)
    assert url == "https://bob:hunter2@shop.test:8443/a?x=1#f"
    assert hash(url) == hash(URL(str(url)))


def test_parts_of_a_url_are_replaced() -> None:
    url = URL("http://u:p@a.test:80/x?q=1")
    assert str(url.replace(scheme="https", port=None)) == "https://u:p@a.test/x?q=1"
    assert str(url.replace(username=None, password=None)) == "http://a.test:80/x?q=1"
    assert str(url.replace(hostname="::1", path="/y", query="")) == "http://u:p@[::1]:80/y"
    assert str(URL("/x", scheme="https", netloc="b.test")) == "https://b.test/x"
    with pytest.raises(TypeError, match="no hots"):
        url.replace(hots="x")


def test_query_fields_of_a_url() -> None:
    url = URL("/x?a=1&a=2&b=3")
    assert str(url.include_query_params(a="9 9")) == "/x?b=3&a=9+9"
    assert str(url.replace_query_params(c=1)) == "/x?c=1"
    assert str(url.remove_query_params("a")) == "/x?b=3"
    assert str(url.remove_query_params(["a", "b"])) == "/x"


def test_a_url_path_is_text_with_a_way_to_become_absolute() -> None:
    path = URLPath("/a%20b", "websocket", "shop.test")
    assert path == "/a%20b"
    assert str(path.make_absolute_url("https://base.test/api/")) == "wss://shop.test/api/a%20b"
    plain = URLPath("/a")
    assert str(plain.make_absolute_url("http://base.test")) == "http://base.test/a"
    assert plain.include_query_params(x=1).include_query_params(x=2, y="ä") == "/a?x=2&y=%C3%A4"
    assert plain.add_query_params(x=1).add_query_params(x=2) == "/a?x=1&x=2"
    assert plain.add_query_params() == "/a"
    assert (
        str(plain.add_query_params(q=1).make_absolute_url("http://b.test"))
        == "http://b.test/a?q=1"
    )


def test_an_authority_is_host_and_port() -> None:
    assert parse_authority("Shop.Test:8000") == ("shop.test", 8000)
    assert parse_authority("shop.test:") == ("shop.test", None)
    assert parse_authority("shop.test:65536") is None


# Guards.


async def first(connection: Connection) -> None: ...


async def second(connection: Connection) -> None: ...


class Third:
    async def check(self, connection: Connection) -> None: ...


def test_guarding_returns_the_same_function_and_the_topmost_is_asked_first() -> None:
    async def handler() -> None: ...

    assert guarded(guarded(handler, second), first) is handler
    assert guards_of(handler) == (first, second)


def test_guards_of_a_class_are_joined_with_those_of_its_bases() -> None:
    class Base: ...

    class Child(Base): ...

    guarded(Base, first)
    guarded(Child, Third)
    assert guards_of(Base) == (first,)
    assert guards_of(Child) == (first, Third)
    assert guards_of(object()) == ()


def test_a_bound_method_shows_the_guards_of_its_function_and_takes_none() -> None:
    class Controller:
        async def show(self) -> None: ...

    guarded(Controller.show, first)
    assert guards_of(Controller().show) == (first,)
    with pytest.raises(TypeError, match="cannot be guarded"):
        guarded(Controller().show, second)


def test_a_guard_that_would_come_too_late_is_refused() -> None:
    async def handler() -> None: ...

    handler.__nexios_served__ = True  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="below the route"):
        guarded(handler, first)
    assert guards_of(handler) == ()
