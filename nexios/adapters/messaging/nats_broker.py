"""The event broker over NATS JetStream: eight partitions, one message of each in flight."""

import re
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import quote, unquote
from uuid import UUID

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from nexios.adapters.messaging.cloudevents import NotAnEvent, from_wire, to_wire
from nexios.adapters.messaging.nats_link import NatsLink
from nexios.adapters.messaging.nats_streams import made, token
from nexios.application.broker import DELIVERIES, Buried, Incoming, Outgoing
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.records import dataclass

PARTITIONS: Final = 8
_DUPLICATE_WINDOW_S: Final = 120.0
_FETCH_S: Final = 5.0
_PAUSE_S: Final = 0.5
_ID: Final = "Nats-Msg-Id"
_REASON: Final = "nexios-reason"


class NatsBroker:
    """Carries events by a JetStream stream on file; see the port ``EventBroker``.

    The events of a partition are delivered one after the other, so keys that share one wait for
    each other. The stream is made when it is first needed; one that is there is used as it is.

    Args:
        link: An open connection.
        source: Which service publishes: a URI reference like ``/shop``.
        prefix: Of stream, subjects and consumers; services that talk to each other share it.
        keep_s: How long the stream keeps events.
    """

    protocol: ClassVar = "nats"
    """What it speaks, for documents."""

    def __init__(
        self, link: NatsLink, *, source: str, prefix: str = "nexios", keep_s: float = 7 * 86_400.0
    ) -> None:
        if re.fullmatch(r"[A-Za-z0-9_-]+", prefix) is None:
            raise ValueError(f"prefix is letters, digits, - and _, not {prefix!r}")
        self._link = link
        self._source = source
        self._prefix = prefix
        self._keep_s = keep_s
        self._events = f"{prefix}-events"
        self._graves = f"{prefix}-buried"
        self._known = False

    async def publish(self, event: Outgoing) -> None:
        """Store it, once for its id."""
        await self._prepare()
        headers, body = to_wire(event, self._source)
        headers[_ID] = str(event.id)
        subject = self._subject(event)
        try:
            await self._link.ask(lambda js: js.publish(subject, body, headers=headers))
        except Unavailable as error:
            # Nobody takes the subject: the stream was deleted under us.
            if type(error.__cause__).__name__ != "NoStreamResponseError":
                raise
            self._known = False
            await self._prepare()
            await self._link.ask(lambda js: js.publish(subject, body, headers=headers))

    @asynccontextmanager
    async def consume(
        self, consumer: str, names: Sequence[str], *, visible_s: float = 30.0
    ) -> AsyncIterator[AsyncIterator[Incoming]]:
        """Receive by a durable pull consumer for each partition."""
        await self._prepare()
        wanted = frozenset(names)
        filters = {f"p{n}": f"{self._prefix}.event.{n}.>" for n in range(PARTITIONS)}
        filters["again"] = f"{self._prefix}.again.{token(consumer)}"
        subscriptions = [
            await self._subscribe(f"{token(consumer)}-{part}", subject, visible_s)
            for part, subject in filters.items()
        ]
        send, receive = anyio.create_memory_object_stream[Incoming](0)
        async with anyio.create_task_group() as tasks:
            for subscription in subscriptions:
                tasks.start_soon(self._pump, subscription, consumer, wanted, send.clone())
            send.close()
            try:
                yield receive
            finally:
                tasks.cancel_scope.cancel()
                receive.close()

    async def buried(self, consumer: str, *, limit: int = 100) -> Sequence[Buried]:
        """Read the stream of those that were set aside."""
        return [one for _, one, _ in await self._read_graves(consumer, limit)]

    async def redrive(self, consumer: str, *, id: UUID | None = None) -> int:
        """Publish them to this consumer alone, then forget them here."""
        count = 0
        for sequence, one, headers in await self._read_graves(consumer, 1000):
            if id not in (None, one.event.id):
                continue
            again = {k: v for k, v in headers.items() if k not in (_REASON, _ID)}
            await self._link.ask(partial(self._again, consumer, one.event, again, sequence))
            count += 1
        return count

    async def _again(
        self, consumer: str, event: Outgoing, headers: dict[str, str], sequence: int, js: Any
    ) -> None:
        _, body = to_wire(event, self._source)
        await js.publish(f"{self._prefix}.again.{token(consumer)}", body, headers=headers)
        await js.delete_msg(self._graves, sequence)

    async def bury(self, message: Any, consumer: str, reason: str) -> None:
        """Store a message with a reason, then take it from the consumer."""
        headers = {**(message.headers or {}), _REASON: quote(reason)}
        headers[_ID] = f"{consumer}:{message.metadata.sequence.stream}"
        subject = f"{self._prefix}.buried.{token(consumer)}"
        await self._link.ask(lambda js: js.publish(subject, message.data, headers=headers))
        await self._link.ask(lambda _: message.term())

    async def settle(self, call: Callable[[], Any]) -> None:
        """Tell the server what became of a message.

        Raises:
            Unavailable: It could not be told.
        """
        await self._link.ask(lambda _: call())

    def _subject(self, event: Outgoing) -> str:
        part = zlib.crc32(event.key.encode()) % PARTITIONS
        return f"{self._prefix}.event.{part}.{token(event.name, dots=True)}"

    async def _prepare(self) -> None:
        if self._known:
            return
        from nats.js.api import StreamConfig

        for name, subjects in (
            (self._events, [f"{self._prefix}.event.>", f"{self._prefix}.again.>"]),
            (self._graves, [f"{self._prefix}.buried.>"]),
        ):
            config = StreamConfig(
                name=name,
                subjects=subjects,
                max_age=self._keep_s,
                duplicate_window=_DUPLICATE_WINDOW_S,
            )
            await self._link.ask(partial(made, config=config))
        self._known = True

    async def _subscribe(self, durable: str, subject: str, visible_s: float) -> Any:
        from nats.js.api import AckPolicy, ConsumerConfig

        config = ConsumerConfig(
            durable_name=durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=visible_s,
            max_ack_pending=1,
            filter_subject=subject,
        )
        stream = self._events

        async def subscribe(js: Any) -> Any:
            await js.add_consumer(stream, config)
            return await js.pull_subscribe_bind(durable, stream)

        return await self._link.ask(subscribe)

    async def _pump(
        self,
        subscription: Any,
        consumer: str,
        wanted: frozenset[str],
        send: MemoryObjectSendStream[Incoming],
    ) -> None:
        async with send:
            while True:
                try:
                    (message,) = await self._link.ask(lambda _: subscription.fetch(1, _FETCH_S))
                except OutcomeUnknown:
                    continue  # nothing came
                except Unavailable:
                    await anyio.sleep(_PAUSE_S)
                    continue
                # It is delivered again when this cannot be done now.
                with suppress(Unavailable, OutcomeUnknown):
                    found = await self._opened(message, consumer, wanted)
                    if found is not None:
                        await send.send(found)

    async def _opened(
        self, message: Any, consumer: str, wanted: frozenset[str]
    ) -> "_Delivery | None":
        delivery = message.metadata.num_delivered
        try:
            event = from_wire(message.headers or {}, message.data)
        except NotAnEvent as error:
            await self.bury(message, consumer, f"no event: {error}")
            return None
        if event.name not in wanted:
            await self.settle(message.ack)
            return None
        if delivery > DELIVERIES:
            reason = f"not acknowledged in {DELIVERIES} deliveries"
            await self.bury(message, consumer, reason)
            return None
        return _Delivery(self, message, consumer, event, delivery)

    async def _read_graves(
        self, consumer: str, limit: int
    ) -> list[tuple[int, Buried, dict[str, str]]]:
        await self._prepare()
        subject = f"{self._prefix}.buried.{token(consumer)}"

        async def read(js: Any) -> list[Any]:
            info = await js.stream_info(self._graves, subjects_filter=subject)
            count = min((info.state.subjects or {}).get(subject, 0), limit)
            if not count:
                return []
            reader = await js.pull_subscribe(subject, stream=self._graves)
            try:
                found: list[Any] = []
                while len(found) < count:
                    found += await reader.fetch(count - len(found))
                return found
            finally:
                await reader.unsubscribe()

        found = []
        for message in await self._link.ask(read):
            headers = dict(message.headers or {})
            try:
                event = from_wire(headers, message.data)
            except NotAnEvent:  # kept for who looks into the stream
                continue
            buried = Buried(event, unquote(headers.get(_REASON, "")))
            found.append((message.metadata.sequence.stream, buried, headers))
        return found


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One delivery from the server."""

    broker: NatsBroker
    message: Any
    consumer: str
    event: Outgoing
    delivery: int

    async def ack(self) -> None:
        await self.broker.settle(self.message.ack_sync)

    async def retry(self, after_s: float) -> None:
        # Without a delay it is written as one: 0 would mean "at once, and before its key".
        await self.broker.settle(lambda: self.message.nak(delay=max(after_s, 0.001)))

    async def bury(self, reason: str) -> None:
        await self.broker.bury(self.message, self.consumer, reason)
