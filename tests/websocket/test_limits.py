"""How often, how many, and from whom: the limits of sockets that the gateway holds itself."""

import anyio
import pytest

from nexios.adapters.asgi.stages import Stage
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.caller import Caller
from nexios.application.limits import Limits
from nexios.testing.sockets import socket_scope, websocket_connect
from tests.support.gateway import denial, route, serving

pytestmark = pytest.mark.anyio


class Pace:
    """A socket that gets messages without end, on a clock of its own."""

    def __init__(self, **limits: object) -> None:
        self.now = 1_000_000.0
        self.closed: list[int] = []
        self.socket = WebSocket(
            socket_scope("/"),
            self._receive,
            self._send,
            limits=Limits(**limits),  # type: ignore[arg-type]  # the numbers of one test
            clock=lambda: self.now,
        )
        self._begun = False

    async def _receive(self) -> dict[str, object]:
        if not self._begun:
            self._begun = True
            return {"type": "websocket.connect"}
        return {"type": "websocket.receive", "text": "x"}

    async def _send(self, message: object) -> None:
        assert isinstance(message, dict)
        if message["type"] == "websocket.close":
            self.closed.append(message["code"])

    async def open(self) -> "Pace":
        await self.socket.begin()
        await self.socket.accept()
        return self

    async def take(self, count: int) -> int:
        """Receive so many messages; return how many came before the socket was closed."""
        for number in range(count):
            try:
                await self.socket.receive()
            except WebSocketDisconnect:
                return number
        return count


@pytest.mark.parametrize(("sent", "taken"), [(99, 99), (100, 100), (101, 100)])
async def test_a_burst_of_a_hundred_messages_is_taken_and_one_more_closes_4429(
    sent: int, taken: int
) -> None:
    pace = await Pace().open()
    assert await pace.take(sent) == taken
    assert pace.closed == ([4429] if taken < sent else [])


async def test_fifty_a_second_go_on_for_ever_and_fifty_one_do_not() -> None:
    steady, faster = await Pace().open(), await Pace().open()
    for _ in range(20_000):
        steady.now += 1 / 50
        assert await steady.take(1) == 1
    taken = 0
    while await faster.take(1):
        faster.now += 1 / 51
        taken += 1
    assert 4_900 < taken < 5_200  # a debt of 100 messages, of which one in 51 is not paid


async def test_a_burst_comes_back_with_time() -> None:
    pace = await Pace().open()
    assert await pace.take(100) == 100
    pace.now += 0.2  # ten messages' worth
    assert await pace.take(11) == 10


async def test_no_rate_is_no_limit() -> None:
    pace = await Pace(messages_per_s=None).open()
    assert await pace.take(10_000) == 10_000


async def _staying(socket: WebSocket) -> None:
    await socket.accept()
    async for _ in socket.iter_text():
        pass


@pytest.mark.parametrize("most", [1, 3])
async def test_sockets_of_one_address_over_the_cap_are_429_and_are_given_back(most: int) -> None:
    limits = Limits(sockets_per_address=most)
    async with serving(route("/ws", _staying), limits=limits) as app:
        async with anyio.create_task_group() as tasks:
            inside, leaving = anyio.Event(), anyio.Event()
            count = 0

            async def stay() -> None:
                nonlocal count
                async with websocket_connect(app, "/ws"):
                    count += 1
                    if count == most:
                        inside.set()
                    await leaving.wait()

            for _ in range(most):
                tasks.start_soon(stay)
            await inside.wait()
            refused = await denial(app, "/ws")
            assert refused.status == 429
            assert refused.json()["type"] == "urn:nexios:problem:too-many-sockets"
            async with websocket_connect(app, "/ws", client=("192.0.2.7", 1)):
                leaving.set()
        async with websocket_connect(app, "/ws") as client:
            client.cut()
        async with websocket_connect(app, "/ws"):
            pass


async def test_a_network_of_ipv6_is_one_address_and_a_unix_socket_is_none() -> None:
    limits = Limits(sockets_per_address=1)
    async with serving(route("/ws", _staying), limits=limits) as app:
        async with websocket_connect(app, "/ws", client=("2001:db8::1", 1)):
            assert (await denial(app, "/ws", client=("2001:db8::ffff", 1))).status == 429
            async with websocket_connect(app, "/ws", client=("2001:db8:0:1::1", 1)):
                pass
        async with (
            websocket_connect(app, "/ws", client=None),
            websocket_connect(app, "/ws", client=None),
        ):
            pass


class ByHeader:
    stage = Stage.AUTHENTICATION

    async def handshake(self, websocket: WebSocket) -> None:
        name = websocket.headers.get("x-user")
        if name is not None:
            websocket.scope["caller"] = Caller(name)


async def test_sockets_of_one_caller_over_the_cap_are_429_wherever_they_come_from() -> None:
    limits = Limits(sockets_per_caller=2)
    ada = {"x-user": "ada"}
    async with serving(route("/ws", _staying), limits=limits, middleware=(ByHeader(),)) as app:
        async with (
            websocket_connect(app, "/ws", headers=ada, client=("192.0.2.1", 1)),
            websocket_connect(app, "/ws", headers=ada, client=("192.0.2.2", 1)),
        ):
            assert (await denial(app, "/ws", headers=ada)).status == 429
            async with (
                websocket_connect(app, "/ws", headers={"x-user": "grace"}),
                websocket_connect(app, "/ws"),
                websocket_connect(app, "/ws"),
                websocket_connect(app, "/ws"),
            ):
                pass
        async with websocket_connect(app, "/ws", headers=ada):
            pass


async def test_a_refused_handshake_counts_only_while_it_lasts() -> None:
    async def closed(socket: WebSocket) -> None:
        await socket.deny(403)

    limits = Limits(sockets_per_address=1)
    async with serving(route("/no", closed), limits=limits) as app:
        for _ in range(3):
            assert (await denial(app, "/no")).status == 403
            assert (await denial(app, "/nowhere")).status == 404


async def test_a_handshake_that_takes_too_long_is_408_and_what_hung_is_cancelled() -> None:
    ended: list[str] = []

    async def hanging(_: WebSocket) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    async with serving(route("/ws", hanging), limits=Limits(handshake_s=0.05)) as app:
        assert (await denial(app, "/ws")).status == 408
    assert ended == ["cancelled"]
