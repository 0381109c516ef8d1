"""What an application reports of its errors: each once, under the client's id, no secret in it."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from nexios import MakeConfig, Module, NexiosApp, Request, Response, WebSocket
from nexios.adapters.http.background import Tasks
from nexios.adapters.observability.errors import MemoryErrors
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.application.errors import Overloaded, Unavailable
from nexios.application.tracking import ErrorReport, ErrorTracker
from nexios.auth.exceptions import AuthenticationFailed
from nexios.domain.errors import NotFound
from nexios.exceptions import HTTPException
from nexios.testing.client import AsyncTestClient
from tests.support.asgi import Peer, ask

pytestmark = pytest.mark.asyncio

SECRET = "hunter2-swordfish"


def made(**config: Any) -> tuple[NexiosApp, MemoryErrors]:
    tracker = MemoryErrors()
    module = Module("errors")
    module.bind(ErrorTracker).value(tracker)
    module.export(ErrorTracker)
    app = NexiosApp(module, config=MakeConfig(**config))

    @app.post("/broken/{name}")
    async def broken(request: Request, name: str) -> None:
        body = await request.body
        api_key, tea = SECRET, len(body)  # noqa: F841
        try:
            raise LookupError(f"login failed: password={SECRET}")
        except LookupError as error:
            raise ValueError(f"postgresql://shop:{SECRET}@db, Bearer {SECRET}") from error

    @app.get("/refused/{status:int}")
    async def refused(status: int) -> None:
        raise HTTPException(status, "no")

    @app.get("/raises/{which}")
    async def raises(which: str) -> None:
        raise {
            "missing": NotFound("no"),
            "nobody": AuthenticationFailed(),
            "busy": Overloaded(),
            "away": Unavailable(),
        }[which]

    @app.get("/stream")
    async def stream(request: Request, response: Response) -> Any:
        async def parts() -> AsyncIterator[str]:
            yield "begun"
            raise ValueError("broken in the middle")

        return response.stream(parts())

    @app.get("/work")
    async def work(tasks: Tasks) -> str:
        async def mail() -> None:
            raise ValueError("no mail server")

        tasks.add(mail)
        return "ok"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        raise ValueError("broken socket")

    return app, tracker


async def told(tracker: MemoryErrors, count: int) -> list[ErrorReport]:
    """Return the reports, when there are so many."""
    with anyio.fail_after(20):
        while len(found := await tracker.recent()) < count:
            await anyio.lowlevel.checkpoint()
    assert len(found) == count
    return list(found)


@pytest.mark.parametrize("with_locals", [True, False])
async def test_planted_secret_reaches_no_sink(
    with_locals: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="nexios")
    app, tracker = made(errors={"report_locals": with_locals})
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        answer = await client.post(
            f"/broken/x?token={SECRET}&q=tea",
            content=json.dumps({"text": f"plain {SECRET}"}),
            headers={
                "authorization": f"Bearer {SECRET}",
                "cookie": f"session={SECRET}",
                "x-api-key": SECRET,
                "referer": f"https://user:{SECRET}@shop.test/",
                "content-type": "application/json",
                "x-own": "seen",
            },
        )
        assert answer.status_code == 500
        (report,) = await told(tracker, 1)
    assert report.id == answer.json()["error_id"]
    assert report.id in caplog.text
    shown = json.dumps(report.as_json(), default=str)
    for text in (answer.text, caplog.text, shown, repr(report)):
        assert SECRET not in text
    occasion = report.occasion
    assert (occasion.kind, occasion.method, occasion.place) == (
        "request",
        "POST",
        "/broken/{name}",
    )
    assert ("x-own", "seen") in occasion.headers
    assert ("q", "tea") in occasion.query
    assert [one.relation for one in report.errors] == ["raised", "cause"]
    frame = report.errors[0].frames[-1]
    assert (frame.function.endswith("broken"), frame.own) == (True, True)
    assert frame.locals.get("tea") == ("35" if with_locals else None)
    assert report.versions.keys() == {"app", "nexios", "python"}


@pytest.mark.parametrize(
    "path",
    [
        *("/refused/400", "/refused/404", "/refused/429", "/nowhere", "/raises/missing"),
        *("/raises/nobody", "/raises/busy", "/raises/away"),
    ],
)
async def test_refusals_and_shed_requests_are_no_errors(path: str) -> None:
    app, tracker = made()
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        assert (await client.get(path)).status_code >= 400
    assert await tracker.recent() == []


async def test_a_client_that_has_gone_is_no_error() -> None:
    app, tracker = made()
    async with AsyncTestClient(app):
        peer = Peer((b"half",), leaves=True)
        with pytest.raises(AssertionError, match="nothing was answered"):
            await ask(app, "POST", "/broken/x", headers={"content-length": "90"}, peer=peer)
    assert await tracker.recent() == []


async def test_answer_broken_after_its_head_is_told_once() -> None:
    app, tracker = made()
    async with AsyncTestClient(app, raise_server_exceptions=False):
        peer = Peer((b"",), stays=True)
        with pytest.raises(ValueError, match="in the middle"):
            await ask(app, "GET", "/stream", peer=peer)
        # The head is out and the body has no end: the server cuts the connection.
        assert peer.sent[0]["type"] == "http.response.start"
        assert peer.sent[-1].get("more_body")
        (report,) = await told(tracker, 1)
    assert report.title == "ValueError: broken in the middle"


async def test_background_work_and_sockets_are_told() -> None:
    app, tracker = made()
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        assert (await client.get("/work")).status_code == 200
        (work,) = await told(tracker, 1)
        async with client.websocket_connect("/socket") as socket:
            with pytest.raises(WebSocketDisconnect) as closed:
                await socket.receive()
        found = (await told(tracker, 2))[0]
    assert (work.occasion.kind, work.title) == ("work", "ValueError: no mail server")
    assert (found.occasion.kind, found.title) == ("socket", "ValueError: broken socket")
    assert found.id in str(closed.value)


class Stuck:
    """A tracker that never comes back."""

    async def record(self, report: ErrorReport) -> None:
        await anyio.sleep_forever()


async def test_blocked_sinks_leave_latency_alone() -> None:
    module = Module("errors")
    module.bind(ErrorTracker).value(Stuck())
    app = NexiosApp(module.export(ErrorTracker))

    @app.get("/{which}")
    async def broken(which: str) -> None:
        # Each a group of its own, so that each is a report.
        raise type(f"Fault{which}", (Exception,), {})

    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        with anyio.fail_after(60):
            for number in range(100):
                answer = await client.get(f"/{number}")
                assert answer.status_code == 500
        counts = app._built().errors.desk.counts
        assert (counts.noted, counts.recorded) == (100, 0)
    # What still waited two seconds after the stop is gone, and told of.
    assert counts.dropped + counts.failed >= 99
