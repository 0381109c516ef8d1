"""How `nexios run` stops: what was begun is finished, and everybody is told."""

import json
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.support.raw import Replies, request, speak
from tests.support.running import Running, running

APP = """
import anyio
from pathlib import Path
from nexios import MakeConfig, NexiosApp

app = NexiosApp(config=MakeConfig(server={server}))
notes = Path("notes.txt")

def note(text):
    with notes.open("a") as file:
        file.write(text + chr(10))

@app.get("/")
async def root() -> str:
    return "ok"

@app.get("/slow")
async def slow() -> str:
    note("slow begins")
    await anyio.sleep(2)
    return "slow"

@app.get("/never")
async def never() -> str:
    note("never begins")
    try:
        await anyio.sleep(600)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.2)
            note("cleaned up")
    return "never"

@app.get("/commit")
async def commit() -> str:
    with anyio.CancelScope(shield=True):
        note("commit begins")
        await anyio.sleep(1.5)
        note("commit is whole")
    await anyio.sleep(600)
    return "commit"

@app.get("/half")
async def half(request, response):
    async def chunks():
        note("half begins")
        yield "first"
        await anyio.sleep(600)
        yield "second"
    return response.stream(chunks())

@app.get("/block")
async def block() -> str:
    import time
    time.sleep(1.5)
    return "block"

@app.on_shutdown
async def closing() -> None:
    note("lifespan ends")
"""


def notes(folder: Path, text: str, within_s: float = 20) -> None:
    """Wait until the application has noted this."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if (folder / "notes.txt").exists() and text in (folder / "notes.txt").read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"{text!r} was never noted")


class Asking(threading.Thread):
    """Asks in the background."""

    def __init__(self, server: Running, path: bytes) -> None:
        super().__init__()
        self.where = f"127.0.0.1:{server.port}"
        self.content = request(b"GET " + path + b" HTTP/1.1")
        self.replies = Replies()
        self.start()

    def run(self) -> None:
        self.replies = speak(self.where, self.content, timeout=30)


def test_the_drain_goes_through_its_steps(tmp_path: Path) -> None:
    with running(tmp_path, APP.format(server={"drain_s": 3.0, "grace_s": 20.0})) as server:
        where = f"127.0.0.1:{server.port}"
        slow = Asking(server, b"/slow")
        notes(tmp_path, "slow begins")
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        idle.sendall(request())
        assert b"connection: close" not in idle.recv(65536)
        server.process.send_signal(signal.SIGTERM)
        while (ready := speak(where, request(b"GET /health/ready HTTP/1.1"))).statuses == [200]:
            time.sleep(0.02)
        # New connections are served, and told that it is their last answer.
        assert ready.statuses == [503]
        assert json.loads(ready.answers[0].body)["status"] == "draining"
        (answer,) = speak(where, request()).answers
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert idle.recv(10) == b""  # the idle one is closed when accepting ends
        slow.join()
        assert slow.replies.statuses == [200]
        assert server.process.wait(20) == 0
        with pytest.raises(ConnectionRefusedError):
            speak(where, request())
        idle.close()
    assert (tmp_path / "notes.txt").read_text().endswith("lifespan ends\n")


ROOM = """
from nexios import MakeConfig, NexiosApp
from nexios.websockets import Channel

app = NexiosApp(config=MakeConfig(server={"drain_s": 2.0}))
room = Channel("room")

@app.websocket("/room")
async def stay(websocket):
    await room.connect(websocket)
    async for text in websocket.iter_text():
        await room.broadcast(text)

@app.get("/events")
async def events(request, response):
    async def never():
        import anyio
        await anyio.sleep_forever()
        yield ""
    return response.sse(never())
"""


def test_everybody_is_told_when_to_come_back(tmp_path: Path) -> None:
    with running(tmp_path, ROOM) as server, ExitStack() as opened:
        url = f"ws://127.0.0.1:{server.port}/room"
        v1 = [Subprotocol("nexios.v1")]
        sockets = [opened.enter_context(connect(url, subprotocols=v1)) for _ in range(8)]
        for one in sockets:
            assert json.loads(one.recv(timeout=20))["type"] == "joined"
        stream = Asking(server, b"/events")
        time.sleep(0.5)  # it is under way; one that comes later is told the same
        server.process.send_signal(signal.SIGTERM)
        # Ready no more: who comes is sent away, who is there goes on for drain_s.
        with pytest.raises(InvalidStatus) as refused:
            while True:
                with connect(url):
                    pass
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "1"
        sockets[0].send("still here")
        advised = []
        for one in sockets:
            frames = []
            with pytest.raises(ConnectionClosed) as end:
                while True:
                    frames.append(json.loads(one.recv(timeout=20)))
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1012
            assert [frame["type"] for frame in frames] == ["message", "bye"]
            advised.append(frames[-1]["reconnect_after_s"])
        assert len(set(advised)) > 1
        assert all(1.0 <= seconds <= 5.0 for seconds in advised)
        stream.join()
        body = stream.replies.answers[0].body
        retries = [int(line.split(b":")[1]) for line in body.splitlines() if b"retry" in line]
        assert retries[0] == 2000
        assert 1000 <= retries[1] <= 5000
        assert server.process.wait(20) == 0
        assert "ERROR" not in server.log.read_text()


def test_what_outlives_the_grace_is_cancelled_and_cleaned_up(tmp_path: Path) -> None:
    with running(tmp_path, APP.format(server={"drain_s": 0.0, "grace_s": 1.0})) as server:
        never, half = Asking(server, b"/never"), Asking(server, b"/half")
        notes(tmp_path, "never begins")
        notes(tmp_path, "half begins")
        server.process.send_signal(signal.SIGTERM)
        never.join()
        half.join()
        assert server.process.wait(20) == 0
    assert never.replies.statuses == [503]
    assert never.replies.answers[0].headers["retry-after"] == "1"
    assert half.replies.closed
    text = (tmp_path / "notes.txt").read_text()
    assert text.endswith("cleaned up\nlifespan ends\n")


def test_a_shielded_commit_is_whole(tmp_path: Path) -> None:
    with running(tmp_path, APP.format(server={"drain_s": 0.0, "grace_s": 0.2})) as server:
        commit = Asking(server, b"/commit")
        notes(tmp_path, "commit begins")
        server.process.send_signal(signal.SIGTERM)
        commit.join()
        assert server.process.wait(20) == 0
    assert commit.replies.statuses == [503]
    assert (tmp_path / "notes.txt").read_text().endswith("commit is whole\nlifespan ends\n")


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    with running(tmp_path, APP.format(server={"drain_s": 60.0, "grace_s": 60.0})) as server:
        Asking(server, b"/never")
        notes(tmp_path, "never begins")
        server.process.send_signal(signal.SIGTERM)
        where = f"127.0.0.1:{server.port}"
        while speak(where, request(b"GET /health/ready HTTP/1.1")).statuses == [200]:
            time.sleep(0.02)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
        assert time.monotonic() - begun < 10


def test_an_interrupt_at_the_keyboard_announces_nothing(tmp_path: Path) -> None:
    with running(tmp_path, APP.format(server={"drain_s": 60.0})) as server:
        assert speak(f"127.0.0.1:{server.port}", request()).statuses == [200]
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0


def test_a_blocked_loop_is_reported_with_its_stack(tmp_path: Path) -> None:
    with running(tmp_path, APP.format(server={})) as server:
        assert speak(f"127.0.0.1:{server.port}", request(b"GET /block HTTP/1.1")).statuses == [200]
        server.said(r"the event loop stands for")
        text = server.log.read_text()
    assert "time.sleep(1.5)" in text
    assert text.count("the event loop stands for") == 1


def test_a_loop_that_stays_blocked_ends_its_process(tmp_path: Path) -> None:
    with running(tmp_path, APP.format(server={"loop_block_exit_s": 0.8})) as server:
        Asking(server, b"/block")
        assert server.process.wait(20) == -signal.SIGABRT
        assert "the process ends" in server.log.read_text()
