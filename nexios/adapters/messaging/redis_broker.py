"""The event broker over Redis Streams: eight partitions, one message of each in flight."""

import json
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

import anyio

from nexios.adapters.messaging import redis_scripts as lua
from nexios.adapters.messaging.cloudevents import NotAnEvent, from_wire, to_wire
from nexios.adapters.messaging.links import LinkBoard
from nexios.adapters.messaging.redis_link import RedisLink, Refused
from nexios.application.broker import DELIVERIES, Buried, Incoming, Outgoing
from nexios.application.errors import OutcomeUnknown, Unavailable

PARTITIONS: Final = 8
_DUPLICATE_WINDOW_S: Final = 120.0
_POLL_S: Final = 1.0
_PAUSE_S: Final = 0.2


class RedisBroker:
    """Carries events by streams and consumer groups; see the port ``EventBroker``.

    The events of a partition are delivered one after the other, so keys that share one wait for
    each other. What is stored is as durable as the server's append-only file. Needs asyncio.

    Args:
        url: See `RedisLink`.
        source: Which service publishes: a URI reference like ``/shop``.
        prefix: Of all keys; services that talk to each other share it.
        keep_s: How long the streams keep events.
    """

    protocol: ClassVar = "redis"
    """What it speaks, for documents."""

    def __init__(
        self,
        url: str,
        *,
        source: str,
        prefix: str = "nexios",
        keep_s: float = 7 * 86_400.0,
    ) -> None:
        self._link = RedisLink(url, needed_by="RedisBroker")
        self._source = source
        self._prefix = f"{{{prefix}}}"
        self._keep_ms = int(keep_s * 1000)
        self._board = LinkBoard()
        self._publish = self._link.script(lua.PUBLISH)
        self._take = self._link.script(lua.TAKE)
        self._settle = self._link.script(lua.SETTLE)
        self._bury = self._link.script(lua.BURY)
        self._redrive = self._link.script(lua.REDRIVE)

    async def __aenter__(self) -> "RedisBroker":
        """Connect.

        Raises:
            Unavailable: The server cannot be reached.
        """
        await self._link.ping()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def ping(self) -> None:
        """Ask the server for a sign of life, for readiness.

        Raises:
            Unavailable: There is none.
        """
        await self._link.ping()

    async def publish(self, event: Outgoing) -> None:
        """Store it, once for its id, and wake who waits."""
        headers, body = to_wire(event, self._source)
        stream = self._stream(zlib.crc32(event.key.encode()) % PARTITIONS)
        await self._publish(
            [stream, f"{self._prefix}:id:{event.id}"],
            event.name,
            json.dumps(headers),
            body,
            self._keep_ms,
            int(_DUPLICATE_WINDOW_S * 1000),
            f"{self._prefix}:wake",
        )

    @asynccontextmanager
    async def consume(
        self, consumer: str, names: Sequence[str], *, visible_s: float = 30.0
    ) -> AsyncIterator[AsyncIterator[Incoming]]:
        """Receive as one member of the group that is named as the consumer."""
        messages = _Messages(self, consumer, names, visible_s)
        await messages.make_groups()
        ear = self._link.ear(lambda _channel, _data: messages.wake(), LinkBoard())
        await ear.start()
        try:
            await ear.subscribe(f"{self._prefix}:wake")
            yield messages
        finally:
            with anyio.CancelScope(shield=True):
                await ear.close()

    async def buried(self, consumer: str, *, limit: int = 100) -> Sequence[Buried]:
        """Read the stream of those that were set aside."""
        found = await self._link.call("XRANGE", self._graves(consumer), "-", "+", "COUNT", limit)
        return [
            Buried(event, _fields(fields).get(b"reason", b"").decode())
            for _, fields in found
            if (event := _readable(fields)) is not None
        ]

    async def redrive(self, consumer: str, *, id: UUID | None = None) -> int:
        """Move them to a stream that this consumer alone reads."""
        graves, count = self._graves(consumer), 0
        for entry, fields in await self._link.call("XRANGE", graves, "-", "+", "COUNT", 1000):
            event = _readable(fields)
            if event is None or id not in (None, event.id):
                continue
            keys = [graves, self._again(consumer)]
            count += await self._redrive(keys, entry, f"{self._prefix}:wake")
        return count

    # Asked by deliveries

    async def take(self, messages: "_Messages") -> Any:
        """Return what the next delivery is, or how long to wait: see the script."""
        args = [messages.group, messages.token, messages.visible_ms, *messages.names]
        return await self._take([*messages.streams, self._held(messages.group)], *args)

    async def settle(self, delivery: "_Delivery", after_s: float | None) -> None:
        """Acknowledge it, or with ``after_s`` deliver it again later; late ones do nothing."""
        messages = delivery.messages
        await self._settle(
            [delivery.stream, self._held(messages.group)],
            messages.group,
            messages.token,
            delivery.entry,
            delivery.delivery,
            "" if after_s is None else int(after_s * 1000),
        )

    async def bury(self, delivery: "_Delivery", reason: str) -> None:
        """Move it to the stream of those set aside."""
        messages = delivery.messages
        await self._bury(
            [delivery.stream, self._held(messages.group), self._graves(messages.group)],
            messages.group,
            messages.token,
            delivery.entry,
            delivery.delivery,
            reason,
        )

    async def make_group(self, stream: str, group: str) -> None:
        """Make a group that begins with what is kept, unless it is there."""
        try:
            await self._link.call("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
        except Refused as known:
            if str(known) != "BUSYGROUP":
                raise

    def streams(self, consumer: str) -> list[str]:
        """Return what a consumer reads."""
        return [*(self._stream(n) for n in range(PARTITIONS)), self._again(consumer)]

    def _stream(self, part: int) -> str:
        return f"{self._prefix}:events:{part}"

    def _again(self, consumer: str) -> str:
        return f"{self._prefix}:again:{consumer}"

    def _graves(self, consumer: str) -> str:
        return f"{self._prefix}:buried:{consumer}"

    def _held(self, consumer: str) -> str:
        return f"{self._prefix}:held:{consumer}"


class _Messages:
    """What one process of a consumer receives; several tasks may ask at once."""

    def __init__(
        self, broker: RedisBroker, consumer: str, names: Sequence[str], visible_s: float
    ) -> None:
        self.group = consumer
        self.token = uuid4().hex
        self.names = tuple(names)
        self.visible_ms = int(visible_s * 1000)
        self.streams = broker.streams(consumer)
        self._broker = broker
        self._woken = anyio.Event()

    def wake(self) -> None:
        woken, self._woken = self._woken, anyio.Event()
        woken.set()

    async def make_groups(self) -> None:
        for stream in self.streams:
            await self._broker.make_group(stream, self.group)

    def __aiter__(self) -> AsyncIterator[Incoming]:
        return self

    async def __anext__(self) -> Incoming:
        while True:
            await anyio.lowlevel.checkpoint()
            woken = self._woken
            found = await self._next()
            if isinstance(found, _Delivery):
                return found
            with anyio.move_on_after(found):
                await woken.wait()

    async def _next(self) -> "_Delivery | float":
        """Return a delivery, or how long to wait for one."""
        try:
            # What was taken is given out: when the asker is cancelled it would be away for long.
            with anyio.CancelScope(shield=True):
                answer = await self._broker.take(self)
                if answer[0] == 0:
                    return min(_POLL_S, answer[1] / 1000) if answer[1] >= 0 else _POLL_S
                return await self._opened(*answer[1:])
        except Refused:  # the server lost the groups
            await self.make_groups()
        except (Unavailable, OutcomeUnknown):
            return _PAUSE_S
        return 0.0

    async def _opened(
        self, stream: bytes, entry: bytes, delivery: int, fields: list[bytes]
    ) -> "_Delivery | float":
        found = _Delivery(self._broker, self, stream.decode(), entry, delivery)
        try:
            found.event = _event(fields)
        except NotAnEvent as error:
            await found.bury(f"no event: {error}")
            return 0.0
        if delivery > DELIVERIES:
            await found.bury(f"not acknowledged in {DELIVERIES} deliveries")
            return 0.0
        return found


@dataclass(slots=True, init=False)
class _Delivery:
    """One delivery from the server."""

    broker: RedisBroker
    messages: _Messages
    stream: str
    entry: bytes
    delivery: int
    event: Outgoing

    def __init__(
        self, broker: RedisBroker, messages: _Messages, stream: str, entry: bytes, delivery: int
    ) -> None:
        self.broker = broker
        self.messages = messages
        self.stream = stream
        self.entry = entry
        self.delivery = delivery

    async def ack(self) -> None:
        await self.broker.settle(self, None)
        self.messages.wake()

    async def retry(self, after_s: float) -> None:
        await self.broker.settle(self, after_s)
        self.messages.wake()

    async def bury(self, reason: str) -> None:
        await self.broker.bury(self, reason)
        self.messages.wake()


def _fields(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _readable(flat: list[bytes]) -> Outgoing | None:
    try:
        return _event(flat)
    except NotAnEvent:  # kept for who looks into the stream
        return None


def _event(flat: list[bytes]) -> Outgoing:
    found = _fields(flat)
    try:
        headers = json.loads(found[b"headers"])
    except (KeyError, ValueError) as error:
        raise NotAnEvent("its headers cannot be read") from error
    return from_wire(headers, found.get(b"body", b""))
