"""What may follow what on one socket: ASGI 3.0, websocket, as a table without I/O."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from nexios.adapters.asgi.types import Message


class SocketState(Enum):
    """Where one socket stands between handshake and end."""

    NEW = "new"
    CONNECTING = "connecting"
    OPEN = "open"
    DENYING = "denying"
    CLOSING = "closing"
    CLOSED = "closed"


class SocketStateError(RuntimeError):
    """The handler made a move that the socket's state does not allow."""


class ServerFault(RuntimeError):
    """The server sent what ASGI does not allow here."""


OPEN: Final = SocketState.OPEN
"""The same member: under its class it takes 0.1 us to find in CPython 3.11."""

_IN: Final[Mapping[tuple[SocketState, str], SocketState]] = {
    (SocketState.NEW, "websocket.connect"): SocketState.CONNECTING,
    (SocketState.CONNECTING, "websocket.disconnect"): SocketState.CLOSED,
    (SocketState.DENYING, "websocket.disconnect"): SocketState.CLOSED,
    (SocketState.OPEN, "websocket.receive"): SocketState.OPEN,
    (SocketState.OPEN, "websocket.disconnect"): SocketState.CLOSED,
    (SocketState.CLOSING, "websocket.receive"): SocketState.CLOSING,
    (SocketState.CLOSING, "websocket.disconnect"): SocketState.CLOSED,
    # A failing send closes while the handler waits in receive(): what comes then is dropped.
    (SocketState.CLOSED, "websocket.receive"): SocketState.CLOSED,
    (SocketState.CLOSED, "websocket.disconnect"): SocketState.CLOSED,
}

_OUT: Final[Mapping[tuple[SocketState, str], SocketState]] = {
    (SocketState.CONNECTING, "websocket.accept"): SocketState.OPEN,
    (SocketState.CONNECTING, "websocket.close"): SocketState.CLOSED,
    (SocketState.CONNECTING, "websocket.http.response.start"): SocketState.DENYING,
    (SocketState.DENYING, "websocket.http.response.body"): SocketState.DENYING,
    (SocketState.OPEN, "websocket.send"): SocketState.OPEN,
    (SocketState.OPEN, "websocket.close"): SocketState.CLOSING,
}

_AFTER_THE_END: Final = frozenset({SocketState.CLOSING, SocketState.CLOSED})

_ADVICE: Final[Mapping[tuple[SocketState, str], str]] = {
    (SocketState.CONNECTING, "websocket.send"): (
        "sending before the handshake is accepted; add `await websocket.accept()` before it"
    ),
    (SocketState.CONNECTING, "receive"): (
        "receiving before the handshake is accepted; add `await websocket.accept()` before it"
    ),
    (SocketState.OPEN, "websocket.accept"): (
        "accept() was called on an accepted socket; call it once, or leave it to Channel.connect()"
    ),
    (SocketState.OPEN, "websocket.http.response.start"): (
        "deny() was called on an accepted socket; use `await websocket.close(code)` instead"
    ),
}


class SocketProtocol:
    """Follows one socket and refuses every move that is not in the tables.

    Attributes:
        state: Where the socket stands.
        code: Close code, once there is one.
        reason: Text given with it, or None.
    """

    __slots__ = ("_denial", "code", "reason", "state")

    def __init__(self, *, denial: bool) -> None:
        """Begin before the handshake; ``denial``: the server has `websocket.http.response`."""
        self._denial = denial
        self.state = SocketState.NEW
        self.code: int | None = None
        self.reason: str | None = None

    @property
    def denial(self) -> bool:
        """Whether a refusal can be a full HTTP answer."""
        return self._denial

    @property
    def ended(self) -> bool:
        """Whether nothing can be sent or received any more."""
        return self.state in _AFTER_THE_END

    def passes(self, message: Message) -> bool:
        """Tell whether this `receive` or `send` is what nearly all are; the tables say the rest.

        0.6 us less for each than by the tables, benchmarks/realtime.py.
        """
        if self.state is not OPEN:
            return False
        text = message.get("text")
        if text is None:
            return type(message.get("bytes")) is bytes
        return type(text) is str and message.get("bytes") is None

    def receiving(self) -> None:
        """Check that the handler may ask for a message now.

        Raises:
            SocketStateError: The socket is not accepted.
        """
        if self.state is SocketState.CONNECTING:
            raise SocketStateError(_ADVICE[self.state, "receive"])
        if self.state in (SocketState.NEW, SocketState.DENYING):
            raise SocketStateError(f"receiving from a socket that is {self.state.value}")

    def received(self, message: Message) -> None:
        """Take in one message of the server.

        Raises:
            ServerFault: ASGI does not allow this message here; the socket is over.
        """
        kind = str(message.get("type"))
        step = _IN.get((self.state, kind))
        if step is None:
            came = self.state
            self._end(1011)
            raise ServerFault(f"the server sent {kind!r} on a socket that is {came.value}")
        if kind == "websocket.receive" and not _one_payload(message):
            self._end(1011)
            raise ServerFault("'websocket.receive' needs exactly one of `text` and `bytes`")
        if kind == "websocket.disconnect" and self.code is None:
            code = message.get("code")
            self.code = code if isinstance(code, int) else 1005
            reason = message.get("reason")
            self.reason = reason if isinstance(reason, str) and reason else None
        self.state = step

    def sending(self, message: Message) -> bool:
        """Check one message of the handler and take the step it means.

        Returns:
            False when it is a close after the end, which needs no sending.

        Raises:
            SocketStateError: The move is not allowed in this state; nothing has changed.
            TypeError: A send without exactly one of ``text`` and ``bytes``.
        """
        kind = str(message.get("type"))
        step = _OUT.get((self.state, kind))
        if kind == "websocket.http.response.start" and not self._denial:
            raise SocketStateError("this server has no `websocket.http.response`; close instead")
        if step is None:
            if kind == "websocket.close" and self.state in _AFTER_THE_END:
                return False
            advice = _ADVICE.get((self.state, kind))
            raise SocketStateError(advice or f"{kind!r} on a socket that is {self.state.value}")
        if kind == "websocket.send" and not _one_payload(message):
            raise TypeError("'websocket.send' needs exactly one of `text` and `bytes`")
        if kind == "websocket.close":
            code = message.get("code", 1000)
            self.code = code if isinstance(code, int) else 1000
            self.reason = str(message.get("reason") or "") or None
        if kind == "websocket.http.response.body" and not message.get("more_body", False):
            step = SocketState.CLOSED
        self.state = step
        return True

    def lost(self) -> None:
        """Note that the transport is gone (``send`` raised OSError; ASGI 2.4)."""
        self._end(1006)

    def _end(self, code: int) -> None:
        if self.code is None:
            self.code = code
        self.state = SocketState.CLOSED


def _one_payload(message: Mapping[str, Any]) -> bool:
    text, data = message.get("text"), message.get("bytes")
    if text is None:
        return isinstance(data, bytes | bytearray | memoryview)
    return data is None and isinstance(text, str)
