"""The builder: made for one request, kept whatever the order, refusing what must not go out."""

from collections.abc import Callable
from typing import Any

import pytest

from nexios.adapters.asgi.headers import InvalidHeader
from nexios.adapters.asgi.types import Scope
from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import PreconditionFailed, Unencodable
from nexios.adapters.http.response import BaseResponse, JSONResponse


def scope(method: str = "GET", *headers: tuple[bytes, bytes], **parts: Any) -> Scope:
    return {"type": "http", "method": method, "path": "/", "headers": list(headers), **parts}


def headers_of(final: BaseResponse, name: str) -> list[str]:
    wanted = name.lower().encode()
    return [value.decode("latin-1") for key, value in final.raw_headers if key == wanted]


@pytest.mark.parametrize(
    ("make", "body", "kind"),
    [
        (lambda r: r.json({"a": 1}), b'{"a":1}', "application/json"),
        (lambda r: r.json([1], indent=2), b"[\n  1\n]", "application/json"),
        (lambda r: r.json("é", ensure_ascii=True), b'"\\u00e9"', "application/json"),
        (lambda r: r.text("é"), "é".encode(), "text/plain; charset=utf-8"),
        (lambda r: r.html("<p>"), b"<p>", "text/html; charset=utf-8"),
        (lambda r: r.resp("x"), b"x", "text/plain; charset=utf-8"),
        (lambda r: r.resp(b"x", content_type="image/png"), b"x", "image/png"),
        (lambda r: r.set_body(b"x"), b"x", "application/octet-stream"),
        (lambda r: r.html("a").set_body(b"x"), b"x", "text/html; charset=utf-8"),
    ],
)
def test_every_body_method(make: Callable[[Response], Response], body: bytes, kind: str) -> None:
    response = Response()
    assert make(response) is response
    final = response.get_response()
    assert (final.status_code, final.body) == (200, body)
    assert headers_of(final, "content-type") == [kind]
    assert headers_of(final, "content-length") == [str(len(body))]
    assert (response.content_type, response.content_length) == (kind, len(body))


STEPS: dict[str, Callable[[Response], object]] = {
    "json": lambda r: r.json({"a": 1}),
    "status": lambda r: r.status(201),
    "header": lambda r: r.set_header("X-A", "1"),
    "type": lambda r: r.set_header("Content-Type", "application/vnd.a+json"),
    "cookie": lambda r: r.set_cookie("c", "1"),
    "vary": lambda r: r.add_vary("Accept"),
}


@pytest.mark.parametrize("turn", range(len(STEPS)))
@pytest.mark.parametrize("direction", [1, -1])
def test_the_order_of_the_chain_does_not_matter(turn: int, direction: int) -> None:
    names = list(STEPS)
    response = Response()
    for name in (names[turn:] + names[:turn])[::direction]:
        STEPS[name](response)
    final = response.get_response()
    assert (final.status_code, final.body) == (201, b'{"a":1}')
    assert headers_of(final, "x-a") == ["1"]
    assert headers_of(final, "content-type") == ["application/vnd.a+json"]
    assert headers_of(final, "vary") == ["Accept"]
    assert len(headers_of(final, "set-cookie")) == 1


def test_headers_and_cookies_survive_a_change_of_body() -> None:
    response = Response()
    response.set_header("x-a", "1").set_cookie("c", "1").text("one", 202)
    response.json({"two": 2})
    final = response.get_response()
    assert final.status_code == 202
    assert headers_of(final, "content-type") == ["application/json"]
    assert headers_of(final, "x-a") == ["1"]
    assert len(headers_of(final, "set-cookie")) == 1


def test_set_header_replaces_unless_told_otherwise() -> None:
    response = Response()
    response.set_header("X", "1").set_header("x", "2")
    assert response.headers.getlist("x") == ["2"]
    response.set_header("x", "3", False).set_header("x", "4", override=False)
    assert response.headers.getlist("x") == ["2", "3", "4"]
    response.set_header("x", "5", overide=True)
    assert response.headers.getlist("x") == ["5"]
    response.set_header("Set-Cookie", "a=1").set_header("set-cookie", "b=2")
    assert response.cookies == ["a=1", "b=2"]
    response.set_header("vary", "Accept").set_header("Vary", "Origin, accept")
    assert response.headers.getlist("vary") == ["Accept, Origin"]
    response.remove_header("x").remove_header("never")
    assert not response.has_header("x")
    response.set_headers({"y": "1"}, overide_all=True)
    assert response.headers.multi_items() == [("y", "1")]


ATTACK = "x\r\nSet-Cookie: evil=1"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda r, bad: r.set_header("x", bad),
        lambda r, bad: r.set_header(bad, "x"),
        lambda r, bad: r.set_headers({"x": bad}),
        lambda r, bad: r.json({}, headers={"x": bad}),
        lambda r, bad: r.resp("x", content_type=bad),
        lambda r, bad: r.set_cookie(bad),
        lambda r, bad: r.set_cookie("a", bad),
        lambda r, bad: r.set_cookie("a", path=bad),
        lambda r, bad: r.set_cookie("a", domain=bad),
        lambda r, bad: r.delete_cookie(bad),
        lambda r, bad: r.redirect(bad),
        lambda r, bad: r.redirect(f"/{bad}"),
        lambda r, bad: r.add_vary(bad),
        lambda r, bad: r.add_csp_header(bad),
        lambda r, bad: r.etag(bad),
    ],
)
@pytest.mark.parametrize("bad", [ATTACK, "x\ny", "x\ry", "x\x00y"])
def test_header_injection_is_refused(attempt: Callable[[Response, str], object], bad: str) -> None:
    response = Response(scope())
    with pytest.raises(InvalidHeader):
        attempt(response, bad)
    sent = response.get_response().raw_headers
    assert all(b"\r" not in name + value and b"\n" not in name + value for name, value in sent)
    assert "evil" not in str(sent)


@pytest.mark.parametrize("status", [100, 199, 600, 0, -1])
def test_a_status_is_one_of_200_to_599(status: int) -> None:
    for attempt in (lambda r: r.status(status), lambda r: r.json({}, status)):
        with pytest.raises(ValueError, match="200 to 599"):
            attempt(Response())


@pytest.mark.parametrize("status", [204, 304])
def test_no_body_where_none_may_be(status: int) -> None:
    final = Response().json({"a": 1}).status(status).set_header("x-a", "1").get_response()
    assert final.status_code == status
    assert final.raw_headers == [(b"x-a", b"1")]


def test_empty_is_204_unless_a_status_is_said() -> None:
    assert Response().empty().get_response().status_code == 204
    assert Response().status(201).empty().get_response().status_code == 201
    assert Response().empty().status(202).get_response().status_code == 202
    assert Response().empty(205).get_response().status_code == 205


# Redirects.


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/a b?x=é#f", "/a%20b?x=%C3%A9#f"),
        ("/a%20b", "/a%20b"),
        ("../up", "../up"),
        ("?q=1", "?q=1"),
        ("http://shop.test/x", "http://shop.test/x"),
    ],
)
def test_a_redirect_stays_home_and_is_encoded_once(url: str, target: str) -> None:
    final = Response(scope("GET", (b"host", b"shop.test"))).redirect(url).get_response()
    assert final.status_code == 302
    assert headers_of(final, "location") == [target]


@pytest.mark.parametrize(
    "url",
    [
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "https://evil.test/",
        "http://shop.test@evil.test/",
        "http://shop.test.evil.test/",
        # Browsers read each of these as another host.
        "https:evil.test",
        "http:/evil.test",
        "http:///evil.test",
        "https:",
        "\tjavascript:alert(1)",
    ],
)
def test_a_redirect_elsewhere_is_refused(url: str) -> None:
    response = Response(scope("GET", (b"host", b"shop.test")))
    with pytest.raises(InvalidHeader):
        response.redirect(url)
    assert not response.has_header("location")


def test_another_host_is_fine_when_it_is_meant() -> None:
    url = "https://other.test/x"
    for options in ({"external": True}, {"allow_hosts": ["other.test"]}):
        final = Response(scope()).redirect(url, 307, **options).get_response()  # type: ignore[arg-type]
        assert (final.status_code, headers_of(final, "location")) == (307, [url])


def test_a_redirect_by_name_asks_the_app() -> None:
    class App:
        def url_for(self, name: str, **params: object) -> str:
            return f"/{name}/{params['id']}"

    response = Response(scope(app=App(), root_path="/api"))
    assert headers_of(response.redirect(name="show", id=7).get_response(), "location") == [
        "/api/show/7"
    ]


def test_a_redirect_without_target_or_with_another_status_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="needs an url"):
        Response().redirect()
    with pytest.raises(ValueError, match="300 to 399"):
        Response().redirect("/", 200)
    with pytest.raises(ValueError, match="no app"):
        Response().redirect(name="x")


def test_a_redirect_leaves_no_trace_in_the_next_builder() -> None:
    Response(scope()).redirect("/a")
    assert not Response(scope()).text("x").has_header("location")


# Cookies.


def test_deleting_mirrors_the_cookie_it_deletes() -> None:
    response = Response().delete_cookie("a", "/x", "shop.test", samesite="none", partitioned=True)
    (text,) = response.cookies
    parts = text.split("; ")
    assert parts[0] == "a="
    assert "Max-Age=0" in parts
    assert any(part.startswith("expires=") for part in parts)
    for part in ("Path=/x", "Domain=shop.test", "SameSite=none", "Partitioned", "Secure"):
        assert part in parts


def test_several_and_permanent_cookies() -> None:
    response = Response().set_cookies([{"key": "a", "value": "1"}, {"key": "b", "path": "/x"}])
    response.set_permanent_cookie("c", "2", path="/y")
    assert len(response.cookies) == 3
    assert "Max-Age=315360000" in response.cookies[2]
    assert "Path=/y" in response.cookies[2]


# Caching.


@pytest.mark.parametrize("first", [True, False])
def test_the_tag_is_of_the_body_finally_sent(first: bool) -> None:
    tagged, plain = Response(scope()), Response(scope())
    if first:
        tagged.cache(60).json({"old": 1}).json({"a": 1})
    else:
        tagged.json({"old": 1}).json({"a": 1}).cache(60)
    final = tagged.get_response()
    (tag,) = headers_of(final, "etag")
    assert headers_of(plain.json({"a": 1}).etag().get_response(), "etag") == [tag]
    assert headers_of(plain.json({"b": 1}).get_response(), "etag") != [tag]
    assert headers_of(final, "cache-control") == ["private, max-age=60"]


@pytest.mark.parametrize(
    ("method", "asked", "status"),
    [
        ("GET", ['"v1"'], 304),
        ("HEAD", ['"v1"'], 304),
        ("GET", ['W/"v1"'], 304),
        ("GET", ['"v0", "v1"'], 304),
        ("GET", ['"v0"', '"v1"'], 304),
        ("GET", ["*"], 304),
        ("GET", ['"v2"'], 200),
        ("GET", ["v1"], 200),
        ("GET", [""], 200),
        ("GET", [], 200),
        ("POST", ['"v1"'], 200),
        ("GET", [", ".join(['"x"'] * 64 + ['"v1"'])], 200),
    ],
)
def test_if_none_match(method: str, asked: list[str], status: int) -> None:
    pairs = [(b"if-none-match", value.encode()) for value in asked]
    final = Response(scope(method, *pairs)).text("x").etag("v1").get_response()
    assert final.status_code == status
    assert headers_of(final, "etag") == ['"v1"']
    assert bool(headers_of(final, "content-length")) == (status == 200)


def test_weak_and_quoted_tags_and_no_cache() -> None:
    assert Response().text("x").etag('W/"a"').headers["etag"] == 'W/"a"'
    assert Response().text("x").etag('"a"').headers["etag"] == '"a"'
    with pytest.raises(InvalidHeader):
        Response().etag('a"b')
    final = Response(scope()).text("x").cache().no_cache().get_response()
    assert headers_of(final, "cache-control") == ["no-store"]
    assert headers_of(final, "etag") == []


def test_an_error_is_not_tagged() -> None:
    final = Response(scope()).text("x", 404).etag().get_response()
    assert headers_of(final, "etag") == []


# Finals and the end.


def test_a_final_joins_what_was_set_and_wins_over_it() -> None:
    final = JSONResponse({"a": 1}, 202, {"x-a": "final", "vary": "Accept"})
    final.set_cookie("f", "1").set_header("link", "a").set_header("link", "b", override=False)
    response = Response().text("gone").set_header("x-a", "mine").set_header("x-b", "mine")
    response.set_cookie("m", "1").add_vary("Origin").set_header("link", "mine")

    joined = response.make_response(final).get_response()

    assert (joined.status_code, joined.body) == (202, b'{"a":1}')
    assert headers_of(joined, "content-type") == ["application/json"]
    assert headers_of(joined, "x-a") == ["final"]
    assert headers_of(joined, "x-b") == ["mine"]
    assert headers_of(joined, "link") == ["a", "b"]
    assert headers_of(joined, "vary") == ["Origin, Accept"]
    assert len(headers_of(joined, "set-cookie")) == 2
    assert (final.headers["x-b"], len(final.headers.getlist("set-cookie"))) == (None, 1)


def test_what_is_set_after_a_final_holds_and_the_final_stays_as_it_was() -> None:
    final = JSONResponse({"a": 1})
    joined = Response().make_response(final).set_header("x", "1").status(201).get_response()
    assert (joined.status_code, headers_of(joined, "x")) == (201, ["1"])
    assert (final.status_code, final.headers["x"]) == (200, None)
    replaced = Response().make_response(final).text("new").get_response()
    assert replaced.body == b"new"
    assert headers_of(replaced, "content-type") == ["text/plain; charset=utf-8"]


def test_dropping_the_body_keeps_headers_and_cookies() -> None:
    response = Response(scope()).json({"a": 1}, 201).cache().set_header("x", "1")
    response.set_cookie("c").set_header("content-disposition", "inline").drop_body()
    assert not response.status_set
    final = response.get_response()
    assert final.body == b""
    assert {name for name, _ in final.raw_headers} == {b"x", b"set-cookie", b"content-length"}


def test_hooks_are_noted_for_whoever_sends() -> None:
    block = ((b"x", b"1"),)
    response = Response().on_send(block)
    assert response.hooks == [block]
    assert Response().hooks is None
    assert not response.touched


@pytest.mark.parametrize(
    "touch",
    [
        lambda r: r.status(200),
        lambda r: r.text(""),
        lambda r: r.set_header("x", "1"),
        lambda r: r.set_cookie("x"),
        lambda r: r.etag(),
        lambda r: r.make_response(BaseResponse()),
    ],
)
def test_touching_is_noticed(touch: Callable[[Response], object]) -> None:
    response = Response()
    assert not response.touched
    touch(response)
    assert response.touched


def test_what_cannot_be_encoded_is_refused_with_its_place_and_leaves_the_answer_alone() -> None:
    response = Response().json({"ok": 1})
    with pytest.raises(Unencodable, match=r"object at \$\.a\[1\]"):
        response.json({"a": [1, object()]})
    assert response.get_response().body == b'{"ok":1}'


@pytest.mark.parametrize(
    ("method", "asked", "refused"),
    [
        ("GET", '"v1"', False),
        ("GET", '"x", "v1"', False),
        ("GET", "*", False),
        ("GET", '"v2"', True),
        ("GET", 'W/"v1"', True),
        ("HEAD", '"v2"', True),
        ("PUT", '"v2"', False),  # it is done: the tag is of what stands there now
    ],
)
def test_if_match(method: str, asked: str, refused: bool) -> None:
    response = Response(scope(method, (b"if-match", asked.encode()))).json({}).etag("v1")
    if refused:
        with pytest.raises(PreconditionFailed):
            response.get_response()
    else:
        assert response.get_response().status_code == 200


def test_a_stream_has_only_the_tag_it_is_given() -> None:
    known = scope("GET", (b"if-none-match", b'"v1"'))
    assert Response(known).stream(["a"]).cache().get_response().headers["etag"] is None
    assert Response(known).stream(["a"]).etag("v1").get_response().status_code == 304


def test_where_an_answer_ends_is_said_by_the_server() -> None:
    builder = Response(scope())
    with pytest.raises(ValueError, match="stream it instead"):
        builder.set_header("Transfer-Encoding", "chunked")
