"""The line under a socket: order, size, end and cut, with nothing said about what it means."""

import math
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from enum import Enum
from typing import Any, Final, NoReturn

import anyio

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.frames import EXTENSION, frame
from nexios.adapters.asgi.types import Message, Receive, Scope, Send
from nexios.adapters.websocket.closing import WebSocketDisconnect, check_code, cut_reason
from nexios.adapters.websocket.inbox import Inbox
from nexios.adapters.websocket.messages import too_long
from nexios.adapters.websocket.protocol import OPEN, ServerFault, SocketProtocol, SocketState
from nexios.application.limits import Limits

Outlet = Callable[[Message], Awaitable[None]]

DENIAL: Final = "websocket.http.response"

_VERB: Final = {"text": "is", "bytes": "are"}


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
    """Sends and receives ASGI messages in legal order, and knows when the socket is over.

    Attributes:
        before_send: While set, ``send`` and ``close`` go through it: channels keep their order
            so. It hands each message on to ``transmit``.
        farewell: While set, asked at every close what is said before it, by its code.
        screen: While set, asked about every message first; True keeps it from the handler.
        parting: Of the last close, whoever sent it: set when it has gone out or was given up.
        handler: Around the handler, while one runs: its deadline is that of the handshake, then
            ``limits.message_finish_s`` after the end.
    """

    __slots__ = (
        "_arrival",
        "_burst_s",
        "_clock",
        "_ended",
        "_gone",
        "_id",
        "_inbox",
        "_pace_s",
        "_paid_until",
        "_protocol",
        "_receive",
        "_receiving",
        "_rounds_away",
        "_send",
        "_surely_short",
        "_take_one",
        "_write",
        "before_send",
        "farewell",
        "handler",
        "parting",
        "screen",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hold one connection.

        Args:
            limits: Of the route, without them the app's hold.
            clock: Seconds, for the rate of messages.
        """
        super().__init__(scope, limits=limits)
        self._receive = receive
        self._send = send
        self._protocol = SocketProtocol(denial=DENIAL in (scope.get("extensions") or {}))
        self._id: str | None = None
        self._gone: tuple[Callable[[], None], ...] | None = ()
        self._ended: anyio.Event | None = None
        self._inbox: Inbox | None = None
        self._receiving = 0
        self._rounds_away = 0
        self._clock = clock
        self._pace_s, self._burst_s = _pace(self.limits)
        self._paid_until = 0.0
        most = self.limits.message_bytes
        # A character has four bytes at most.
        self._surely_short = math.inf if most is None else most // 4
        self._write: Callable[[bytes], bool] | None = None
        self._arrival: Callable[[], Awaitable[None] | None] | None = None
        self._take_one: Callable[[], Message] = dict
        self.before_send: Outlet | None = None
        self.farewell: Callable[[int], Message | None] | None = None
        self.screen: Callable[[Message], Awaitable[bool]] | None = None
        self.parting: anyio.Event | None = None
        self.handler: anyio.CancelScope | None = None

    @property
    def frame_writer(self) -> Callable[[bytes], bool] | None:
        """What takes prepared frames at once, where nothing stands before the server's ``send``.

        See adapters/asgi/frames.py.
        """
        offer = self._offer()
        return None if offer is None else offer["write"]

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

    def receive(self) -> Coroutine[Any, Any, Message]:
        """Return the next message of the client, as ASGI has it.

        Raises:
            SocketStateError: The socket is not accepted; the text shows the line to add.
            WebSocketDisconnect: It is over.
        """
        return self._hear(None)

    async def _hear(self, kind: str | None) -> Any:
        """Return the next message, or with ``kind`` its payload, which has to be of that kind.

        One coroutine between the handler and the server: 0.2 us for each more.
        """
        if self._protocol.state is not OPEN:
            self._protocol.receiving()
        self._rounds_away = 0
        self._receiving += 1
        try:
            if self._inbox is None and self._protocol.state is OPEN:
                arrival = self._arrival
                if arrival is None or self._receiving > 1:
                    message = await self._receive()
                else:
                    while (waiting := arrival()) is not None:
                        await waiting
                    message = self._take_one()
                if not self._is_plain(message) and not await self._sifted(message):
                    message = await self._next()
            else:
                message = await self._from_inbox()
        finally:
            self._receiving -= 1
        if kind is None:
            return message
        payload = message.get(kind)
        if payload is None:
            await self.refuse(1003, f"{kind} {_VERB[kind]} expected here")
        if len(payload) > self._surely_short:
            await self._check_size(payload)
        return payload if kind == "text" else bytes(payload)

    async def _from_inbox(self) -> Message:
        inbox = self._inbox
        if inbox is not None:
            message = await inbox.take()
            if message is not None:
                return message
            if self._inbox is inbox:
                self._inbox = None
        return await self._next()

    def read_on(self) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Return what reads for a handler that was away for a whole round, to run as a task.

        Asked once a round, by one watch. What is read waits for the handler; the end is seen at
        once. None when the handler receives, or somebody reads for it already.
        """
        if self._receiving or not self.is_connected():
            return None
        self._rounds_away += 1
        if self._rounds_away < 2:
            return None
        if self._inbox is None:
            self._inbox = Inbox(self._next)
        return self._inbox.read if self._inbox.begin() else None

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

    def _wrote(self, opcode: int, payload: bytes) -> bool:
        """Write a message as a frame, without waiting; False when it has to be sent."""
        return (
            self._write is not None
            and self.before_send is None
            and self._protocol.state is OPEN
            and self._write(frame(opcode, payload))
        )

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
        if offer is not None and offer.get("receive") == self._receive:
            self._arrival, self._take_one = offer["arrival"], offer["take"]
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

    async def _next(self) -> Message:
        """Return what the server hands on; raise at the end."""
        protocol = self._protocol
        if protocol.state is not OPEN:
            self.raise_if_ended()
        while True:
            message = await self._receive()
            if self._is_plain(message) or await self._sifted(message):
                return message

    def _is_plain(self, message: Message) -> bool:
        """Tell whether a message can be handed on as it is; it was counted then."""
        return (
            self.screen is None
            and self._protocol.passes(message)
            and message["type"] == "websocket.receive"
            and (not self._pace_s or self._is_in_time())
        )

    async def _sifted(self, message: Message) -> bool:
        """Take any message; tell whether it is one for the handler.

        Raises:
            WebSocketDisconnect: It is the end, or messages come too fast.
            ServerFault: The tables do not have it.
        """
        protocol = self._protocol
        if message["type"] != "websocket.receive" or not protocol.passes(message):
            await self._take(message)
            if protocol.state is not OPEN:
                self.raise_if_ended()
                return False
        if self._pace_s and not self._is_in_time():
            await self.refuse(4429, "too many messages")
        return self.screen is None or not await self.screen(message)

    async def _take(self, message: Message) -> None:
        protocol = self._protocol
        was_open = protocol.state is OPEN
        try:
            protocol.received(message)
        except ServerFault:
            self.end()
            if was_open:
                await self.transmit({"type": "websocket.close", "code": 1011, "reason": ""})
            raise
        if protocol.state is SocketState.CLOSED:
            self.end()

    def _is_in_time(self) -> bool:
        """Count one message; False, and not counted, when they come too fast."""
        now = self._clock()
        due = self._paid_until
        if due <= now:
            self._paid_until = now + self._pace_s
        elif due - now < self._burst_s:
            self._paid_until = due + self._pace_s
        else:
            return False
        return True

    async def _check_size(self, payload: str | bytes) -> None:
        if too_long(payload, self.limits.message_bytes):
            await self.refuse(1009, "message too long")

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


def _pace(limits: Limits) -> tuple[float, float]:
    """Return the seconds that one message costs and how many may be owed; zero for no bound."""
    rate = limits.messages_per_s
    if rate is None:
        return 0.0, 0.0
    cost = 1 / rate if rate else float("inf")
    # Half a message below the burst's end: sums of fractions are not exact.
    return cost, (limits.messages_burst - 0.5) * cost
