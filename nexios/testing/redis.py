"""A Redis or Valkey server for tests: what this machine has, without Docker."""

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from nexios.testing.server_process import ServerProcess, free_port

URL_VARIABLE: Final = "NEXIOS_TEST_REDIS_URL"
_NAMES: Final = ("redis-server", "valkey-server")
_START_TIMEOUT_S: Final = 20.0
_SLOTS: Final = 16_384


class NoRedis(Exception):
    """No Redis server for tests here; the text says what was looked for."""


class RedisServer(ServerProcess):
    """A private server in memory, on a free loopback port; what it stores goes when it ends.

    Raises:
        NoRedis: There is no binary here.
    """

    def __init__(self, binary: Path | None = None, *, replica_of: int | None = None) -> None:
        """Take a place; nothing is started.

        Args:
            binary: The server's; looked for unless told.
            replica_of: The loopback port of its master.
        """
        self._binary = binary or find_binary()
        self._replica_of = replica_of
        super().__init__("redis")

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self._port

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            NoRedis: It ended at once, or took too long.
        """
        address = ["--bind", "127.0.0.1", "--port", str(self._port)]
        kept = ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        if self._replica_of is not None:
            kept += ["--replicaof", f"127.0.0.1 {self._replica_of}"]
        self._launch([*address, *kept])

    def _launch(self, arguments: list[str]) -> None:
        log = self._folder / "log"
        self._process = subprocess.Popen(  # noqa: S603  # our own arguments
            [str(self._binary), *arguments, "--logfile", str(log)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError):
                if self.says(b"PING\r\n").startswith(b"+PONG"):
                    return
            time.sleep(0.02)
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        self.stop()
        raise NoRedis(f"{self._binary} did not start: {said}")

    def flush(self) -> None:
        """Forget everything that is stored."""
        self.says(b"FLUSHALL\r\n")

    def says(self, line: bytes) -> bytes:
        """Return the beginning of its answer to a line of the protocol, up to 4 KiB."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=2) as wire:
            wire.sendall(line)
            return wire.recv(4096)


class RedisSentinel(RedisServer):
    """A private sentinel over a private master: it alone decides, half a second after a fault.

    Attributes:
        name: What it calls its master.

    Raises:
        NoRedis: There is no binary here.
    """

    name: Final = "mymaster"

    def __init__(self, master: RedisServer, binary: Path | None = None) -> None:
        super().__init__(binary)
        self._watched = master.port

    @property
    def url(self) -> str:
        """What leads to the master by way of it."""
        return f"redis+sentinel://127.0.0.1:{self._port}/{self.name}/0"

    def start(self) -> None:
        """Start it and wait until it answers; it notes what it learns in a file of its own.

        Raises:
            NoRedis: It ended at once, or took too long.
        """
        told = self._folder / "sentinel.conf"
        told.write_text(
            f"port {self._port}\nbind 127.0.0.1\ndir {self._folder}\n"
            f"sentinel monitor {self.name} 127.0.0.1 {self._watched} 1\n"
            f"sentinel down-after-milliseconds {self.name} 500\n"
            f"sentinel failover-timeout {self.name} 3000\n"
        )
        self._launch([str(told), "--sentinel"])


class RedisNode(RedisServer):
    """A private node of a cluster; see `private_cluster`.

    Raises:
        NoRedis: There is no binary here.
    """

    def __init__(self, binary: Path | None = None) -> None:
        super().__init__(binary)
        self.bus = free_port()

    def start(self) -> None:
        """Start it and wait until it answers; what it knows of the others is kept in a file.

        Raises:
            NoRedis: It ended at once, or took too long.
        """
        address = ["--bind", "127.0.0.1", "--port", str(self._port)]
        kept = ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(self.bus)]
        self._launch([*address, *kept, *cluster, "--cluster-node-timeout", "1500"])

    @property
    def id(self) -> str:
        """What the cluster calls it."""
        return self.says(b"CLUSTER MYID\r\n").split(b"\r\n")[1].decode()


@contextmanager
def private_cluster(masters: int = 3, replicas: int = 0) -> Iterator[list[RedisNode]]:
    """Yield the nodes of a cluster of its own: masters, then a replica for each of the first.

    Raises:
        NoRedis: There is no binary here, it knows no clusters, or they found no state in time.
    """
    with ExitStack() as stack:
        nodes = [stack.enter_context(RedisNode()) for _ in range(masters + replicas)]
        edges = [_SLOTS * number // masters for number in range(masters + 1)]
        for node, first, end in zip(nodes, edges, edges[1:], strict=False):
            node.says(b"CLUSTER ADDSLOTSRANGE %d %d\r\n" % (first, end - 1))
        for node in nodes[1:]:
            node.says(b"CLUSTER MEET 127.0.0.1 %d %d\r\n" % (nodes[0].port, nodes[0].bus))
        _until(nodes, lambda node: _settled(node, len(nodes)))
        for node, master in zip(nodes[masters:], nodes, strict=False):
            node.says(b"CLUSTER REPLICATE %b\r\n" % master.id.encode())
        _until(nodes[masters:], _follows)
        yield nodes


def _settled(node: RedisNode, count: int) -> bool:
    told = node.says(b"CLUSTER INFO\r\n")
    return b"cluster_state:ok" in told and b"cluster_known_nodes:%d\r" % count in told


def _follows(node: RedisNode) -> bool:
    return b"master_link_status:up" in node.says(b"INFO replication\r\n")


def _until(nodes: Sequence[RedisNode], settled: Callable[[RedisNode], bool]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not all(map(settled, nodes)):
        if time.monotonic() > deadline:
            raise NoRedis("the nodes of the cluster did not find one another")
        time.sleep(0.05)


@contextmanager
def any_redis() -> Iterator[str]:
    """Yield the URL of the server that ``NEXIOS_TEST_REDIS_URL`` names, else of a private one.

    Raises:
        NoRedis: There is neither.
    """
    given = os.environ.get(URL_VARIABLE)
    if given and given != "none":
        yield given
        return
    with RedisServer() as server:
        yield server.url


def find_binary() -> Path:
    """Return the server's binary on PATH.

    Raises:
        NoRedis: It is not there, or the client library is missing.
    """
    if os.environ.get(URL_VARIABLE) == "none":
        raise NoRedis(f"{URL_VARIABLE} says none")
    if importlib.util.find_spec("redis") is None:
        raise NoRedis("redis is not installed; fix: pip install 'nexios[redis]'")
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise NoRedis(f"neither {' nor '.join(_NAMES)} on PATH, and {URL_VARIABLE} is not set")
    return Path(found)
