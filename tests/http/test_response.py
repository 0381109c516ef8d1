"""Finals: made once, sent often, never changed by it."""

import json
from typing import Any

import pytest

from nexios.adapters.asgi.headers import InvalidHeader
from nexios.adapters.asgi.types import Message
from nexios.adapters.http.errors import Unencodable
from nexios.adapters.http.response import (
    BaseResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    ProblemResponse,
    RedirectResponse,
    TextResponse,
    encode_json,
    length_header,
)


async def sent(final: BaseResponse, method: str = "GET") -> list[Message]:
    messages: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("a finished answer reads nothing")

    async def send(message: Message) -> None:
        messages.append(message)

    await final({"type": "http", "method": method}, receive, send)
    return messages


@pytest.mark.parametrize(
    ("final", "body", "kind"),
    [
        (BaseResponse("é"), "é".encode(), "text/plain; charset=utf-8"),
        (BaseResponse(b"x"), b"x", "application/octet-stream"),
        (BaseResponse("x", content_type="a/b"), b"x", "a/b"),
        (BaseResponse(), b"", None),
        (PlainTextResponse("x"), b"x", "text/plain; charset=utf-8"),
        (TextResponse("x"), b"x", "text/plain; charset=utf-8"),
        (HTMLResponse("x"), b"x", "text/html; charset=utf-8"),
        (JSONResponse({"é": None}), '{"é":null}'.encode(), "application/json"),
        (JSONResponse("x", headers={"Content-Type": "a/b"}), b'"x"', "a/b"),
    ],
)
def test_every_final_says_what_it_is(final: BaseResponse, body: bytes, kind: str | None) -> None:
    assert (final.status_code, final.body, final.content_type) == (200, body, kind)
    assert dict(final.raw_headers)[b"content-length"] == str(len(body)).encode()


@pytest.mark.anyio
async def test_one_final_returned_twice_sends_the_same_each_time() -> None:
    final = JSONResponse({"a": 1}, headers={"x": "1"})
    first, second = await sent(final), await sent(final)
    assert first == second
    # A wrapper that appends in place must not change later answers.
    first[0]["headers"].append((b"y", b"2"))
    assert await sent(final) == second


@pytest.mark.anyio
async def test_head_gets_the_same_headers_and_no_body() -> None:
    final = PlainTextResponse("12345")
    head, get = await sent(final, "HEAD"), await sent(final, "GET")
    assert head[0] == get[0]
    assert (head[1]["body"], get[1]["body"]) == (b"", b"12345")


@pytest.mark.anyio
@pytest.mark.parametrize("status", [204, 304])
async def test_no_body_and_no_length_where_none_may_be(status: int) -> None:
    start, body = await sent(JSONResponse({"a": 1}, status, {"x": "1"}))
    assert start["status"] == status
    assert start["headers"] == [(b"x", b"1")]
    assert body["body"] == b""


def test_a_length_set_by_hand_is_not_believed() -> None:
    final = PlainTextResponse("123", headers={"Content-Length": "99"})
    lengths = [value for name, value in final.raw_headers if name == b"content-length"]
    assert lengths == [b"3"]


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 10**9])
def test_lengths_from_the_table_and_beyond(size: int) -> None:
    assert length_header(size) == (b"content-length", str(size).encode())


def test_another_head_over_the_same_content_leaves_the_first_alone() -> None:
    final = ProblemResponse(404, title="Not Found")
    twin = final.with_head(410, type(final.headers)([(b"x", b"1")]))
    assert type(twin) is ProblemResponse
    assert (twin.status_code, twin.body, twin.headers["x"]) == (410, final.body, "1")
    assert (final.status_code, final.headers["x"]) == (404, None)


class Noted(JSONResponse):
    __slots__ = ("__dict__",)  # which takes no room in the object itself

    def __init__(self, content: object) -> None:
        super().__init__(content)
        self.note = "kept"


class Slotted(JSONResponse):
    __slots__ = ("note",)

    def __init__(self, content: object) -> None:
        super().__init__(content)
        self.note = "kept"


@pytest.mark.parametrize("kind", [Noted, Slotted])
def test_another_head_keeps_what_a_subclass_adds(kind: type[Noted | Slotted]) -> None:
    final = kind({"a": 1})
    twin = final.with_head(201, final.headers)
    assert (type(twin), twin.note, twin.status_code, twin.body) == (kind, "kept", 201, b'{"a":1}')


@pytest.mark.parametrize("status", [0, 100, 199, 600])
def test_a_status_that_is_none(status: int) -> None:
    with pytest.raises(ValueError, match="200 to 599"):
        BaseResponse("x", status)


def test_headers_cookies_and_caching_of_a_final() -> None:
    final = BaseResponse("x").set_header("X", "1").set_header("X", "2", overide=False)
    assert final.headers.getlist("x") == ["1", "2"]
    final.set_cookie("a", "1").delete_cookie("b")
    assert len(final.headers.getlist("set-cookie")) == 2
    assert final.enable_caching(5, private=False).headers["cache-control"] == "public, max-age=5"
    assert final.disable_caching().headers["cache-control"] == "no-store"
    for bad in ("a\r\nb", "a\x00"):
        with pytest.raises(InvalidHeader):
            final.set_header("x", bad)
        with pytest.raises(InvalidHeader):
            BaseResponse("x", headers={"x": bad})


def test_a_redirect_encodes_its_address_and_has_a_redirect_status() -> None:
    final = RedirectResponse("/a b")
    assert (final.status_code, final.headers["location"]) == (302, "/a%20b")
    with pytest.raises(ValueError, match="300 to 399"):
        RedirectResponse("/", 200)
    bad = (
        "javascript:x",
        "//evil.test",
        "/\\evil.test",
        "/a\r\nb: c",
        "http:evil.test",
        "http:///x",
    )
    for url in bad:
        with pytest.raises(InvalidHeader):
            RedirectResponse(url)


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    final = ProblemResponse(
        409, title="Conflict", type="urn:x", detail="d", instance="/i", errors=[1], gone=None
    )
    assert final.content_type == "application/problem+json"
    assert json.loads(final.body) == {
        "type": "urn:x",
        "title": "Conflict",
        "status": 409,
        "detail": "d",
        "instance": "/i",
        "errors": [1],
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_in_json_is_null(value: float) -> None:
    assert encode_json({"a": [value]}) == b'{"a":[null]}'


class Loop:
    def __init__(self) -> None:
        self.value: list[Any] = []
        self.value.append(self.value)


@pytest.mark.parametrize(
    ("value", "path", "kind"),
    [
        (object(), "$", "object"),
        ({"a": [1, {"b": object()}]}, "$.a[1].b", "object"),
        ({"a": b"\xff"}, "$.a", "bytes"),
        (["\ud800"], "$[0]", "str"),
        ([{1, 2}, (len,)], "$[1][0]", "builtin_function_or_method"),
    ],
)
def test_what_is_no_json_is_told_with_its_place_and_type(
    value: object, path: str, kind: str
) -> None:
    with pytest.raises(Unencodable) as refusal:
        encode_json(value)
    assert (refusal.value.path, refusal.value.kind) == (path, kind)


def test_a_circle_is_no_json_and_no_endless_search() -> None:
    circle: dict[str, object] = {}
    circle["self"] = [circle, object()]
    with pytest.raises(Unencodable):
        encode_json(circle)
    with pytest.raises(Unencodable):
        encode_json([Loop().value, object()])
