"""What the firewall refuses is answered like every other error, before anything else runs."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from nexios import MakeConfig, NexiosApp, Request, Response
from nexios.adapters.asgi.errors import RequestRefused
from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.http.pipeline import CallNext
from nexios.middleware import (
    CORSMiddleware,
    RequestIdMiddleware,
    SecurityMiddleware,
    TimeoutMiddleware,
    deadline,
)
from tests.support.asgi import Answer, Peer, ask

pytestmark = pytest.mark.asyncio

ORIGIN = "https://page.test"


def app_with(*middleware: Any, **settings: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(**settings))
    for one in middleware:
        app.add_middleware(one)

    @app.get("/a")
    async def handler(request: Request) -> dict[str, str]:
        return {"host": request.host, "url": str(request.url)}

    return app


@pytest.mark.parametrize(
    ("method", "target", "headers", "status", "kind"),
    [
        ("GET", "/a%00", {}, 400, "urn:nexios:problem:malformed-request"),
        ("GET", "/a", {"host": "a@b"}, 400, "urn:nexios:problem:malformed-request"),
        ("", "/a", {}, 400, "urn:nexios:problem:malformed-request"),
        ("TRACE", "/a", {}, 405, "urn:nexios:problem:method-not-allowed"),
        ("GET", "/" + "a" * 8192, {}, 414, "urn:nexios:problem:target-too-long"),
        ("GET", "/a", {"x-a": "a" * 8193}, 431, "urn:nexios:problem:headers-too-large"),
    ],
)
async def test_a_refusal_is_a_problem_with_all_that_every_answer_carries(
    method: str, target: str, headers: dict[str, str], status: int, kind: str
) -> None:
    app = app_with(SecurityMiddleware(), CORSMiddleware(allow_origins=[ORIGIN]))
    answer = await ask(app, method, target, headers={"origin": ORIGIN, **headers})
    assert (answer.status, answer.json()["type"]) == (status, kind)
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("access-control-allow-origin") == ORIGIN
    assert "Origin" in (answer.header("vary") or "")
    assert len(answer.body) < 1024


async def test_a_refusal_of_its_host_carries_what_every_answer_does() -> None:
    app = app_with(
        SecurityMiddleware(), CORSMiddleware(allow_origins=[ORIGIN]), allowed_hosts=["good.test"]
    )
    answer = await ask(app, "GET", "/a", headers={"origin": ORIGIN, "host": "bad.test"})
    assert answer.status == 400
    assert answer.headers("access-control-allow-origin") == [ORIGIN]
    assert answer.headers("x-content-type-options") == ["nosniff"]


@pytest.mark.parametrize("by", ["route", "middleware", "configuration"])
async def test_what_takes_too_long_carries_what_every_answer_does(by: str) -> None:
    middleware: list[Any] = [
        SecurityMiddleware(),
        CORSMiddleware(allow_origins=[ORIGIN]),
        RequestIdMiddleware(),
    ]
    settings: dict[str, Any] = {}
    if by == "middleware":
        middleware.append(TimeoutMiddleware(0.05))
    elif by == "configuration":
        settings["limits"] = {"request_s": 0.05}
    app = app_with(*middleware, **settings)

    async def slow() -> None:
        await anyio.sleep_forever()

    app.get("/slow", deadline(0.05)(slow) if by == "route" else slow)
    answer = await ask(app, "GET", "/slow", headers={"origin": ORIGIN, "x-request-id": "seven"})
    assert (answer.status, answer.json()["detail"]) == (504, "the request took too long")
    assert answer.headers("access-control-allow-origin") == [ORIGIN]
    assert answer.headers("x-content-type-options") == ["nosniff"]
    assert answer.headers("x-request-id") == ["seven"]
    assert answer.json()["request_id"] == "seven"


async def test_a_root_of_one_slash_does_not_send_to_another_host() -> None:
    app = NexiosApp(config=MakeConfig(trailing_slash="redirect"))
    app.get("/{name}/", lambda name: name)

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        # What uvicorn makes of GET /evil.test under --root-path /
        await app({**scope, "root_path": "/", "path": f"/{scope['path']}"}, receive, send)

    answer = await ask(server, "GET", "/evil.test")
    assert (answer.status, answer.header("location")) == (308, "/evil.test/")


async def test_another_origin_is_granted_nothing_on_a_refusal() -> None:
    app = app_with(CORSMiddleware(allow_origins=[ORIGIN]))
    for origins in ([("origin", "https://evil.test")], [("origin", ORIGIN)] * 2):
        answer = await ask(app, "GET", "/a%00", headers=origins)
        assert answer.status == 400
        assert answer.header("access-control-allow-origin") is None
        assert answer.header("vary") == "Origin"


async def test_a_ten_kib_origin_is_431_and_granted_nothing() -> None:
    app = app_with(CORSMiddleware(allow_origins=["*"]))
    answer = await ask(app, "GET", "/a", headers={"origin": "https://" + "a" * 10_240})
    assert answer.status == 431
    assert answer.header("access-control-allow-origin") is None


async def test_no_middleware_and_no_handler_sees_what_is_refused() -> None:
    seen: list[str] = []

    async def watching(request: Request, response: Response, call_next: CallNext) -> Any:
        seen.append(request.path)
        return await call_next()

    app = app_with(watching)
    assert (await ask(app, "GET", "/a%5c")).status == 400
    assert seen == []
    assert (await ask(app, "GET", "/a")).status == 200
    assert seen == ["/a"]


def answering(text: str) -> Callable[..., Any]:
    async def handler(request: Request, response: Response, error: Exception) -> Any:
        return response.text(text)

    return handler


async def test_handlers_by_class_and_status_answer_refusals_too() -> None:
    app = app_with()
    app.add_exception_handler(414, answering("by status"))
    answer = await ask(app, "GET", "/" + "a" * 9000)
    assert (answer.status, answer.text) == (414, "by status")
    app.add_exception_handler(RequestRefused, answering("by class"))
    answer = await ask(app, "GET", "/a%00")
    assert (answer.status, answer.text) == (400, "by class")


async def test_a_mark_that_fails_costs_its_headers_and_not_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(SecurityMiddleware):
        async def mark(self, request: Request, response: Response) -> None:
            raise RuntimeError("in a mark")

    answer = await ask(app_with(Broken(), CORSMiddleware(allow_origins=["*"])), "GET", "/a%00")
    assert answer.status == 400
    assert answer.header("vary") == "Origin"
    assert "in a mark" in caplog.text


@pytest.mark.parametrize(
    ("host", "url"),
    [("shop.test", "http://shop.test/a"), ("SHOP.test:81", "http://SHOP.test:81/a")],
)
async def test_a_sound_host_is_the_urls(host: str, url: str) -> None:
    answer = await ask(app_with(), "GET", "/a", headers={"host": host})
    assert answer.json() == {"host": host, "url": url}


@pytest.mark.parametrize(
    "headers",
    [
        *([("host", host)] for host in ("a b", "a@b", "a/b", "a\r\nb", "", "a:99999")),
        [("host", "a"), ("host", "b")],
        [("host", "a"), ("host", "a")],
    ],
)
async def test_host_header_junk(headers: list[tuple[str, str]]) -> None:
    app = app_with(trailing_slash="redirect")
    for path in ("/a", "/a/"):
        answer = await ask(app, "GET", path, headers=headers)
        assert (answer.status, answer.header("location")) == (400, None)


async def asked(length: int, **request: Any) -> Answer:
    return await ask(app_with(), "GET", "/a" * (length // 2) + "a" * (length % 2), **request)


async def test_long_and_deep_paths() -> None:
    assert (await asked(8191)).status == 404
    assert (await asked(8192)).status == 404
    assert (await asked(8193)).status == 414


async def test_a_long_path_is_not_sent_back_whole() -> None:
    problem = (await asked(8192)).json()
    assert problem["instance"] == "/a" * 128 + "..."


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({"cookie_pairs": 3}, {"cookie": "a=1; b=2; c=3"}, 200),
        ({"cookie_pairs": 3}, {"cookie": "a=1; b=2; c=3; d=4"}, 431),
        ({"cookie_bytes": 9}, {"cookie": "a=1234567"}, 200),
        ({"cookie_bytes": 9}, {"cookie": "a=12345678"}, 431),
    ],
)
async def test_cookies_at_their_bounds(
    settings: dict[str, int], headers: dict[str, str], status: int
) -> None:
    app = NexiosApp(config=MakeConfig(limits=settings))

    @app.get("/")
    async def handler(request: Request) -> dict[str, str]:
        return dict(request.cookies)

    assert (await ask(app, "GET", "/", headers=headers)).status == status


@pytest.mark.parametrize(("count", "status"), [(255, 200), (256, 200), (257, 400)])
async def test_query_fields_at_their_bound(count: int, status: int) -> None:
    app = NexiosApp()

    @app.get("/")
    async def handler(request: Request) -> int:
        return len(request.query_params.multi_items())

    answer = await ask(app, "GET", "/?" + "&".join(["a=1"] * count))
    assert answer.status == status
    assert (answer.body == b"%d" % count) == (status == 200)


@pytest.mark.parametrize(("size", "status"), [(9, 200), (10, 200), (11, 413)])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_at_its_bound(size: int, status: int, declared: bool) -> None:
    app = NexiosApp(config=MakeConfig(limits={"body": 10}))

    @app.post("/")
    async def handler(request: Request) -> int:
        return len(await request.body)

    headers = [] if declared else [("transfer-encoding", "chunked")]
    body = {"body": b"a" * size} if declared else {"peer": _chunks(size)}
    answer = await ask(app, "POST", "/", headers=headers, **body)
    assert answer.status == status
    assert (answer.header("connection") == "close") == (status == 413)


def _chunks(size: int) -> Peer:
    return Peer([b"a"] * size)


@pytest.mark.parametrize(("faults", "listed"), [(1, 1), (2, 2), (3, 2)])
async def test_errors_are_listed_up_to_their_bound(faults: int, listed: int) -> None:
    app = NexiosApp(config=MakeConfig(limits={"errors": 2}))

    @app.get("/")
    async def handler(a: int = 0, b: int = 0, c: int = 0) -> None: ...

    answer = await ask(app, "GET", "/?" + "&".join(f"{name}=x" for name in "abc"[:faults]))
    assert answer.status == 422
    assert len(answer.json()["errors"]) == listed
    assert str(faults) in answer.json()["detail"]


async def test_a_stalled_body_is_408_and_the_handler_never_ran() -> None:
    ran: list[object] = []
    app = NexiosApp(config=MakeConfig(limits={"body_idle_s": 0.01}))

    class Silent(Peer):
        async def receive(self) -> Any:
            if self.asked:
                await anyio.sleep_forever()
            self.asked += 1
            return {"type": "http.request", "body": b'{"a"', "more_body": True}

    @app.post("/")
    async def handler(data: dict[str, int]) -> None:
        ran.append(data)

    headers = {"content-type": "application/json", "content-length": "99"}
    answer = await ask(app, "POST", "/", headers=headers, peer=Silent())
    assert (answer.status, answer.header("connection")) == (408, "close")
    assert ran == []


async def test_a_body_over_its_limit_by_length_is_never_received() -> None:
    app = NexiosApp()

    @app.post("/")
    async def handler(data: dict[str, int]) -> None: ...

    peer = Peer((b"{}",))
    headers = {"content-type": "application/json", "content-length": str(2 * 2**20 + 1)}
    assert (await ask(app, "POST", "/", headers=headers, peer=peer)).status == 413
    assert peer.asked == 0


async def test_state_is_private() -> None:
    app = NexiosApp()

    @app.get("/")
    async def handler(request: Request) -> list[object]:
        before = request.state.x
        request.state.x = 1
        return [before, request.state.x]

    for _ in range(2):
        assert (await ask(app, "GET", "/")).json() == [None, 1]
    assert "x" not in app.state


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ],
)
async def test_forwarded_for_spoofed(peer: str, forwarded: str, client: str) -> None:
    app = NexiosApp()

    @app.get("/")
    async def handler(request: Request) -> str:
        return request.get_client_ip()

    async def from_peer(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": (peer, 5000)}, receive, send)

    answer = await ask(from_peer, "GET", "/", headers={"x-forwarded-for": forwarded})
    assert answer.text == client
