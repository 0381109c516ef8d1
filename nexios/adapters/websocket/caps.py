"""How many sockets one address and one caller may have open on this process."""

from collections import Counter
from typing import Final

from nexios.adapters.websocket.closing import Denied
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.rates import network_of

_CODE: Final = "too-many-sockets"


class Caps:
    """Counts the sockets that are served, from their handshake to the end of their handler."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._held: dict[WebSocket, list[str]] = {}

    def count_address(self, socket: WebSocket) -> None:
        """Count a socket for the address it comes from, IPv6 by its network of 64 bits.

        Raises:
            Denied: There are enough of them.
        """
        address = network_of(socket.get_client_ip())
        if address:  # a Unix socket tells none
            self._count(socket, f"address {address}", socket.limits.sockets_per_address)

    def count_caller(self, socket: WebSocket) -> None:
        """Count a socket for whoever was proven to open it.

        Raises:
            Denied: There are enough of them.
        """
        caller = socket.scope.get("caller")
        if caller is not None and caller.actor is not None:
            self._count(socket, f"caller {caller.actor}", socket.limits.sockets_per_caller)

    def release(self, socket: WebSocket) -> None:
        """Forget a socket."""
        for key in self._held.pop(socket, ()):
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]

    def _count(self, socket: WebSocket, key: str, most: int | None) -> None:
        if most is not None and self._counts[key] >= most:
            raise Denied(429, "too many sockets are open already", _CODE)
        self._counts[key] += 1
        self._held.setdefault(socket, []).append(key)
