"""Credentials in the first message, in subprotocols and in tickets, through whole applications."""

import logging
import time
from typing import Any

import anyio
import pytest

from nexios import Depend, MakeConfig, Module, NexiosApp
from nexios.adapters.security.memory_one_time import MemoryOneTime
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application import Caller
from nexios.application.limits import Limits
from nexios.application.one_time import OneTime
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.backends.session import SessionAuthBackend
from nexios.auth.backends.ticket import TicketBackend
from nexios.auth.decorator import auth, has_permission
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.auth.tickets import ticket_routes
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.server import LifespanFailed
from nexios.testing.sockets import SocketDenied, SocketSession, websocket_connect

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


def token(subject: str, **claims: Any) -> str:
    return create_jwt({"sub": subject, **claims}, SECRET)


def user(sub: str, permissions: list[str] | None = None) -> dict[str, Any]:
    return {"id": sub, "permissions": permissions or []}


def chat(*backends: Any, module: Module | None = None, **limits: Any) -> NexiosApp:
    """Return an app whose sockets say who opened them, and then every text that comes."""
    config = MakeConfig(secret_key=SECRET, limits=Limits(**limits))
    app = NexiosApp(*([module] if module else []), config=config)
    app.add_middleware(AuthenticationMiddleware([*backends, JWTAuthBackend(user)]))
    app.add_middleware(SessionMiddleware())
    app.mount_router(ticket_routes())

    async def tell(websocket: WebSocket, caller: Caller = Depend()) -> None:
        await websocket.accept()
        await websocket.send_json([caller.actor, websocket.user["id"], websocket.auth])
        async for text in websocket.iter_text():
            await websocket.send_json([text, websocket.caller.actor])

    app.websocket("/first", authenticate="first-message", subprotocols=["chat"])(tell)
    app.websocket("/guarded", guards=[auth(["jwt"])])(tell)
    guards = [has_permission("chat:read")]
    app.websocket("/readers", authenticate="first-message", guards=guards)(tell)

    @app.websocket("/by-hand")
    async def by_hand(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.authenticate(timeout_s=1.0)
        await websocket.send_text(str(websocket.caller.actor))

    return app


async def ended(client: SocketSession) -> int:
    return (await client.closed()).code


async def test_nothing_is_delivered_before_the_first_message_proves_who_it_is() -> None:
    async with (
        AsyncTestClient(chat()) as http,
        websocket_connect(http.app, "/first", subprotocols=["chat"]) as client,
    ):
        assert client.subprotocol == "chat"
        assert client.buffered == 0
        await client.send_json({"type": "auth", "token": token("ada")})
        assert await client.receive_json() == ["ada", "ada", "jwt"]
        await client.send_text("hello")
        assert await client.receive_json() == ["hello", "ada"]


async def test_no_credentials_in_time_close_4408() -> None:
    async with (
        AsyncTestClient(chat(first_message_s=0.05)) as http,
        websocket_connect(http.app, "/first") as client,
    ):
        assert await ended(client) == 4408


@pytest.mark.parametrize(
    "said",
    [
        '{"type": "auth", "token": "no token"}',
        '{"type": "auth"}',
        '{"type": "auth", "token": ""}',
        '{"type": "auth", "token": 7}',
        '{"type": "hello", "token": "x"}',
        "[]",
        "not json",
        "",
        '{"type": "auth", "token": "' + "x" * 9_000 + '"}',
        '{"type": "auth", "token": "a\\r\\nb"}',
        '{"type": "auth", "token": "\u2603"}',
    ],
)
async def test_a_first_message_that_proves_nobody_closes_4401(said: str) -> None:
    async with (
        AsyncTestClient(chat()) as http,
        websocket_connect(http.app, "/first") as client,
    ):
        await client.send_text(said)
        end = await client.closed()
        assert end.code == 4401
        assert client.buffered == 0


async def test_an_expired_token_closes_4401() -> None:
    async with (
        AsyncTestClient(chat()) as http,
        websocket_connect(http.app, "/first") as client,
    ):
        old = token("ada", exp=int(time.time()) - 10)
        await client.send_json({"type": "auth", "token": old})
        assert await ended(client) == 4401


async def test_a_right_that_is_missing_closes_4403_after_its_frame() -> None:
    async with AsyncTestClient(chat()) as http:
        async with websocket_connect(http.app, "/readers") as client:
            await client.send_json({"type": "auth", "token": token("ada")})
            assert (await client.receive_json())["status"] == 403
            assert await ended(client) == 4403
        async with websocket_connect(http.app, "/readers") as client:
            allowed = token("ada", permissions=["chat:read"])
            await client.send_json({"type": "auth", "token": allowed})
            assert await client.receive_json() == ["ada", "ada", "jwt"]


async def test_a_session_speaks_for_nobody_where_a_token_is_asked_for() -> None:
    app = chat(SessionAuthBackend(user))

    async with (
        AsyncTestClient(app) as http,
        websocket_connect(http.app, "/first", headers={"cookie": "session_id=x"}) as client,
    ):
        await client.send_json({"type": "auth", "token": token("ada")})
        assert await client.receive_json() == ["ada", "ada", "jwt"]


async def test_a_fresh_token_of_the_same_subject_is_taken_and_never_handed_on() -> None:
    async with (
        AsyncTestClient(chat()) as http,
        websocket_connect(http.app, "/first") as client,
    ):
        soon = token("ada", exp=int(time.time()) + 2)
        await client.send_json({"type": "auth", "token": soon})
        await client.receive_json()
        await client.send_json({"type": "auth", "token": token("ada")})
        await client.send_text("still here")
        assert await client.receive_json() == ["still here", "ada"]
        with anyio.move_on_after(4.0):  # twice what the first token had, and the watch's second
            raise AssertionError(await client.receive())
        await client.send_text('say "auth"')
        assert await client.receive_json() == ['say "auth"', "ada"]


async def test_a_token_that_is_not_renewed_ends_the_socket_with_4401() -> None:
    async with (
        AsyncTestClient(chat()) as http,
        websocket_connect(http.app, "/first") as client,
    ):
        await client.send_json({"type": "auth", "token": token("ada", exp=int(time.time()) + 1)})
        await client.receive_json()
        with pytest.raises(WebSocketDisconnect) as end:
            await client.receive()
        assert end.value.code == 4401


@pytest.mark.parametrize(("fresh", "code"), [(token("grace"), 4403), ("rubbish", 4401)])
async def test_a_later_token_of_somebody_else_or_of_nobody_closes(fresh: str, code: int) -> None:
    async with (
        AsyncTestClient(chat()) as http,
        websocket_connect(http.app, "/first") as client,
    ):
        await client.send_json({"type": "auth", "token": token("ada")})
        await client.receive_json()
        await client.send_json({"type": "auth", "token": fresh})
        assert await ended(client) == code


async def test_a_handler_may_ask_for_the_first_message_itself() -> None:
    async with AsyncTestClient(chat()) as http:
        async with websocket_connect(http.app, "/by-hand") as client:
            await client.send_json({"type": "auth", "token": token("ada")})
            assert await client.receive_text() == "ada"
        async with websocket_connect(http.app, "/by-hand") as client:
            assert await ended(client) == 4408


async def test_callers_of_first_messages_are_counted_too() -> None:
    async with (
        AsyncTestClient(chat(sockets_per_caller=1)) as http,
        websocket_connect(http.app, "/first") as client,
        websocket_connect(http.app, "/first") as other,
    ):
        for one in (client, other):
            await one.send_json({"type": "auth", "token": token("ada")})
            if one is client:
                await client.receive_json()
        assert await ended(other) == 4429


async def test_a_route_that_waits_for_tokens_nobody_knows_is_refused_at_start() -> None:
    app = NexiosApp(config=MakeConfig())

    @app.websocket("/ws", authenticate="first-message")
    async def handler(websocket: WebSocket) -> None: ...

    with pytest.raises(LifespanFailed, match=r"WEBSOCKET /ws .*nothing proves users"):
        async with AsyncTestClient(app):
            pass


async def test_an_unknown_moment_of_authentication_is_refused_at_start() -> None:
    app = NexiosApp(config=MakeConfig())

    @app.websocket("/ws", authenticate="first_message")
    async def handler(websocket: WebSocket) -> None: ...

    with pytest.raises(LifespanFailed, match="fix: authenticate='first-message'"):
        async with AsyncTestClient(app):
            pass


async def test_a_bearer_subprotocol_proves_and_is_never_echoed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = token("ada")
    app = chat()

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        with pytest.raises(ValueError, match="did not offer") as refused:
            await websocket.accept(f"bearer.{secret}")
        assert secret in str(refused.value)  # said by the handler, who had it from elsewhere
        await websocket.accept()
        shown = [websocket.subprotocols, websocket.headers["sec-websocket-protocol"]]
        await websocket.send_json([*shown, websocket.caller.actor])

    async with AsyncTestClient(app) as http:
        offers = [f"bearer.{secret}", "chat"]
        async with websocket_connect(http.app, "/guarded", subprotocols=offers) as client:
            assert client.subprotocol is None
            assert await client.receive_json() == ["ada", "ada", "jwt"]
        headers = {"sec-websocket-protocol": ", ".join(offers)}
        async with websocket_connect(
            http.app, "/echo", subprotocols=offers, headers=headers
        ) as client:
            assert await client.receive_json() == [["chat"], "chat", "ada"]
        with pytest.raises(SocketDenied) as refused:
            async with websocket_connect(
                http.app, "/guarded", subprotocols=[f"bearer.{secret}x", "chat"]
            ):
                pass
    assert refused.value.status == 401
    assert secret not in caplog.text
    assert secret not in str(refused.value.body)


async def test_two_bearers_prove_nobody() -> None:
    async with AsyncTestClient(chat()) as http:
        with pytest.raises(SocketDenied) as refused:
            async with websocket_connect(
                http.app,
                "/guarded",
                subprotocols=[f"bearer.{token('ada')}"],
                headers={"authorization": f"Bearer {token('grace')}"},
            ):
                pass
    assert refused.value.status == 401


async def ticket_of(http: AsyncTestClient, subject: str, **headers: str) -> str:
    answer = await http.post(
        "/ticket", headers={"authorization": f"Bearer {token(subject)}", **headers}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["expires_in"] == 30
    return str(told["ticket"])


def tickets_in(store: OneTime) -> Module:
    module = Module("tickets")
    module.bind(OneTime).value(store)
    return module.export(OneTime)


async def test_a_ticket_opens_one_socket_once_and_passes_guards_of_its_scheme(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with AsyncTestClient(chat(TicketBackend(user))) as http:
        ticket = await ticket_of(http, "ada")
        url = f"/guarded?a=1&ticket={ticket}&b=2"
        async with websocket_connect(http.app, url) as client:
            assert await client.receive_json() == ["ada", "ada", "jwt"]
        with pytest.raises(SocketDenied) as refused:
            async with websocket_connect(http.app, url):
                pass
    assert refused.value.status == 401
    assert ticket not in caplog.text


async def test_the_query_shows_no_ticket_to_anybody() -> None:
    app = chat(TicketBackend(user))

    @app.websocket("/url")
    async def url(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json([str(websocket.url), dict(websocket.query_params)])

    async with AsyncTestClient(app) as http:
        ticket = await ticket_of(http, "ada")
        async with websocket_connect(http.app, f"/url?ticket={ticket}&tickets=2") as client:
            shown = await client.receive_json()
    assert shown == [
        "ws://testserver/url?ticket=***&tickets=2",
        {"ticket": "***", "tickets": "2"},
    ]


@pytest.mark.parametrize(
    ("issued", "used", "status"),
    [
        ("http://testserver", "http://testserver", 101),
        ("http://testserver", None, 401),
        (None, "http://testserver", 401),
        (None, None, 101),
    ],
)
async def test_a_ticket_is_good_for_the_origin_it_was_given_to(
    issued: str | None, used: str | None, status: int
) -> None:
    async with AsyncTestClient(chat(TicketBackend(user))) as http:
        ticket = await ticket_of(http, "ada", **({"origin": issued} if issued else {}))
        headers = {"origin": used} if used else {}
        try:
            async with websocket_connect(http.app, f"/guarded?ticket={ticket}", headers=headers):
                found = 101
        except SocketDenied as refused:
            found = refused.status
    assert found == status


async def test_a_ticket_ends_after_thirty_seconds() -> None:
    now = 0.0
    store = MemoryOneTime(clock=lambda: now)
    async with AsyncTestClient(chat(TicketBackend(user), module=tickets_in(store))) as http:
        early, late = await ticket_of(http, "ada"), await ticket_of(http, "ada")
        now = 29.9
        async with websocket_connect(http.app, f"/guarded?ticket={early}"):
            pass
        now = 30.0
        with pytest.raises(SocketDenied):
            async with websocket_connect(http.app, f"/guarded?ticket={late}"):
                pass


async def test_a_ticket_ends_with_the_token_it_was_given_for() -> None:
    later = time.time() + 7_200
    backend = TicketBackend(user, clock=lambda: later)
    async with AsyncTestClient(chat(backend)) as http:
        ticket = await ticket_of(http, "ada")  # for a token of one hour
        with pytest.raises(SocketDenied) as refused:
            async with websocket_connect(http.app, f"/guarded?ticket={ticket}"):
                pass
    assert refused.value.status == 401


async def test_of_fifty_at_once_one_ticket_opens_one_socket() -> None:
    async with AsyncTestClient(chat(TicketBackend(user))) as http:
        ticket = await ticket_of(http, "ada")
        opened: list[int] = []

        async def attempt() -> None:
            try:
                async with websocket_connect(http.app, f"/guarded?ticket={ticket}"):
                    opened.append(101)
            except SocketDenied as refused:
                opened.append(refused.status)

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(attempt)
    assert sorted(opened) == [101] + [401] * 49


async def test_nobody_is_given_a_ticket() -> None:
    async with AsyncTestClient(chat(TicketBackend(user))) as http:
        assert (await http.post("/ticket")).status_code == 401
