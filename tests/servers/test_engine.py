"""Our engine on the wire, through `nexios run`: its bounds, and what uvicorn's does not do."""

import contextlib
import re
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from nexios.adapters.servers.uvicorn_sockets import (
    USED,
    EngineBounds,
    SocketProtocol,
    engine,
    missing,
)
from nexios.application.limits import Limits
from tests.support.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Peer, masked, peer
from tests.support.running import Running, running

APP = """
import anyio
from nexios import MakeConfig, NexiosApp, WebSocket

FREE = {"messages_per_s": None}
app = NexiosApp(config=MakeConfig(realtime={"deflate": True}, limits={
    "sockets_per_address": 5}))

@app.websocket("/echo", limits={**FREE, "sockets_per_address": None})
async def echo(websocket: WebSocket):
    await websocket.accept()
    while True:
        message = await websocket.receive()
        await websocket.send({**message, "type": "websocket.send"})

@app.websocket("/size", limits={**FREE, "sockets_per_address": None})
async def size(websocket: WebSocket):
    await websocket.accept()
    async for data in websocket.iter_bytes():
        await websocket.send_text(str(len(data)))

@app.websocket("/paced", limits={"sockets_per_address": None})
async def paced(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text(): ...

@app.websocket("/counted")
async def counted(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text(): ...

@app.websocket("/hanging", limits={"sockets_per_address": None, "handshake_s": 0.5})
async def hanging(websocket: WebSocket):
    await anyio.sleep_forever()

@app.websocket("/away", limits={**FREE, "sockets_per_address": None})
async def away(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text("away")
    await websocket.wait_closed()
    print("noticed", flush=True)
"""

MIB = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("engine"), APP) as served:
        yield served


def echoed(at: Peer, text: bytes = b"still here") -> None:
    """See that the socket still works."""
    at.send(masked(TEXT, text))
    frame = at.receive()
    assert frame is not None
    assert (frame.opcode, frame.data) == (TEXT, text)


@pytest.mark.parametrize(("size", "answer"), [(MIB - 1, None), (MIB, None), (MIB + 1, 1009)])
def test_a_message_of_one_mebibyte_is_taken_and_a_byte_more_closes_1009(
    server: Running, size: int, answer: int | None
) -> None:
    with peer(server.port, "/size") as at:
        at.send(masked(BINARY, b"x" * size))
        if answer is None:
            frame = at.receive()
            assert frame is not None
            assert frame.data == str(size).encode()
        else:
            assert at.close_code() == answer


@pytest.mark.parametrize(("extra", "answer"), [(0, None), (1, 1009)])
def test_the_pieces_of_a_message_count_together(
    server: Running, extra: int, answer: int | None
) -> None:
    with peer(server.port, "/size") as at:
        half = MIB // 2
        at.send(
            masked(BINARY, b"x" * half, fin=False),
            masked(CONT, b"x" * (MIB - half + extra)),
        )
        if answer is None:
            frame = at.receive()
            assert frame is not None
            assert frame.data == str(MIB).encode()
        else:
            assert at.close_code() == answer


def deflated(data: bytes) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -12)
    return (squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize(("size", "answer"), [(MIB, None), (MIB + 1, 1009), (200 * MIB, 1009)])
def test_what_a_message_inflates_to_is_what_counts(
    server: Running, size: int, answer: int | None
) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"
    with peer(server.port, "/size", offer) as at:
        assert b"server_no_context_takeover" in at.head
        small = deflated(bytes(size))
        assert len(small) < MIB
        at.send(masked(BINARY, small, rsv=4))
        if answer is None:
            frame = at.receive()
            assert frame is not None
            assert frame.opcode == TEXT
        else:
            assert at.close_code() == answer


def peak_kib(process: int) -> int:
    """Return the most memory a process has held so far (proc(5), VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1])


def test_inflating_to_200_megabytes_closes_1009(server: Running) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"
    bomb = masked(BINARY, deflated(bytes(200 * MIB)), rsv=4)
    half = len(bomb) // 2
    with peer(server.port, "/size", offer) as at:  # so that a good one's memory is there before
        at.send(masked(BINARY, deflated(bytes(MIB)), rsv=4))
        assert at.receive() is not None
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # the peak is now
    before = peak_kib(server.process.pid)
    for pieces in ((bomb,), (bomb[:half], bomb[half:])) * 3:
        with peer(server.port, "/size", offer) as at:
            at.send(*pieces)
            assert at.close_code() == 1009
    # The compressed message itself is 0.2 MiB, the limit 1 MiB; inflated whole it were 200.
    assert peak_kib(server.process.pid) - before < 16 * 1024
    with peer(server.port, "/echo") as at:
        echoed(at)


@pytest.mark.parametrize(("pieces", "answer"), [(1023, None), (1024, None), (1025, 1008)])
def test_a_message_of_1024_fragments_is_taken_and_one_more_closes_1008(
    server: Running, pieces: int, answer: int | None
) -> None:
    with peer(server.port, "/size") as at:
        middle = [masked(CONT, b"x", fin=False)] * (pieces - 2)
        at.send(masked(BINARY, b"x", fin=False), *middle, masked(CONT, b"x"))
        if answer is None:
            frame = at.receive()
            assert frame is not None
            assert frame.data == str(pieces).encode()
            at.send(masked(BINARY, b"x", fin=False), *middle, masked(CONT, b"x"))
            assert at.receive() is not None  # every message has all of them again
        else:
            assert at.close_code() == answer


@pytest.mark.parametrize(("pings", "answer"), [(199, None), (200, None), (1000, 1008)])
def test_a_burst_of_200_pings_is_answered_and_a_flood_closes_1008(
    server: Running, pings: int, answer: int | None
) -> None:
    with peer(server.port, "/echo") as at:
        at.send(*[masked(PING, b"%d" % number) for number in range(pings)])
        if answer is not None:
            assert at.close_code() == answer
            return
        for number in range(pings):
            frame = at.receive()
            assert frame is not None
            assert (frame.opcode, frame.data) == (PONG, b"%d" % number)
        echoed(at)


def test_pongs_nobody_asked_for_are_counted_with_the_pings(server: Running) -> None:
    with peer(server.port, "/echo") as at:
        at.send(*[masked(PONG, b"")] * 600, *[masked(PING, b"")] * 400)
        assert at.close_code() == 1008


def test_a_thousand_messages_at_once_close_4429_and_a_hundred_do_not(server: Running) -> None:
    with peer(server.port, "/paced") as at:
        at.send(*[masked(TEXT, b"x")] * 100)
        at.send(masked(PING, b"alive"))
        frame = at.receive()
        assert frame is not None
        assert frame.opcode == PONG
    with peer(server.port, "/paced") as at:
        at.send(*[masked(TEXT, b"x")] * 1000)
        assert at.close_code() == 4429


def test_message_rate_over_the_burst_closes_4429(server: Running) -> None:
    with peer(server.port, "/paced") as at:
        for _ in range(160):  # more than the burst, at the rate that may go on for ever
            at.send(masked(TEXT, b"x"))
            time.sleep(1 / 50)
        at.send(masked(PING, b"alive"))
        frame = at.receive()
        assert frame is not None
        assert frame.opcode == PONG
    with peer(server.port, "/paced") as at:
        with contextlib.suppress(ConnectionError):  # the close may come before all are sent
            for _ in range(100):
                at.send(*[masked(TEXT, b"x")] * 10)
                time.sleep(1 / 100)
        assert at.close_code() == 4429


def test_the_sixth_socket_of_an_address_is_429_on_the_wire(server: Running) -> None:
    with (
        peer(server.port, "/counted") as one,
        peer(server.port, "/counted") as two,
        peer(server.port, "/counted"),
        peer(server.port, "/counted"),
        peer(server.port, "/counted") as fifth,
    ):
        assert one.status == two.status == fifth.status == 101
        with peer(server.port, "/counted") as sixth:
            assert sixth.status == 429
            assert b"application/problem+json" in sixth.head
        one.line.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: a reset
        one.line.close()
        deadline = time.monotonic() + 20
        while True:
            with peer(server.port, "/counted") as again:
                if again.status == 101:
                    break
            assert time.monotonic() < deadline, "a reset socket was never given back"


def test_a_handshake_that_hangs_is_408_on_the_wire(server: Running) -> None:
    with peer(server.port, "/hanging") as at:
        assert at.status == 408


def test_a_close_inside_a_fragmented_message_is_answered_as_any_other(server: Running) -> None:
    with peer(server.port, "/echo") as at:
        at.send(masked(TEXT, b"half", fin=False), masked(CLOSE, struct.pack("!H", 1000)))
        frames = at.until_closed()
    assert [(frame.opcode, frame.code) for frame in frames] == [(CLOSE, 1000)]


def test_what_follows_a_close_resets_nothing(server: Running) -> None:
    for _ in range(20):
        with peer(server.port, "/echo") as at:
            at.send(masked(CLOSE, struct.pack("!H", 1000)))
            rest = [masked(BINARY, b"x" * 60_000)] * 3
            try:
                at.send(*rest)
            except (BrokenPipeError, ConnectionResetError):
                raise AssertionError(
                    "the connection was reset before its close was read"
                ) from None
            assert [frame.code for frame in at.until_closed()] == [1000]


def test_a_handler_that_is_away_keeps_neither_pongs_nor_the_close_waiting(
    server: Running,
) -> None:
    with peer(server.port, "/away") as at:
        assert at.receive() is not None
        at.send(*[masked(TEXT, b"unread")] * 10, masked(PING, b"here"))
        frame = at.receive()
        assert frame is not None
        assert (frame.opcode, frame.data) == (PONG, b"here")
        at.send(masked(CLOSE, struct.pack("!H", 1001)))
        assert at.close_code() == 1001
    server.said("noticed")


def test_more_unread_messages_than_are_read_ahead_are_lost_by_nobody(server: Running) -> None:
    with peer(server.port, "/echo") as at:
        at.send(*[masked(TEXT, b"%d" % number) for number in range(5_000)])
        for number in range(5_000):
            frame = at.receive()
            assert frame is not None
            assert frame.data == b"%d" % number


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_form_of_length_comes_back_as_it_went(
    server: Running, opcode: int, size: int
) -> None:
    with peer(server.port, "/echo") as at:
        at.send(masked(opcode, b"y" * size))
        frame = at.receive()
        assert frame is not None
        assert (frame.opcode, frame.fin, frame.rsv) == (opcode, True, 0)
        assert frame.data == b"y" * size


@pytest.mark.asyncio
async def test_the_parent_has_everything_we_use_of_it() -> None:
    made = SocketProtocol(
        config=uvicorn.Config(lambda: None, log_config=None, lifespan="off"),
        server_state=ServerState(),
        app_state={},
        bounds=EngineBounds(),
    )
    assert [name for name in USED if not hasattr(made, name)] == []
    assert missing() == []


def test_an_engine_that_cannot_be_built_upon_serves_itself_with_a_warning() -> None:
    class Changed:
        def __init__(self) -> None:
            self.transport = None

    lacks = missing(Changed)
    assert "queue" in lacks
    assert "transport" not in lacks
    with pytest.warns(RuntimeWarning, match="this uvicorn has no conn, queue"):
        assert engine(EngineBounds(), ["queue", "conn"]) is WebSocketsSansIOProtocol


def test_what_the_engine_bounds_is_what_the_limits_say() -> None:
    limits, bounds = Limits(), EngineBounds()
    assert bounds.fragments == limits.fragments == 1024
    assert bounds.control_frames_per_s == limits.control_frames_per_s == 100
    assert bounds.control_frames_burst == limits.control_frames_burst == 200
