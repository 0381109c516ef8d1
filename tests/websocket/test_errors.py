"""What an error means before accept and after it."""

from typing import Any

import pytest

from nexios.adapters.asgi.errors import CookiesTooLarge, TooManyQueryFields
from nexios.adapters.http.errors import HTTPException
from nexios.adapters.http.problems import ROWS
from nexios.adapters.websocket.closing import (
    MEANINGS,
    HandshakeInvalid,
    WebSocketDisconnect,
    WebSocketException,
)
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.errors import (
    Forbidden,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from nexios.domain.errors import (
    AlreadyExists,
    Conflict,
    DomainError,
    InvalidValue,
    NotAllowed,
    NotFound,
    RuleViolated,
)
from nexios.testing.sockets import websocket_connect
from tests.support.gateway import denial, route, serving

pytestmark = pytest.mark.anyio


DOMAIN = [
    (InvalidValue, 422, 1008),
    (NotFound, 404, 1008),
    (RuleViolated, 409, 1008),
    (AlreadyExists, 409, 1008),
    (Conflict, 409, 1008),
    (TimedOut, 504, 1008),
    (NotAllowed, 403, 4403),
    (Forbidden, 403, 4403),
    (RateLimited, 429, 4429),
    (Unauthenticated, 401, 4401),
    (Overloaded, 503, 1013),
    (Unavailable, 503, 1013),
    (OutcomeUnknown, 503, 1013),
]
SILENT = (Unauthenticated, Overloaded, Unavailable, OutcomeUnknown)


@pytest.mark.parametrize(("kind", "status", "code"), DOMAIN)
async def test_domain_errors_become_the_tabled_answers(
    kind: type[Exception], status: int, code: int
) -> None:
    class Special(kind):  # type: ignore[misc,valid-type]
        pass

    async def before(websocket: WebSocket) -> None:
        raise Special("words")

    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        raise Special("words")

    async with serving(route("/before", before), route("/after", after)) as app:
        refused = await denial(app, "/before")
        assert (refused.status, refused.json()["detail"]) == (status, "words")
        assert refused.json()["type"] == "urn:nexios:problem:special"
        async with websocket_connect(app, "/after") as client:
            if kind not in SILENT:
                frame = await client.receive_json()
                assert (frame["status"], frame["code"], frame["detail"]) == (
                    status, "special", "words",
                )  # fmt: skip
            end = await client.closed()
        assert (end.code, end.reason) == (code, "words")
        assert app.faults == []


_WIRE: dict[type[Exception], Exception] = {
    TooManyQueryFields: TooManyQueryFields(1),
    CookiesTooLarge: CookiesTooLarge(1, "bytes"),
}


def test_statuses_are_those_of_http() -> None:
    scope: dict[str, Any] = {"type": "http", "path": "/", "headers": []}
    shared = {kind: row for kind, row in MEANINGS.items() if kind is not HandshakeInvalid}
    assert {kind for kind in ROWS if issubclass(kind, DomainError)} <= set(shared)
    for kind, meaning in shared.items():
        error = _WIRE[kind] if kind in _WIRE else kind()
        assert ROWS[kind](error, scope).status == meaning.status, kind


async def test_challenges_and_retry_advice_reach_the_client() -> None:
    async def anonymous(websocket: WebSocket) -> None:
        websocket.scope["nexios.challenges"] = lambda: ("Bearer", 'Basic realm="x"')
        raise Unauthenticated

    async def busy(websocket: WebSocket) -> None:
        raise Unavailable(retry_after_s=1.5)

    async with serving(route("/a", anonymous), route("/b", busy)) as app:
        assert "Basic" in (await denial(app, "/a")).headers["www-authenticate"]
        assert (await denial(app, "/b")).headers["retry-after"] == "2"


async def test_http_exceptions_refuse_with_their_own_status() -> None:
    async def handler(websocket: WebSocket) -> None:
        raise HTTPException(418, "short and stout", headers={"x-pot": "1"})

    async with serving(route("/ws", handler)) as app:
        refused = await denial(app, "/ws")
        assert (refused.status, refused.headers["x-pot"]) == (418, "1")
        assert refused.json()["detail"] == "short and stout"
        assert app.faults == []


async def test_unknown_error_closes_1011_with_an_id() -> None:
    async def before(websocket: WebSocket) -> None:
        raise LookupError("canary")

    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError("canary")

    async with serving(route("/before", before), route("/after", after)) as app:
        refused = await denial(app, "/before")
        assert refused.status == 500
        assert "canary" not in refused.body.decode()
        async with websocket_connect(app, "/after") as client:
            end = await client.closed()
        assert end.code == 1011
        ids = [refused.json()["error_id"], str(end.reason).removeprefix("error ")]
        assert [error_id for _, error_id in app.faults] == ids
        assert [str(error) for error, _ in app.faults] == ["canary", "canary"]


async def test_groups_are_answered_by_what_is_in_them() -> None:
    async def one(websocket: WebSocket) -> None:
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [NotFound("words")])])

    async def leaving(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(4000)
        raise ExceptionGroup("tasks", [WebSocketDisconnect(), WebSocketDisconnect()])

    async def mixed(websocket: WebSocket) -> None:
        raise ExceptionGroup("tasks", [NotFound("words"), KeyError("canary")])

    async with serving(
        route("/one", one), route("/leaving", leaving), route("/mixed", mixed)
    ) as app:
        assert (await denial(app, "/one")).status == 404
        async with websocket_connect(app, "/leaving") as client:
            assert (await client.closed()).code == 4000
        assert app.faults == []
        assert (await denial(app, "/mixed")).status == 500
        assert len(app.faults) == 1


async def test_a_handler_may_choose_its_close_code() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        raise WebSocketException(4100, "enough")

    async with serving(route("/ws", handler)) as app:
        async with websocket_connect(app, "/ws") as client:
            end = await client.closed()
        assert (end.code, end.reason) == (4100, "enough")
        assert app.faults == []


async def test_a_disconnect_left_uncaught_is_no_fault() -> None:
    ended: list[str] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.when_gone(lambda: ended.append("gone"))
        await websocket.receive_text()

    async with serving(route("/ws", handler)) as app:
        async with websocket_connect(app, "/ws"):
            pass
        assert (app.faults, ended) == ([], ["gone"])


async def test_payloads_never_reach_a_log(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        await websocket.receive_bytes()
        await websocket.receive_json()
        await websocket.close(4000, "canary")

    caplog.set_level(0)
    async with (
        serving(route("/ws", handler)) as app,
        websocket_connect(app, "/ws?token=canary") as client,
    ):
        await client.send_text("canary")
        await client.send_bytes(b"canary")
        await client.send_text("canary")
        await client.send_text('"canary"')
        await client.closed()
    assert "canary" not in caplog.text


async def test_an_error_whose_details_have_no_json_form_is_one_of_ours() -> None:
    async def before(websocket: WebSocket) -> None:
        raise HTTPException(403, object())

    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        raise Conflict("words", held_by=object())

    async with serving(route("/before", before), route("/after", after)) as app:
        assert (await denial(app, "/before")).status == 500
        async with websocket_connect(app, "/after") as client:
            assert (await client.closed()).code == 1011
        assert [type(error) for error, _ in app.faults] == [TypeError, TypeError]
