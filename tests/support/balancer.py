"""A balancer of TCP connections: each goes to the first server that listens."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence


class Balancer:
    """Listens on a port of its own and hands bytes on, both ways, until either side ends."""

    def __init__(self, ports: Sequence[int]) -> None:
        """Know the servers, on loopback, in order of preference."""
        self._ports = tuple(ports)
        self._listening = socket.create_server(("127.0.0.1", 0))

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``."""
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def serve(self) -> None:
        """Take connections until ``close``."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = self._server()
            if server is None:
                client.close()
                continue
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_carry, args=(source, target), daemon=True).start()

    def close(self) -> None:
        """Take no more; what is open goes on until its ends close it."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _server(self) -> socket.socket | None:
        for port in self._ports:
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", port), timeout=5)
        return None


def _carry(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(None)
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def balancing(*ports: int) -> Iterator[str]:
    """Balance over servers on loopback; yield ``host:port``."""
    balancer = Balancer(ports)
    thread = threading.Thread(target=balancer.serve, daemon=True)
    thread.start()
    try:
        yield balancer.address
    finally:
        balancer.close()
        thread.join(timeout=10)
