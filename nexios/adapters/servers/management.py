"""The second listener of `nexios run`: health with its details and metrics, for operators."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Final

import uvicorn
from uvicorn.server import ServerState

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.servers.listening import Acceptor, bind, shown
from nexios.adapters.servers.shell import Shell

_BACKLOG: Final = 128
_log: Final = logging.getLogger("uvicorn.error")


class ManagementTaken(OSError):
    """The second listener cannot have its address."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host = host
        self.port = port
        self.reason = reason
        super().__init__(host, port, reason)

    def __str__(self) -> str:
        return (
            f"the management port cannot listen on {self.host}:{self.port}: {self.reason}"
            "\n  fix: --management 127.0.0.1:9090 with a port that is free"
        )


def bind_management(address: tuple[str, int], beside: tuple[str, int]) -> list[socket.socket]:
    """Return bound sockets for the second listener; they do not listen yet.

    Args:
        address: Host and port; port 0 takes a free one.
        beside: Host and port of the main listener.

    Raises:
        ManagementTaken: Somebody listens there, or the main listener will.
    """
    host, port = address
    if port and port == beside[1] and _meet(host, beside[0]):
        raise ManagementTaken(host, port, "that is where the application is served")
    try:
        sockets = bind(host, port)
        for one in sockets:
            one.listen(_BACKLOG)  # of two who bind the same the kernel refuses one here
    except OSError as error:
        raise ManagementTaken(host, port, error.strerror or str(error)) from error
    _log.info("Management on %s", shown(sockets))
    if not all(_is_loopback(one) for one in sockets):
        _log.warning(
            "the management port is open beyond this machine: whoever reaches %s reads the "
            "details of health and the metrics",
            shown(sockets),
        )
    return sockets


def _meet(one: str, other: str) -> bool:
    """Return whether two hosts share an address."""
    try:
        addresses = [
            {
                entry[4][0]
                for entry in socket.getaddrinfo(
                    host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
            }
            for host in (one, other)
        ]
    except OSError:
        return False  # who binds it will say so
    wide = {"0.0.0.0", "::"}  # noqa: S104  # compared, not listened on
    return bool(addresses[0] & addresses[1] or wide & (addresses[0] | addresses[1]))


def _is_loopback(listening: socket.socket) -> bool:
    name: Any = listening.getsockname()
    return ip_address(name[0].partition("%")[0]).is_loopback


class ManagementPort:
    """Serves the application's second face, from before its start until after its stop.

    Requests are read by the same shell as on the main port, with the limits as they are unless
    configured. Of several workers each answers what it accepts.
    """

    def __init__(
        self, sockets: Sequence[socket.socket], app: ASGIApp, protocol: Any, *, shared: bool
    ) -> None:
        """Listen and serve, in the running loop.

        Args:
            sockets: Bound; closed in the end.
            app: What is served.
            protocol: uvicorn's protocol class inside our shell.
            shared: Other processes accept from them too.
        """
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        config.load()
        self._config = config
        self._state = ServerState()
        self._acceptors = [
            Acceptor(one, self._protocol, backlog=_BACKLOG, shared=shared) for one in sockets
        ]

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self._config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self._config,
            server_state=self._state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )
        return protocol

    async def close(self) -> None:
        """Accept no more, and end every connection: probes are short."""
        for one in self._acceptors:
            one.close()
            await one.wait_closed()
        for connection in tuple(self._state.connections):
            if isinstance(connection, Shell):
                connection.shutdown()
        while self._state.tasks:
            await asyncio.wait(tuple(self._state.tasks))
        for connection in tuple(self._state.connections):
            connection.transport.abort()
