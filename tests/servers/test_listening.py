"""Accepting: many a turn, none lost at the close, and again after a process had no descriptors."""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nexios.adapters.servers.listening import Acceptor, bind, shown
from tests.support.raw import request, speak
from tests.support.running import running


class Greeter(asyncio.Protocol):
    """Says one word to whoever comes."""

    def connection_made(self, transport: Any) -> None:
        transport.write(b"hello")
        transport.close()


Body = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Body], None]:
    """Run a coroutine function on each of the two loops."""
    factory: Any = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop

    def go(body: Body) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(body())

    return go


def test_a_backlog_is_taken_in_two_turns(run: Callable[[Body], None]) -> None:
    async def body() -> None:
        (listening,) = bind("127.0.0.1", 0)
        made: list[Greeter] = []

        def protocol() -> Greeter:
            made.append(Greeter())
            return made[-1]

        acceptor = Acceptor(listening, protocol)
        clients = [socket.create_connection(listening.getsockname()) for _ in range(100)]
        turns = 0
        while len(made) < 100:
            turns += 1
            await asyncio.sleep(0)
        for client in clients:
            client.close()
        acceptor.close()
        await acceptor.wait_closed()
        # Two to take them, a few more until their tasks have made what speaks.
        assert turns <= 12

    run(body)


def test_who_waits_in_the_kernel_is_served_at_the_close(run: Callable[[Body], None]) -> None:
    async def body() -> None:
        (listening,) = bind("127.0.0.1", 0)
        acceptor = Acceptor(listening, Greeter)
        address = listening.getsockname()
        clients = [socket.create_connection(address) for _ in range(80)]
        acceptor.close()
        await acceptor.wait_closed()
        for client in clients:
            client.setblocking(False)
            got = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 10), 5)
            assert got == b"hello"
            client.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)

    run(body)


def test_a_shared_socket_is_left_to_the_others(run: Callable[[Body], None]) -> None:
    async def body() -> None:
        (listening,) = bind("127.0.0.1", 0)
        other = listening.dup()
        acceptor = Acceptor(listening, Greeter, shared=True)
        with socket.create_connection(other.getsockname()) as client:
            acceptor.close()
            await acceptor.wait_closed()
            taken, _ = other.accept()
            with taken:
                taken.sendall(b"other")
            client.settimeout(5)
            assert client.recv(10) == b"other"
        other.close()

    run(body)


def test_addresses_are_bound_and_shown(tmp_path: Path) -> None:
    (four,) = bind("127.0.0.1", 0)
    assert shown([four]) == f"http://127.0.0.1:{four.getsockname()[1]}"
    assert four.getsockname()[1] > 0
    (again,) = bind("", 0, fd=four.fileno())
    assert again.getsockname() == four.getsockname()
    path = str(tmp_path / "app.sock")
    (unix,) = bind("", 0, uds=path)
    assert shown([unix]) == f"unix socket {path}"
    unix.close()
    bind("", 0, uds=path)[0].close()  # what is left over is replaced
    (tmp_path / "file").write_text("no socket")
    with pytest.raises(OSError, match="in use"):
        bind("", 0, uds=str(tmp_path / "file"))
    four.listen()
    with pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", four.getsockname()[1])
    for one in (four, again):
        one.close()


APP = """
import resource
from nexios import NexiosApp

resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
app = NexiosApp()

@app.get("/")
async def root() -> str:
    return "ok"
"""


def test_too_many_open_files_recovers(tmp_path: Path) -> None:
    with running(tmp_path, APP) as server:
        address = ("127.0.0.1", server.port)
        where = f"127.0.0.1:{server.port}"
        assert speak(where, request()).statuses == [200]
        lines = [socket.create_connection(address) for _ in range(80)]
        server.said("accepting pauses")
        # It burns no time meanwhile: pauses are a second long.
        before = server.log.read_text().count("accepting pauses")
        ticks = _ticks(server.process.pid)
        assert speak(where, request(), timeout=1.5).statuses == []
        assert server.log.read_text().count("accepting pauses") - before <= 3
        assert _ticks(server.process.pid) - ticks < 100
        for line in lines:
            line.close()
        assert speak(where, request(), timeout=20).statuses == [200]
        assert server.process.poll() is None
        assert "Traceback" not in server.log.read_text()


def _ticks(pid: int) -> int:
    """Return the processor time of a process, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 100 // os.sysconf("SC_CLK_TCK")
