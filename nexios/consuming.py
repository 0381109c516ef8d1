"""Receives events from other services and has their effect once, through the inbox."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

import anyio
from anyio.abc import TaskGroup

from nexios.application.broker import EventBroker, Incoming
from nexios.application.caller import Caller
from nexios.application.codec import load_event
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.application.events import Envelope
from nexios.application.from_broker import FromBroker, received_by
from nexios.application.inbox import Inbox
from nexios.container.binding import Answer, Binding
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.entry import Entry, EntryPoint, Getter
from nexios.container.keys import AnyKey, Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.container.signature import Parameter
from nexios.domain.errors import DomainError
from nexios.domain.events import DomainEvent
from nexios.records import dataclass

_EVENT: Final[AnyKey] = Key(DomainEvent)
_ENVELOPE: Final[AnyKey] = Key(Envelope)
_CALLER: Final[AnyKey] = Key(Caller)
_LONGEST_RETRY_S: Final = 300.0
_AWAY_S: Final = 1.0

_log: Final = logging.getLogger("nexios.events")


@dataclass(frozen=True, slots=True)
class ReceiverPoint:
    """One handler method as an entry of the container."""

    consumer: str
    mark: FromBroker
    event_type: type[DomainEvent]
    point: EntryPoint


@dataclass(frozen=True, slots=True)
class _Receiver:
    """The same, ready to be called."""

    consumer: str
    mark: FromBroker
    event_type: type[DomainEvent]
    entry: Entry


class NoBroker(Exception):
    """Services handle events of others, and nothing brings them."""

    def __init__(self, consumer: str) -> None:
        self.consumer = consumer
        super().__init__(consumer)

    def __str__(self) -> str:
        return (
            f"{self.consumer} handles events of other services, and no EventBroker is bound where"
            " the app sees it\n  fix: module.bind(EventBroker).value(RedisBroker(url, source=...))"
        )


class DuplicateReceiver(Exception):
    """Two handlers would share their messages."""

    def __init__(self, consumer: str) -> None:
        self.consumer = consumer
        super().__init__(consumer)

    def __str__(self) -> str:
        return (
            f'two handlers of events from the broker are named "{self.consumer}"\n'
            '  fix: give one of them a name of its own: @from_broker("...", consumer="...")'
        )


class Consuming:
    """Receives for every handler of an application; one consumer at the broker for each."""

    def __init__(self) -> None:
        self._receivers: list[_Receiver] = []
        self._stopping = False
        self._scope: anyio.CancelScope | None = None
        self._busy = 0
        self._idle: anyio.Event | None = None

    def __bool__(self) -> bool:
        return bool(self._receivers)

    def connect(self, container: Container, points: Sequence[ReceiverPoint]) -> None:
        """Take the entries that the container made of ``points``."""
        self._receivers = [
            _Receiver(one.consumer, one.mark, one.event_type, container.entry(one.point))
            for one in points
        ]

    def start(self, broker: EventBroker | None, tasks: TaskGroup) -> None:
        """Begin to receive.

        Raises:
            NoBroker: There are handlers, and none is bound.
        """
        if not self._receivers:
            return
        if broker is None:
            raise NoBroker(self._receivers[0].consumer)
        self._stopping, self._scope = False, anyio.CancelScope()
        tasks.start_soon(self._run, broker, self._scope, name="nexios consuming")

    async def stop(self) -> None:
        """Let the messages at hand finish; none begins."""
        self._stopping = True
        if self._busy:
            self._idle = anyio.Event()
            await self._idle.wait()
        if self._scope is not None:
            self._scope.cancel()

    async def _run(self, broker: EventBroker, scope: anyio.CancelScope) -> None:
        with scope:
            async with anyio.create_task_group() as tasks:
                for receiver in self._receivers:
                    tasks.start_soon(self._receive, broker, receiver)

    async def _receive(self, broker: EventBroker, receiver: _Receiver) -> None:
        while not self._stopping:
            try:
                async with broker.consume(receiver.consumer, [receiver.mark.name]) as messages:
                    async for message in messages:
                        if not await self._handle(receiver, message):
                            return
            except (Unavailable, OutcomeUnknown) as error:
                _log.warning("%s cannot receive now: %s", receiver.consumer, error)
                await anyio.sleep(_AWAY_S)

    async def _handle(self, receiver: _Receiver, message: Incoming) -> bool:
        if self._stopping:
            return False  # it comes again to the next process
        self._busy += 1
        try:
            await self._settle(receiver, message)
        finally:
            self._busy -= 1
            if not self._busy and self._idle is not None:
                self._idle.set()
        return True

    async def _settle(self, receiver: _Receiver, message: Incoming) -> None:
        told = message.event
        try:
            event = load_event(receiver.event_type, told.version, told.payload)
        except DomainError as error:
            _log.error("%s cannot read %s %s: %s", receiver.consumer, told.name, told.id, error)
            await message.bury(f"it cannot be read: {error}")
            return
        try:
            with anyio.fail_after(receiver.mark.timeout_s):
                await _called(receiver.entry, event, message)
        except Exception as error:  # whatever a handler raises is its message's trouble
            await self._again(receiver, message, error)
        else:
            await message.ack()

    async def _again(self, receiver: _Receiver, message: Incoming, error: Exception) -> None:
        told, kind = message.event, type(error).__name__
        if message.delivery >= receiver.mark.attempts:
            _log.error(
                "%s failed with %s %s for good",
                receiver.consumer,
                told.name,
                told.id,
                exc_info=error,
            )
            await message.bury(f"{kind} in attempt {message.delivery}")
            return
        _log.warning(
            "%s failed with %s %s, attempt %d: %s",
            receiver.consumer,
            told.name,
            told.id,
            message.delivery,
            kind,
        )
        await message.retry(min(0.5 * 2**message.delivery, _LONGEST_RETRY_S))


class _Arguments:
    """Reads event and envelope from the values of an entry, by position."""

    def getter(
        self,
        asker: Callable[..., object],  # noqa: ARG002  # the port's names
        parameter: Parameter,
        *,
        before: bool,
    ) -> Getter | None:
        """Return the event for the first parameter, the envelope for the second."""
        return _READ.get(parameter.index) if not before else None


_READ: Final = {0: Getter(lambda *values: values[0]), 1: Getter(lambda *values: values[1])}


def receiver_points(modules: Sequence[Module], profile: str | None = None) -> list[ReceiverPoint]:
    """Return an entry point for each handler of the services that ``modules`` bind.

    Args:
        profile: What the conditions of bindings are decided against, as by the container.

    Raises:
        DuplicateReceiver: Two have one name.
    """
    points: dict[str, ReceiverPoint] = {}
    for module in modules:
        for declaration in module.declarations:
            service = _service(declaration.settle()) if declaration.holds(profile) else None
            if service is None:
                continue
            for method, mark, event_type in received_by(service):
                consumer = mark.consumer or f"{module.name}.{service.__qualname__}.{method}"
                if consumer in points:
                    raise DuplicateReceiver(consumer)
                point = EntryPoint(
                    label=f"{mark.name} -> {service.__name__}.{method}",
                    target=_once(method, consumer),
                    owner=service,
                    module=module,
                    scope=Scope.REQUEST,
                    values=(_EVENT, _ENVELOPE, _CALLER),
                    reads=_Arguments(),
                )
                points[consumer] = ReceiverPoint(consumer, mark, event_type, point)
    return list(points.values())


def _service(binding: Binding) -> type | None:
    """Return the class whose handlers are called through its own key."""
    source = binding.source
    own = binding.answer is Answer.SOURCE and binding.key == Key(source)
    return source if own and isinstance(source, type) else None


def _once(method: str, consumer: str) -> Callable[..., Awaitable[None]]:
    async def receive(
        self: Any, event: DomainEvent, envelope: Envelope, inbox: Inbox = Depend()
    ) -> None:
        handler = getattr(self, method)

        async def effect() -> None:
            if await inbox.accept(consumer, str(envelope.id)):
                await handler(event, envelope)

        await self.uow.run(effect, retries=0, name=consumer)

    return receive


async def _called(entry: Entry, event: DomainEvent, message: Incoming) -> None:
    told = message.event
    headers = told.headers
    envelope = Envelope(
        id=told.id,
        name=told.name,
        version=told.version,
        stream=told.key,
        stream_version=0,
        index=0,
        at=told.at,
        actor=headers.get("actor"),
        tenant=headers.get("tenant"),
        correlation=headers.get("correlation"),
        causation=headers.get("causation"),
    )
    caller = Caller(
        actor=envelope.actor,
        tenant=envelope.tenant,
        correlation=envelope.correlation,
        causation=str(told.id),
    )
    result = entry.plan.call(event, envelope, caller)
    if entry.plan.awaits:
        await cast("Awaitable[object]", result)
