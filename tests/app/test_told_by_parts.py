"""What sessions, tokens, load, health, errors and the audit trail tell, over real requests."""

from typing import Any

import pytest

from nexios import MakeConfig, Module, NexiosApp, WebSocket
from nexios.adapters.http.request import Request
from nexios.adapters.observability.prometheus import Metrics
from nexios.adapters.security.algorithms import hmac_keys
from nexios.adapters.security.jwt import JwtCodec
from nexios.adapters.security.memory_tokens import MemoryRefreshTokens
from nexios.application.clock import SystemClock
from nexios.application.health import HealthCheck
from nexios.application.sections.callers import AuthSettings
from nexios.application.security_events import SecurityEvents
from nexios.application.signals import (
    CredentialMalformed,
    ErrorRecorded,
    HealthChanged,
    RequestFailed,
    RequestShed,
    SessionEnded,
    SessionStarted,
    TokenReused,
    TokenRotated,
)
from nexios.application.token_pairs import TokenPairs
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware import LoadSheddingMiddleware
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import SocketDenied, websocket_connect
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


def listening(app: NexiosApp, *kinds: type) -> list[Any]:
    heard: list[Any] = []
    for kind in kinds:
        app.signals.on(kind, heard.append)
    return heard


async def test_what_is_shed_is_told_with_its_priority() -> None:
    app = NexiosApp()
    shedder = LoadSheddingMiddleware()
    app.add_middleware(shedder)
    heard = listening(app, RequestShed)

    @app.get("/")
    async def index() -> str:
        return "here"

    @app.get("/hints", priority="sheddable")
    async def hints() -> str:
        return "hint"

    @app.get("/pay", priority="critical")
    async def pay() -> str:
        return "paid"

    @app.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()

    assert (await ask(app, "GET", "/")).status == 200
    assert heard == []
    shedder._slots.taken = 8  # so many run
    for _ in range(2):
        shedder.window(0.05)
    assert shedder.limit == 4
    statuses = [(await ask(app, "GET", path)).status for path in ("/", "/hints", "/pay")]
    assert statuses == [503, 503, 200]
    with pytest.raises(SocketDenied):
        async with websocket_connect(app, "/ws"):
            pass
    assert [one.priority for one in heard] == ["normal", "sheddable", "normal"]
    assert [one.about["path"] for one in heard] == ["/", "/hints", "/ws"]


async def test_sessions_tell_their_begin_and_their_end() -> None:
    app = NexiosApp(MakeConfig(secret_key=SECRET))
    app.add_middleware(SessionMiddleware())
    heard = listening(app, SessionStarted, SessionEnded)

    @app.get("/put")
    async def put(request: Request) -> str:
        request.session["a"] = request.session.get("a", 0) + 1
        return "put"

    @app.get("/look")
    async def look(request: Request) -> str:
        return str(request.session.get("a"))

    @app.get("/end")
    async def end(request: Request) -> str:
        request.session.invalidate()
        return "ended"

    async with AsyncTestClient(app) as client:
        for path in ("/look", "/end", "/put", "/put", "/look", "/end", "/end"):
            assert (await client.get(path)).status_code == 200
    assert [type(one) for one in heard] == [SessionStarted, SessionEnded]
    assert not heard[0].proven
    assert [one.about["path"] for one in heard] == ["/put", "/end"]


async def test_rotated_and_reused_tokens_are_told() -> None:
    codec = JwtCodec(hmac_keys([SECRET], ["HS256"]))
    module = Module("tokens")
    app = NexiosApp(module)
    heard = listening(app, TokenRotated, TokenReused)

    async with AsyncTestClient(app):
        events = await app.container.get(SecurityEvents)
        store = MemoryRefreshTokens()
        pairs = TokenPairs(codec, store, SystemClock(), AuthSettings(), None, events)

        @app.post("/refresh")
        async def refresh(request: Request) -> dict[str, str]:
            return {"token": (await pairs.rotate((await request.body).decode())).refresh_token}

        first = (await pairs.open("ann")).refresh_token
        answer = await ask(app, "POST", "/refresh", body=first.encode())
        assert answer.status == 200
        assert answer.json()["token"] != first
        assert (await ask(app, "POST", "/refresh", body=first.encode())).status == 401
    assert [type(one) for one in heard] == [TokenRotated, TokenReused]


async def test_what_cannot_be_a_credential_is_told() -> None:
    app = NexiosApp(MakeConfig(secret_key=SECRET, limits={"token_bytes": 400}))

    async def load(**claims: object) -> object:
        return claims

    app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend(load)))
    heard = listening(app, CredentialMalformed)

    @app.get("/")
    async def index(request: Request) -> str:
        return str(bool(request.user))

    headers = {"authorization": "Bearer " + "a" * 500}
    assert (await ask(app, "GET", "/", headers=headers)).text == "False"
    assert (await ask(app, "GET", "/")).text == "False"
    (told,) = heard
    assert told.scheme == "jwt"
    assert "aaaa" not in told.reason


class Store:
    name = "store"
    timeout_s = 1.0
    broken = False

    def __init__(self, *, critical: bool) -> None:
        self.critical = critical

    async def check(self) -> None:
        if self.broken:
            raise ConnectionError("refused")


@pytest.mark.parametrize(
    ("critical", "worst"), [(True, ("down", "up", False)), (False, ("degraded", "up", True))]
)
async def test_the_health_of_the_whole_is_told_when_it_turns(
    critical: bool, worst: tuple[str, str, bool]
) -> None:
    store = Store(critical=critical)
    module = Module("stores")
    module.bind(HealthCheck).value(store)
    app = NexiosApp(module)
    heard = listening(app, HealthChanged)
    metrics = Metrics()
    app.signals.on(metrics)
    async with AsyncTestClient(app) as client:
        board = app._house._probing.board  # type: ignore[union-attr]  # it is built
        at = 1e9
        for broken in (False, False, True, True, True, False):
            store.broken, at = broken, at + 2.0
            board._clock = lambda at=at: at
            await client.get("/health/ready")
            if heard and heard[-1].health == "down":
                assert b"nexios_ready 0.0" in metrics.exposed()[0]
        app.retire()
        assert (await client.get("/health/ready")).status_code == 503
    up, bad, good, draining = heard
    assert up == ("up", "starting", True)
    assert bad == worst
    assert good == ("up", worst[0], True)
    assert draining == ("draining", "up", False)


async def test_a_recorded_error_is_told_once_for_its_kind_and_second() -> None:
    app = NexiosApp()
    heard, failed = listening(app, ErrorRecorded), listening(app, RequestFailed)

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("gone")

    first = await ask(app, "GET", "/broken")
    await ask(app, "GET", "/broken")
    assert len(failed) == 2
    (told,) = heard
    assert (told.kind, told.failure, told.repeated) == ("request", "LookupError", 0)
    assert told.error_id == first.json()["error_id"]
    assert told.fingerprint
