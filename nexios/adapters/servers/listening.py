"""Sockets that listen: bound by address, path or descriptor, and accepted from in turns."""

import asyncio
import errno
import logging
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_TURN: Final = 64
_PAUSE_S: Final = 1.0
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_log: Final = logging.getLogger("uvicorn.error")


def bind(
    host: str, port: int, *, uds: str | None = None, fd: int | None = None
) -> list[socket.socket]:
    """Return bound sockets, one for each address of ``host``; they do not listen yet.

    Args:
        host: Name or address; all its addresses are bound.
        port: 0 takes a free one, the same for all addresses.
        uds: Path of a Unix socket instead; one that is left over there is replaced.
        fd: A socket that is open already, instead, as a supervisor hands it over.

    Raises:
        OSError: The address is taken, is not ours, or the path cannot be written.
    """
    if fd is not None:
        return [socket.socket(fileno=os.dup(fd))]
    if uds is not None:
        path = Path(uds)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        with _closing() as bound:
            bound.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            bound[0].bind(uds)
            path.chmod(0o666)
        return bound
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with _closing() as bound:
        for family, _, _, _, address in dict.fromkeys(found):
            one = socket.socket(family, socket.SOCK_STREAM)
            bound.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = port or (bound[0].getsockname()[1] if len(bound) > 1 else 0)
            one.bind((address[0], taken, *address[2:]))
    return bound


@contextmanager
def _closing() -> Iterator[list[socket.socket]]:
    """Collect sockets, and close them when something fails."""
    bound: list[socket.socket] = []
    try:
        yield bound
    except OSError:
        for one in bound:
            one.close()
        raise


def shown(sockets: Sequence[socket.socket]) -> str:
    """Return where these listen, for people."""
    one = sockets[0]
    name: Any = one.getsockname()
    if one.family == socket.AF_UNIX:
        return f"unix socket {name}"
    host = f"[{name[0]}]" if one.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


class Acceptor:
    """Accepts up to 64 connections a turn of the event loop, and looks like asyncio's server.

    uvloop accepts one a turn: when turns take 40 ms, new connections and probes starve.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        *,
        backlog: int = 2048,
        shared: bool = False,
        tls: Any = None,
    ) -> None:
        """Listen and accept, in the running loop.

        Args:
            listening: A bound socket; closed in the end.
            protocol: Makes what speaks on a new connection.
            backlog: How many connections the kernel keeps for us.
            shared: Other processes accept from it too, and take what we leave.
            tls: A context for TLS, or None.
        """
        self.sockets: tuple[socket.socket, ...] = (listening,)
        self._listening = listening
        self._protocol = protocol
        self._shared = shared
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._paused: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        listening.listen(backlog)
        self._loop.add_reader(listening.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more; what waits in the kernel for us alone is taken first."""
        if not self.sockets:
            return
        self.sockets = ()
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._listening.fileno())
        while not self._shared and self._accept():
            pass
        self._listening.close()

    async def wait_closed(self) -> None:
        """Wait until no connection is half open."""
        while self._opening:
            await asyncio.wait(tuple(self._opening))

    def _accept(self) -> bool:
        """Take what has come; return whether there may be more."""
        for _ in range(_TURN):
            try:
                connection, _ = self._listening.accept()
            except BlockingIOError:
                return False
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno in _FULL and self.sockets:
                    self._pause(error)
                return False
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._tls)
        except OSError:
            connection.close()  # the peer has left already, or TLS was refused

    def _pause(self, error: OSError) -> None:
        _log.warning(
            "accepting pauses for %g s: %s (%d tasks are under way)",
            _PAUSE_S,
            error.strerror,
            len(asyncio.all_tasks(self._loop)),
        )
        self._loop.remove_reader(self._listening.fileno())
        self._paused = self._loop.call_later(_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._paused = None
        self._loop.add_reader(self._listening.fileno(), self._accept)
