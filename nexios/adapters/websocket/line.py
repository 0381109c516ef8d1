"""The line under a socket: order, end and cut, with nothing said about what messages mean."""

import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Final, NoReturn

import anyio

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.frames import EXTENSION
from nexios.adapters.asgi.types import Message, Receive, Scope, Send
from nexios.adapters.websocket.closing import WebSocketDisconnect, check_code, cut_reason
from nexios.adapters.websocket.inbox import Inbox
from nexios.adapters.websocket.protocol import OPEN, SocketProtocol, SocketState
from nexios.application.limits import Limits

Outlet = Callable[[Message], Awaitable[None]]

DENIAL: Final = "websocket.http.response"


class WebSocketState(Enum):
    """The coarse states that Nexios 2.11 showed."""

    CONNECTING = 0
    CONNECTED = 1
    DISCONNECTED = 2


_COARSE: Final = {
    SocketState.NEW: WebSocketState.CONNECTING,
    SocketState.CONNECTING: WebSocketState.CONNECTING,
    SocketState.OPEN: WebSocketState.CONNECTED,
}


class SocketLine(Connection):
    """Sends ASGI messages in legal order, and knows when the socket is over.

    Attributes:
        before_send: While set, ``send`` and ``close`` go through it: channels keep their order
            so. It hands each message on to ``transmit``.
        farewell: While set, asked at every close what is said before it, by its code.
        parting: Of the last close, whoever sent it: set when it has gone out or was given up.
        handler: Around the handler, while one runs: its deadline is that of the handshake, then
            ``limits.message_finish_s`` after the end.
    """

    __slots__ = (
        "_ended",
        "_gone",
        "_id",
        "_inbox",
        "_protocol",
        "_receive",
        "_send",
        "_write",
        "before_send",
        "farewell",
        "handler",
        "parting",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        limits: Limits | None = None,
    ) -> None:
        """Hold one connection.

        Args:
            limits: Of the route, without them the app's hold.
        """
        super().__init__(scope, limits=limits)
        self._receive = receive
        self._send = send
        self._protocol = SocketProtocol(denial=DENIAL in (scope.get("extensions") or {}))
        self._id: str | None = None
        self._gone: tuple[Callable[[], None], ...] | None = ()
        self._ended: anyio.Event | None = None
        self._inbox: Inbox | None = None
        self._write: Callable[[bytes], bool] | None = None
        self.before_send: Outlet | None = None
        self.farewell: Callable[[int], Message | None] | None = None
        self.parting: anyio.Event | None = None
        self.handler: anyio.CancelScope | None = None

    @property
    def frame_writer(self) -> Callable[[bytes], bool] | None:
        """What takes prepared frames at once, where nothing stands before the server's ``send``.

        See adapters/asgi/frames.py.
        """
        offer = self._offer()
        return None if offer is None else offer["write"]

    @property
    def inflates(self) -> bool:
        """Whether those frames may be compressed."""
        offer = self._offer()
        return offer is not None and bool(offer.get("inflates"))

    def _offer(self) -> Mapping[str, Any] | None:
        offer: Mapping[str, Any] | None = (self.scope.get("extensions") or {}).get(EXTENSION)
        return offer if offer is not None and offer["send"] == self._send else None

    @property
    def server_send(self) -> Send:
        """The server's own ``send``, for messages that were checked; it may raise OSError."""
        return self._send

    @property
    def id(self) -> str:
        """128 random bits as text, safe in logs."""
        if self._id is None:
            self._id = secrets.token_urlsafe(16)
        return self._id

    @property
    def protocol(self) -> SocketProtocol:
        """State, close code and reason."""
        return self._protocol

    @property
    def client_state(self) -> WebSocketState:
        """The state in 2.11's words; both sides are always seen as one."""
        return _COARSE.get(self._protocol.state, WebSocketState.DISCONNECTED)

    @property
    def application_state(self) -> WebSocketState:
        """The same as ``client_state``."""
        return self.client_state

    def is_connected(self) -> bool:
        """Return whether messages can go both ways."""
        return self._protocol.state is OPEN

    async def send(self, message: Message) -> None:
        """Send one ASGI message; returns when the server has taken it.

        Raises:
            SocketStateError: The socket's state does not allow it; nothing was sent.
            WebSocketDisconnect: The socket is over.
        """
        kind = message.get("type")
        if kind == "websocket.send" and self._protocol.passes(message):
            if self.before_send is not None:
                await self.before_send(message)
                return
            try:
                await self._send(message)
            except OSError:  # as in transmit, without a call more
                self.cut()
                raise self._disconnect() from None
            return
        if kind == "websocket.accept":
            raise ValueError("use accept(), which checks what it sends")
        if kind == "websocket.close":
            await self.close(message.get("code", 1000), message.get("reason") or "")
            return
        self.raise_if_ended()
        if self._protocol.sending(message):
            await self._pass(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket; again, or after the end, it does nothing.

        Before ``accept`` the client sees HTTP 403. A peer that reads nothing for
        ``limits.write_idle_s`` is given up.

        Args:
            reason: Cut to 123 bytes at a character border.

        Raises:
            ValueError: An endpoint may not send this code (RFC 6455, 7.4).
        """
        message = self.condemn(code, reason)
        if message is None:
            return
        done = self.parting = anyio.Event()
        last_word = None if self.farewell is None else self.farewell(code)
        try:
            with anyio.move_on_after(self.limits.write_idle_s):
                if last_word is not None:
                    await self._pass(last_word)
                await self._pass(message)
        except WebSocketDisconnect:
            pass  # it was over already, which is what was asked for
        finally:
            self.end()
            done.set()

    def condemn(self, code: int, reason: str = "") -> Message | None:
        """Take the step of ``close`` without sending; return what is left to transmit, if any."""
        message: Message = {
            "type": "websocket.close",
            "code": check_code(code),
            "reason": cut_reason(reason),
        }
        if self._protocol.state is SocketState.DENYING or not self._protocol.sending(message):
            return None
        self._inbox = None  # what the peer said before it was sent away is heard by nobody
        return message

    async def wait_closed(self) -> None:
        """Return when the socket is gone, for tasks beside the handler."""
        if self._gone is None:
            return
        if self._ended is None:
            self._ended = anyio.Event()
        await self._ended.wait()

    def when_gone(self, block: Callable[[], None]) -> None:
        """Call ``block`` once when the socket is over, at once if it is already."""
        if self._gone is None:
            block()
        else:
            self._gone += (block,)

    def end(self) -> None:
        """Run what waits for the end; idempotent."""
        blocks, self._gone = self._gone, None
        if blocks is None:
            return
        if self.handler is not None:
            self.handler.deadline = anyio.current_time() + self.limits.message_finish_s
        for block in blocks:
            block()
        if self._ended is not None:
            self._ended.set()

    def cut(self) -> None:
        """Note that nothing can be written any more."""
        self._inbox = None
        self._protocol.lost()
        self.end()

    def accepted(self) -> None:
        """Note that the handshake is over: its time limit is lifted, frames may be written."""
        offer = self._offer()
        if offer is not None and not offer.get("deflates"):
            self._write = offer["write"]
        if self.handler is not None:
            self.handler.deadline = math.inf

    async def begin(self) -> None:
        """Take the server's `websocket.connect`."""
        self._protocol.received(await self._receive())

    async def transmit(self, message: Message) -> None:
        """Hand a message that was checked to the server.

        Raises:
            WebSocketDisconnect: The line is cut.
        """
        try:
            await self._send(message)
        except OSError:  # ASGI 2.4: send() on a connection that is gone
            self.cut()
            raise self._disconnect() from None

    async def _pass(self, message: Message) -> None:
        outlet = self.before_send
        await (self.transmit(message) if outlet is None else outlet(message))

    async def refuse(self, code: int, reason: str) -> NoReturn:
        """Close with a code and raise what that means to the handler."""
        await self.close(code, reason)
        raise WebSocketDisconnect(code, reason)

    def raise_if_ended(self) -> None:
        """Raise ``WebSocketDisconnect`` when nothing can be sent or received any more."""
        if self._protocol.ended:
            raise self._disconnect()

    def _disconnect(self) -> WebSocketDisconnect:
        return WebSocketDisconnect(self._protocol.code or 1005, self._protocol.reason)
