"""Our engine and a socket without ASGI between them: nothing is lost or unseen by it."""

from collections.abc import Iterator

import pytest

from tests.support.frames import BINARY, TEXT, Frame, Peer, masked, peer
from tests.support.running import Running, running

APP = """
import anyio
from nexios import MakeConfig, NexiosApp, WebSocket

FREE = {"messages_per_s": None, "sockets_per_address": None}
app = NexiosApp(config=MakeConfig(realtime={"deflate": True}, limits=FREE))

class Watching:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "websocket" or scope["path"] != "/watched":
            return await self.app(scope, receive, send)

        async def heard():
            message = await receive()
            if "text" in message:
                message = {**message, "text": message["text"] + " heard"}
            return message

        async def said(message):
            if "text" in message:
                message = {**message, "text": message["text"] + " said"}
            await send(message)

        await self.app(scope, heard, said)

app.wrap_asgi(Watching)

@app.websocket("/watched")
@app.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)

@app.websocket("/bytes")
async def raw(websocket: WebSocket):
    await websocket.accept()
    async for data in websocket.iter_bytes():
        await websocket.send_bytes(data)

@app.websocket("/impatient")
async def impatient(websocket: WebSocket):
    await websocket.accept()
    while True:
        with anyio.move_on_after(0):
            text = await websocket.receive_text()
            await websocket.send_text(text)
        with anyio.move_on_after(0.001):
            text = await websocket.receive_text()
            with anyio.CancelScope(shield=True):
                await websocket.send_text(text)

@app.websocket("/readers")
async def readers(websocket: WebSocket):
    await websocket.accept()

    async def read():
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("passing"), APP) as served:
        yield served


def got(at: Peer) -> Frame:
    frame = at.receive()
    assert frame is not None
    return frame


def test_what_is_sent_to_a_peer_with_deflate_is_compressed(server: Running) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"
    for path, opcode in (("/echo", TEXT), ("/bytes", BINARY)):
        with peer(server.port, path, offer) as at:
            assert b"permessage-deflate" in at.head
            at.send(masked(opcode, b"x" * 1000))
            frame = got(at)
            assert (frame.opcode, frame.rsv) == (opcode, 4)
            assert len(frame.data) < 50
        with peer(server.port, path) as at:
            at.send(masked(opcode, b"x" * 1000))
            assert got(at) == Frame(opcode, b"x" * 1000)


def test_middleware_around_the_application_sees_both_ways(server: Running) -> None:
    with peer(server.port, "/watched") as at:
        at.send(masked(TEXT, b"hello"))
        assert got(at).data == b"hello heard said"


def test_a_reader_that_gives_up_loses_no_message(server: Running) -> None:
    with peer(server.port, "/impatient") as at:
        for number in range(2_000):
            at.send(masked(TEXT, b"%d" % number))
            assert got(at).data == b"%d" % number


def test_several_readers_of_one_socket_get_each_message_once(server: Running) -> None:
    with peer(server.port, "/readers") as at:
        at.send(*[masked(TEXT, b"%d" % number) for number in range(500)])
        found = [int(got(at).data) for _ in range(500)]
        assert sorted(found) == list(range(500))
        at.send(masked(TEXT, b"again"))
        assert got(at).data == b"again"
