"""Request: names of 2.11, corrected behaviour, hostile headers."""

import base64
from typing import Any

import pytest

from nexios.adapters.asgi.errors import SessionUnavailable
from nexios.adapters.asgi.types import Message, Scope
from nexios.adapters.http.errors import (
    BodyTooLarge,
    HTTPException,
    MalformedBody,
    RequestInvalid,
    UnsupportedMediaType,
)
from nexios.adapters.http.request import Request
from nexios.application.limits import Limits


class Wire:
    """Receives one body and counts how often it was asked."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.asked = 0

    async def __call__(self) -> Message:
        self.asked += 1
        return {"type": "http.request", "body": self._body, "more_body": False}


def request(
    *headers: tuple[str, str], body: bytes = b"", limits: Limits | None = None, **parts: Any
) -> Request:
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/a/b",
        "query_string": b"x=1&x=2",
        "headers": [(key.lower().encode(), value.encode("latin-1")) for key, value in headers],
        "client": ("203.0.113.9", 1),
        "server": ("shop.test", 80),
        **parts,
    }
    return Request(scope, Wire(body), limits=limits)


@pytest.mark.anyio
async def test_json_as_property_and_call_is_one_kept_object() -> None:
    asked = request(body=b'{"a": [1]}')
    first = await asked.json
    assert first == {"a": [1]}
    assert await asked.json() is first
    assert await asked.body == await asked.body() == b'{"a": [1]}'
    assert await asked.text == await asked.text() == '{"a": [1]}'
    assert isinstance(asked.receive, Wire)
    assert asked.receive.asked == 1


@pytest.mark.anyio
async def test_an_empty_body_is_an_empty_object() -> None:
    assert await request().json == {}
    assert await request().text == ""


@pytest.mark.anyio
@pytest.mark.parametrize("body", [b"{", b"\xff", b"NaN", b"[" * 1000, b"\x00"])
async def test_bad_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        await request(body=body).json


@pytest.mark.anyio
async def test_text_is_read_in_its_charset_or_refused() -> None:
    latin = request(("content-type", "text/plain; charset=ISO-8859-1"), body=b"caf\xe9")
    assert await latin.text == "café"
    with pytest.raises(MalformedBody):
        await request(body=b"caf\xe9").text
    for charset in ("nonsense", "zlib", "rot13", "a\x00b"):
        kind = ("content-type", f"text/plain; charset={charset}")
        with pytest.raises((UnsupportedMediaType, MalformedBody)):
            await request(kind, body=b"x").text


@pytest.mark.anyio
@pytest.mark.parametrize(
    "charset",
    ["unicode_escape", "unicode-escape", "raw_unicode_escape", "utf-7", "punycode", "idna"],
)
async def test_codecs_that_make_surrogates_or_take_for_ever_are_no_charsets(charset: str) -> None:
    kind = ("content-type", f"text/plain; charset={charset}")
    with pytest.raises(UnsupportedMediaType):
        await request(kind, body=b"\\ud800+2AA-").text


@pytest.mark.anyio
async def test_json_with_nul_is_refused_and_says_where() -> None:
    body = b'{"a":[{"b":"x\\u0000"},"\\\\u0000"],"c\\u0000":1}'
    with pytest.raises(RequestInvalid) as refusal:
        await request(body=body).json
    assert [fault["pointer"] for fault in refusal.value.errors] == ["#", "#/a/0/b"]
    escaped = request(body=b'{"a":"\\\\u0000"}')
    assert await escaped.json == {"a": "\\u0000"}


@pytest.mark.anyio
async def test_the_limit_given_holds() -> None:
    with pytest.raises(BodyTooLarge):
        await request(body=b"12345", limits=Limits(body=4)).body


@pytest.mark.anyio
async def test_the_stream_yields_what_the_body_has() -> None:
    asked = request(body=b"12345")
    assert await asked.body == b"12345"
    assert [chunk async for chunk in asked.stream()] == [b"12345"]


@pytest.mark.anyio
async def test_limits_and_reader_come_from_the_exchange_and_may_change_with_the_route() -> None:
    class Exchange:
        limits = Limits(body=1)

        @property
        def reader(self) -> Any:
            return own.body_reader

    own = request(body=b"shared")
    exchange = Exchange()
    asked = Request(own.scope, own.receive, exchange=exchange)
    assert asked.limits.body == 1
    exchange.limits = Limits(body=9)
    assert asked.limits.body == 9
    assert await asked.body == b"shared"
    assert await own.body == b"shared"
    assert own.receive.asked == 1  # type: ignore[attr-defined]


def _basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"Basic {_basic('bob:a:b:c')}", ("bob", "a:b:c")),
        (f"bAsIc   {_basic('bob:')}", ("bob", "")),
        (f"Basic {_basic('é:ü')}", ("é", "ü")),
        ("Basic", ("", "")),
        ("Basic ", ("", "")),
        ("Basic !!!!", ("", "")),
        ("Basic YQ", ("", "")),
        (f"Basic {_basic('no colon')}", ("", "")),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), ("", "")),
        (f"Basic {_basic('a:b')} extra", ("", "")),
        (f"Bearer {_basic('a:b')}", ("", "")),
        ("", ("", "")),
    ],
)
def test_basic_credentials(value: str, expected: tuple[str, str]) -> None:
    assert request(("authorization", value)).basic_auth == expected


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer abc.DEF-1_~+/==", "abc.DEF-1_~+/=="),
        ("bearer abc", "abc"),
        ("bearer  a b", ""),
        ("Bearer", ""),
        ("Bearer a,b", ""),
        ("Bearer é", ""),
        ("Token abc", ""),
        ("Bearerabc", ""),
    ],
)
def test_bearer_tokens(value: str, token: str) -> None:
    assert request(("authorization", value)).bearer_token == token


def test_two_authorizations_are_none() -> None:
    twice = request(("authorization", "Bearer a"), ("authorization", f"Basic {_basic('a:b')}"))
    assert (twice.bearer_token, twice.basic_auth) == ("", ("", ""))
    assert (request().bearer_token, request().basic_auth) == ("", ("", ""))


@pytest.mark.parametrize(
    ("accept", "json", "html"),
    [
        (None, True, True),
        ("*/*", True, True),
        ("application/json", True, False),
        ("APPLICATION/JSON;q=0.5, text/html", True, True),
        ("text/*", False, True),
        ("application/json;q=0, */*", False, True),
        ("text/html;q=0.000, */*;q=0.1", True, False),
        ("", False, False),
        ("junk,,;;=", False, False),
        (", ".join(["a/b"] * 64 + ["application/json"]), False, False),
    ],
)
def test_what_the_client_accepts(accept: str | None, json: bool, html: bool) -> None:
    asked = request(*([] if accept is None else [("accept", accept)]))
    assert (asked.accepts_json, asked.accepts_html) == (json, html)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/json; charset=utf-8", "json"),
        ("Application/Problem+JSON", "json"),
        ("multipart/form-data; boundary=x", "multipart"),
        ("application/x-www-form-urlencoded", "urlencoded"),
        ("text/json", "none"),
        ("", "none"),
    ],
)
def test_the_kind_of_body(kind: str, expected: str) -> None:
    asked = request(("content-type", kind))
    found = {"json": asked.is_json, "multipart": asked.is_multipart}
    found["urlencoded"] = asked.is_urlencoded
    assert [name for name, true in found.items() if true] == (
        [] if expected == "none" else [expected]
    )
    assert asked.is_form == (expected in ("multipart", "urlencoded"))


def test_small_questions() -> None:
    asked = request(
        ("X-Requested-With", "XMLHttpRequest"),
        ("User-Agent", "ua"),
        ("Referer", "http://r.test"),
        ("Last-Event-ID", "7"),
        ("Content-Length", "5"),
        ("Content-Type", "Text/Plain; charset=utf-8"),
        ("Cookie", "a=1"),
    )
    assert asked.is_ajax
    assert (asked.user_agent, asked.referrer, asked.last_event_id) == ("ua", "http://r.test", "7")
    assert (asked.content_type, asked.content_length) == ("text/plain", 5)
    assert asked.has_body
    assert asked.has_cookie("a")
    assert not asked.has_cookie("b")
    assert asked.is_method("post")
    assert asked.has_header("user-agent")
    assert asked.get_header("x", "d") == "d"
    assert asked.get_query_params() == {"x": "2"}
    assert asked.get_query_params(flat=False) == {"x": ["1", "2"]}
    assert asked.valid()
    assert "POST" in repr(asked)
    bare = request()
    assert (bare.user_agent, bare.referrer, bare.last_event_id) == ("", "", None)
    assert (bare.content_type, bare.content_length, bare.has_body) == ("", 0, False)
    assert request(("transfer-encoding", "chunked")).has_body
    assert not bare.is_ajax


def test_the_last_event_is_told_by_header_then_by_query() -> None:
    def resuming(query: bytes, *headers: tuple[str, str]) -> Request:
        asked = request(*headers)
        asked.scope["query_string"] = query
        return asked

    assert resuming(b"last-event-id=8").last_event_id == "8"
    assert resuming(b"last-event-id=8", ("Last-Event-ID", "7")).last_event_id == "7"
    assert resuming(b"").last_event_id is None
    assert resuming(b"", ("Last-Event-ID", "x" * 256)).last_event_id == "x" * 256
    for long in (
        resuming(b"", ("Last-Event-ID", "x" * 257)),
        resuming(b"last-event-id=" + "ä".encode() * 129),
    ):
        with pytest.raises(HTTPException) as refusal:
            _ = long.last_event_id
        assert refusal.value.status_code == 400


def test_a_session_is_there_only_when_a_middleware_made_one() -> None:
    asked = request()
    assert not asked.has_session
    with pytest.raises(SessionUnavailable, match="SessionMiddleware"):
        _ = asked.session
    with pytest.raises(AssertionError):  # as in 2.11
        _ = asked.session
    asked.session = {"cart": 1}
    assert asked.has_session
    assert asked.session == asked.scope["session"] == {"cart": 1}


def test_origin_is_never_empty() -> None:
    assert request(("origin", "https://o.test")).origin == "https://o.test"
    assert request(("host", "shop.test:8000")).origin == "http://shop.test:8000"


def test_who_counts_as_authenticated() -> None:
    class User:
        def __init__(self, yes: bool) -> None:
            self.is_authenticated = yes

    assert not request().is_authenticated
    assert request(user={"id": 1}, auth="jwt").is_authenticated
    assert not request(user={"id": 1}).is_authenticated
    assert request(user=User(True)).is_authenticated
    assert not request(user=User(False), auth="jwt").is_authenticated


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("", None, "http://shop.test/a/b"),
        ("/x y", {"q": "1 2"}, "http://shop.test/x%20y?q=1+2"),
        ("x", None, "http://shop.test/x"),
        ("//evil.test/x", None, "http://shop.test//evil.test/x"),
        ("https://evil.test", None, "http://shop.test/https://evil.test"),
        ("/a\r\nb", None, "http://shop.test/a%0D%0Ab"),
    ],
)
def test_an_absolute_uri_never_leaves_this_host(
    path: str, query: dict[str, str] | None, expected: str
) -> None:
    assert request(("host", "shop.test")).build_absolute_uri(path, query) == expected


def test_url_for_adds_the_root_path_of_the_server() -> None:
    class App:
        def url_for(self, name: str, /, **params: object) -> str:
            assert (name, params) == ("users.show", {"id": 7, "name": "x"})
            return "/users/7/x"

    asked = request(("host", "shop.test"), root_path="/api/", app=App())
    path = asked.url_for("users.show", id=7, name="x")
    assert path == "/api/users/7/x"
    assert str(path.make_absolute_url("https://b.test")) == "https://shop.test/api/users/7/x"
    asked_for = path.include_query_params(a=1).add_query_params(b=2)
    absolute = asked_for.make_absolute_url("http://shop.test/api/")
    assert str(absolute) == "http://shop.test/api/users/7/x?a=1&b=2"


@pytest.mark.anyio
async def test_push_is_sent_only_where_the_server_offers_it() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = dict(request(("accept", "a/b"), ("cookie", "c=1")).scope)
    await Request(scope, Wire(b""), send).send_push_promise("/style.css")
    assert sent == []
    scope["extensions"] = {"http.response.push": {}}
    await Request(scope, Wire(b""), send).send_push_promise("/style.css")
    assert sent == [
        {"type": "http.response.push", "path": "/style.css", "headers": [(b"accept", b"a/b")]}
    ]
