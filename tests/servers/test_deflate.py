"""Plain and compressed frames on one socket, through `nexios run`."""

import zlib
from collections.abc import Iterator

import pytest

from tests.support.frames import TEXT, Peer, masked, peer
from tests.support.running import Running, running

APP = """
from nexios import MakeConfig, NexiosApp
from nexios.websockets import Channel

app = NexiosApp(config=MakeConfig(realtime={"deflate": True}))
room = Channel("room")

@app.websocket("/room")
async def talk(websocket):
    await room.connect(websocket)
    await websocket.send_text("in")
    async for text in websocket.iter_text():
        await room.broadcast(text)
        await websocket.send_text(text * 200)  # far more than what is worth it
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("deflate"), APP) as served:
        yield served


def heard(at: Peer, *, may_be_compressed: bool) -> tuple[str, bool]:
    """Return a message as a client reads it, and whether it came compressed (RFC 7692, 7.2.2)."""
    frame = at.receive()
    assert frame is not None
    assert (frame.opcode, frame.fin, frame.rsv & 3) == (TEXT, True, 0)
    compressed = frame.rsv == 4
    assert may_be_compressed or not compressed
    if not compressed:
        return frame.data.decode(), False
    # Each message by itself: the server promised no_context_takeover, and 12 bits of window.
    opened = zlib.decompressobj(-12)
    return (opened.decompress(frame.data + b"\x00\x00\xff\xff")).decode(), True


def test_plain_and_compressed_frames_mix(server: Running) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    with peer(server.port, "/room", offer) as squeezed, peer(server.port, "/room") as plain:
        assert b"server_no_context_takeover" in squeezed.head
        assert b"permessage-deflate" not in plain.head
        assert heard(squeezed, may_be_compressed=True)[0] == "in"
        assert heard(plain, may_be_compressed=False)[0] == "in"
        kinds = set()
        for number in range(20):
            text = f"message {number}"
            squeezed.send(masked(TEXT, text.encode()))
            told, how = heard(squeezed, may_be_compressed=True)  # of the channel
            kinds.add(how)
            assert told == f'"{text}"'
            told, how = heard(squeezed, may_be_compressed=True)  # of the handler
            kinds.add(how)
            assert told == text * 200
            assert heard(plain, may_be_compressed=False)[0] == f'"{text}"'
        assert kinds == {False, True}


def test_what_is_broadcast_is_compressed_once_and_read_by_all(server: Running) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    narrow = f"{offer}; server_max_window_bits=10"
    large = "much the same again, " * 200
    with (
        peer(server.port, "/room", offer) as one,
        peer(server.port, "/room", f"{offer}; client_no_context_takeover") as other,
        peer(server.port, "/room", narrow) as third,
        peer(server.port, "/room") as plain,
    ):
        assert b"server_max_window_bits=10" in third.head
        peers = (one, other, third, plain)
        for each in peers:
            assert heard(each, may_be_compressed=each is not plain)[0] == "in"
        for _ in range(3):
            one.send(masked(TEXT, large.encode()))
            frames = [each.receive() for each in peers]
            assert frames[0] is not None
            assert frames[0].rsv == 4
            assert len(frames[0].data) < len(large) // 20
            opened = zlib.decompressobj(-12).decompress(frames[0].data + b"\x00\x00\xff\xff")
            assert opened.decode() == f'"{large}"'
            assert frames[1] == frames[0]
            for unshared in frames[2:]:  # a window of ten bits was promised less, so it is plain
                assert unshared is not None
                assert (unshared.rsv, unshared.data.decode()) == (0, f'"{large}"')
            assert heard(one, may_be_compressed=True)[0] == large * 200
