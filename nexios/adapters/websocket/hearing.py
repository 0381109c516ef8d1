"""The receiving side of a line: who reads, how much, how fast, and what reaches the handler."""

import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic, Self, TypeVar

from nexios.adapters.asgi.types import Message, Receive, Scope, Send
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.inbox import Inbox
from nexios.adapters.websocket.line import SocketLine
from nexios.adapters.websocket.messages import too_long
from nexios.adapters.websocket.protocol import OPEN, ServerFault, SocketState
from nexios.application.limits import Limits

T = TypeVar("T")

_VERB: Final = {"text": "is", "bytes": "are"}


class HearingLine(SocketLine):
    """A line that receives.

    Attributes:
        screen: While set, asked about every message first; True keeps it from the handler.
    """

    __slots__ = (
        "_arrival",
        "_burst_s",
        "_clock",
        "_pace_s",
        "_paid_until",
        "_receiving",
        "_rounds_away",
        "_surely_short",
        "_take_one",
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
        super().__init__(scope, receive, send, limits=limits)
        self._receiving = 0
        self._rounds_away = 0
        self._clock = clock
        self._pace_s, self._burst_s = _pace(self.limits)
        self._paid_until = 0.0
        most = self.limits.message_bytes
        # A character has four bytes at most.
        self._surely_short = math.inf if most is None else most // 4
        self._arrival: Callable[[], Awaitable[None] | None] | None = None
        self._take_one: Callable[[], Message] = dict
        self.screen: Callable[[Message], Awaitable[bool]] | None = None

    def accepted(self) -> None:
        """Note that the handshake is over: messages may come without a coroutine."""
        super().accepted()
        offer = self._offer()
        if offer is not None and offer.get("receive") == self._receive:
            self._arrival, self._take_one = offer["arrival"], offer["take"]

    def receive(self) -> Coroutine[Any, Any, Message]:
        """Return the next message of the client, as ASGI has it.

        Raises:
            SocketStateError: The socket is not accepted; the text shows the line to add.
            WebSocketDisconnect: It is over.
        """
        return self._hear(None)

    def _each(self, kind: str) -> "Messages[Any]":
        """Return the payloads of that kind until the socket is over."""
        return Messages(self._hear, kind)

    async def _hear(self, kind: str | None, *, in_loop: bool = False) -> Any:
        """Return the next message, or with ``kind`` its payload, which has to be of that kind.

        One coroutine between the handler and the server: 0.2 us for each more.
        """
        self._receiving += 1
        try:
            if self._protocol.state is not OPEN:
                self._protocol.receiving()
            self._rounds_away = 0
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
            if kind is None:
                return message
            payload = message.get(kind)
            if payload is None:
                await self.refuse(1003, f"{kind} {_VERB[kind]} expected here")
            if len(payload) > self._surely_short:
                await self._check_size(payload)
        except WebSocketDisconnect:
            if in_loop:
                raise StopAsyncIteration from None
            raise
        finally:
            self._receiving -= 1
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


class Messages(Generic[T]):
    """Payloads for a loop over them, which ends when the socket is over.

    Not a generator: that is 0.2 us more for each message, and has to be closed.
    """

    __slots__ = ("_hear", "_kind")

    def __init__(self, hear: Callable[..., Coroutine[Any, Any, T]], kind: str) -> None:
        self._hear = hear
        self._kind = kind

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, T]:
        return self._hear(self._kind, in_loop=True)


def _pace(limits: Limits) -> tuple[float, float]:
    """Return the seconds that one message costs and how many may be owed; zero for no bound."""
    rate = limits.messages_per_s
    if rate is None:
        return 0.0, 0.0
    cost = 1 / rate if rate else float("inf")
    # Half a message below the burst's end: sums of fractions are not exact.
    return cost, (limits.messages_burst - 0.5) * cost
