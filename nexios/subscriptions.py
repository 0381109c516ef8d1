"""Finds the event handlers among an application's bindings and calls them in their scopes."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field
from typing import Any, Final, cast

from nexios.application.caller import Caller
from nexios.application.codec import UncodableField
from nexios.application.events import Envelope
from nexios.application.handlers import Handles, Moment, consumer_name, handlers_of
from nexios.application.subscribers import Consumer, Handler
from nexios.application.use_cases import check_once
from nexios.container.binding import Answer, Binding
from nexios.container.container import Container
from nexios.container.entry import Entry, EntryPoint, Getter
from nexios.container.keys import AnyKey, Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import Parameter
from nexios.domain.events import DomainEvent
from nexios.records import dataclass

_EVENT: Final[AnyKey] = Key(DomainEvent)
_ENVELOPE: Final[AnyKey] = Key(Envelope)
_CALLER: Final[AnyKey] = Key(Caller)
_SCOPE: Final[AnyKey] = Key(ScopeContext)


class _EventArguments:
    """Reads event and envelope from the values of a handler's entry, by position."""

    def getter(
        self,
        asker: Callable[..., object],  # noqa: ARG002  # the port's names
        parameter: Parameter,
        *,
        before: bool,
    ) -> Getter | None:
        """Return the event for the first parameter, the envelope for the second."""
        return _READ.get(parameter.index) if not before else None


# The service itself is not counted.
_READ: Final = {0: Getter(lambda *values: values[0]), 1: Getter(lambda *values: values[1])}


@dataclass(slots=True)
class Subscriptions:
    """All handlers of one application. Services are made only when their event occurs."""

    _before: defaultdict[type[DomainEvent], list[Entry]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _consumers: defaultdict[type[DomainEvent], list[Consumer]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _deliveries: dict[str, Entry] = field(default_factory=dict)

    def connect(self, container: Container, points: Sequence["HandlerPoint"]) -> None:
        """Take the entries that the container made of ``points``."""
        for point in points:
            entry = container.entry(point.point)
            handles = point.handles
            if handles.moment is Moment.BEFORE_COMMIT:
                self._before[handles.event_type].append(entry)
                continue
            self._deliveries[point.name] = entry
            self._consumers[handles.event_type].append(Consumer.of(point.name, handles))

    @property
    def every_consumer(self) -> list[Consumer]:
        """Every after-commit handler, for the worker."""
        return [consumer for consumers in self._consumers.values() for consumer in consumers]

    def consumers(self, event_type: type[DomainEvent]) -> Sequence[Consumer]:
        """Return who is to be told after the commit."""
        return self._consumers.get(event_type, ())

    def of(self, scope: ScopeContext) -> "ScopedSubscribers":
        """Return what the units of work of ``scope`` ask."""
        return ScopedSubscribers(self, scope)

    def before(self, event_type: type[DomainEvent], scope: ScopeContext) -> Sequence[Handler]:
        """Return what runs inside the transaction, in the scope of its unit of work."""
        return [_within(scope, entry) for entry in self._before.get(event_type, ())]

    async def deliver(self, consumer: Consumer, event: DomainEvent, envelope: Envelope) -> None:
        """Call a consumer in a REQUEST scope of its own, on behalf of who caused the event."""
        caller = Caller(
            actor=envelope.actor,
            tenant=envelope.tenant,
            correlation=envelope.correlation,
            causation=str(envelope.id),
        )
        await _called(self._deliveries[consumer.name], event, envelope, caller)


class ScopedSubscribers:
    """The port ``Subscribers`` for one scope."""

    __slots__ = ("_all", "_scope")

    def __init__(self, everybody: Subscriptions, scope: ScopeContext) -> None:
        self._all = everybody
        self._scope = scope

    def before(self, event_type: type[DomainEvent]) -> Sequence[Handler]:
        """Return what runs inside the transaction."""
        return self._all.before(event_type, self._scope)

    def consumers(self, event_type: type[DomainEvent]) -> Sequence[Consumer]:
        """Return who is to be told after the commit."""
        return self._all.consumers(event_type)


@dataclass(frozen=True, slots=True)
class HandlerPoint:
    """One handler method as an entry of the container, with its mark and stored name."""

    name: str
    handles: Handles
    point: EntryPoint


class DuplicateConsumer(Exception):
    """Two after-commit handlers would share their deliveries."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return (
            f'two after-commit handlers are named "{self.name}"\n'
            '  fix: give one of them a name of its own: @after_commit(Event, name="...")'
        )


def handler_points(modules: Sequence[Module], profile: str | None = None) -> list[HandlerPoint]:
    """Return an entry point for each handler of the services that ``modules`` bind.

    Args:
        profile: What the conditions of bindings are decided against, as by the container.

    Raises:
        DuplicateConsumer: Two consumers have one stored name.
    """
    points: list[HandlerPoint] = []
    taken: dict[str, tuple[type, str]] = {}
    for module in modules:
        for declaration in module.declarations:
            service = _service(declaration.settle()) if declaration.holds(profile) else None
            if service is None:
                continue
            for method, handles in handlers_of(service):
                name = consumer_name(service, method, handles, module.name)
                after, one = handles.moment is Moment.AFTER_COMMIT, (service, method)
                # One method may handle several events, in the order of their stream.
                if after and taken.setdefault(name, one) != one:
                    raise DuplicateConsumer(name)
                points.append(
                    HandlerPoint(name, handles, _point(name, service, method, handles, module))
                )
    return points


def once_problems(modules: Sequence[Module], profile: str | None = None) -> list[Exception]:
    """Return what use cases with ``once=True`` could not keep, of the classes that are bound.

    Args:
        profile: As for `handler_points`.
    """
    found: list[Exception] = []
    for module in modules:
        for declaration in module.declarations:
            source = declaration.settle().source if declaration.holds(profile) else None
            if isinstance(source, type):
                try:
                    check_once(source)
                except UncodableField as error:
                    found.append(error)
    return found


def _service(binding: Binding) -> type | None:
    """Return the class whose handlers are called through its own key."""
    source = binding.source
    own = binding.answer is Answer.SOURCE and binding.key == Key(source)
    return source if own and isinstance(source, type) else None


def _point(name: str, service: type, method: str, handles: Handles, module: Module) -> EntryPoint:
    label = f"{handles.event_type.__name__} -> {service.__name__}.{method}"
    if handles.moment is Moment.BEFORE_COMMIT:
        return EntryPoint(
            label=label,
            target=getattr(service, method),
            owner=service,
            module=module,
            values=(_EVENT, _ENVELOPE, _SCOPE),
            reads=_EventArguments(),
            shared=True,
        )
    return EntryPoint(
        label=label,
        target=_in_its_unit_of_work(method, name),
        owner=service,
        module=module,
        scope=Scope.REQUEST,
        values=(_EVENT, _ENVELOPE, _CALLER),
        reads=_EventArguments(),
    )


def _in_its_unit_of_work(method: str, name: str) -> Callable[..., Awaitable[None]]:
    async def deliver(self: Any, event: DomainEvent, envelope: Envelope) -> None:
        handler = getattr(self, method)
        uow = getattr(self, "uow", None)
        if uow is None:
            await handler(event, envelope)
        else:
            await uow.run(lambda: handler(event, envelope), retries=0, name=name)

    return deliver


def _within(scope: ScopeContext, entry: Entry) -> Handler:
    async def handle(event: DomainEvent, envelope: Envelope) -> None:
        await _called(entry, event, envelope, scope)

    return handle


async def _called(entry: Entry, *values: object) -> None:
    plan = entry.plan
    result = plan.call(*values)
    if plan.awaits:
        await cast("Awaitable[object]", result)
