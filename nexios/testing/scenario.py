"""Whole modules without a server: a use case is run, and what it leads to is looked at."""

import json
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from typing_extensions import TypeForm

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.memory import MemoryUnitOfWork
from nexios.adapters.persistence.memory_outbox import MemoryOutbox
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.outbox import SqlOutbox
from nexios.adapters.persistence.worker import Worker
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.clock import SystemClock
from nexios.application.codec import load_event
from nexios.application.events import Envelope
from nexios.application.outbox import OutboxStore
from nexios.application.subscribers import Consumer, Subscribers
from nexios.application.unit_of_work import UnitOfWork
from nexios.container.container import Container
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.override import Replacement
from nexios.container.scope import Scope, ScopeContext
from nexios.domain.clock import Clock
from nexios.domain.events import DomainEvent
from nexios.gathering import below
from nexios.subscriptions import Subscriptions, handler_points

S = TypeVar("S")
T = TypeVar("T")

_EVENTS: Final = (
    "SELECT name, version, CAST(payload AS text) AS payload FROM nx_outbox ORDER BY seq"
)


def memory_module(store: MemoryStore | None = None) -> Module:
    """Return a module that a context can be put on instead of its database.

    It exports ``MemoryStore``, ``MemoryUnitOfWork``, ``UnitOfWork`` and ``OutboxStore``.

    Args:
        store: The rows; a new, empty one unless given.
    """
    module = Module("memory")
    module.bind(MemoryStore).value(store or MemoryStore())
    module.bind(MemoryUnitOfWork)
    module.bind(UnitOfWork).alias(MemoryUnitOfWork)
    module.bind(OutboxStore, scope=Scope.SINGLETON).to(MemoryOutbox)
    return module.export(MemoryStore, MemoryUnitOfWork, UnitOfWork, OutboxStore)


class Scenario:
    """Modules with their event handlers, run without a server and without a worker of their own.

    ::

        async with Scenario(orders(memory_module())) as scenario:
            await scenario.when(Ordering, lambda ordering: ordering.place(cart)).then_event(
                OrderPlaced, lines=2
            )

    Args:
        modules: What is under test; the wiring is proven. Their store is a `memory_module`, or a
            module with a ``Database`` whose tables are there before the first step.
        caller: On whose behalf use cases run.
    """

    def __init__(self, *modules: Module, caller: Caller = ANONYMOUS) -> None:
        self._caller = caller
        self._subscriptions = Subscriptions()
        root = Module("scenario")
        root.include(*modules)
        handlers = handler_points(tuple(below(root)))
        self.container = Container(
            root, entries=[one.point for one in handlers], everywhere=self._everywhere()
        )
        self.container.validate()
        self._subscriptions.connect(self.container, handlers)

    async def __aenter__(self) -> Self:
        await self.container.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.container.stop(error)

    def override(self, key: TypeForm[T] | Key[T], module: Module | None = None) -> Replacement[T]:
        """Let a fake stand in: ``with scenario.override(Mailer).value(fake): ...``."""
        return self.container.override(key, module=module)

    def when(self, service: type[S], call: Callable[[S], Awaitable[T]]) -> "Step[S, T]":
        """Return one step: a call of a service, in a request of its own.

        Args:
            service: Which one, as it is bound and exported.
            call: Is given the service; what it returns is awaited.
        """
        return Step(self, service, call)

    async def run(self, service: type[S], call: Callable[[S], Awaitable[T]]) -> T:
        """Call a service in a request of its own, and deliver nothing."""
        async with self.container.enter(Scope.REQUEST, values={Caller: self._caller}) as scope:
            return await call(await scope.get(service))

    async def events(self) -> list[DomainEvent]:
        """Return everything committed so far, in order."""
        store = self._store()
        if isinstance(store, MemoryStore):
            return [one.event for one in store.lanes.events]
        known = _event_types(DomainEvent)
        rows: list[Any] = list(await store.fetch_all(_EVENTS))
        return [
            load_event(known[row["name"]], row["version"], json.loads(row["payload"]))
            for row in rows
        ]

    async def deliver(self) -> int:
        """Call the handlers after the commit, and those of what they lead to; return how often.

        Raises:
            AssertionError: A handler failed; the text has its error.
        """
        store = self._store()
        outbox = MemoryOutbox(store) if isinstance(store, MemoryStore) else SqlOutbox(store)
        consumers = self._subscriptions.every_consumer
        if not consumers:
            return 0
        failures: list[tuple[str, Exception]] = []

        async def deliver(consumer: Consumer, event: DomainEvent, envelope: Envelope) -> None:
            try:
                await self._subscriptions.deliver(consumer, event, envelope)
            except Exception as error:
                failures.append((f"{consumer.name} on {envelope.name}", error))
                raise

        count = await Worker(outbox, deliver, consumers=consumers).deliver_ready()
        if failures:
            told = "; ".join(f"{who}: {error!r}" for who, error in failures)
            raise AssertionError(f"a handler after the commit failed: {told}") from failures[0][1]
        return count

    def _store(self) -> MemoryStore | Database:
        # Whatever module holds it privately: events are looked at from outside of all.
        for one in self.container.singletons:
            if isinstance(one, (MemoryStore, Database)):
                return one
        raise LookupError(
            "the modules of this scenario have no store that is made"
            "\n  fix: a memory_module(), or a module with a Database; async with scenario: ..."
        )

    def _everywhere(self) -> Module:
        shared = Module("nexios")
        subscriptions = self._subscriptions
        shared.bind(Clock, scope=Scope.SINGLETON, default=True).to(SystemClock)
        shared.bind(Caller).given()

        @shared.provides()
        def subscribers(scope: ScopeContext) -> Subscribers:
            return subscriptions.of(scope)

        return shared.export(Clock, Caller, Subscribers)


class Step(Generic[S, T]):
    """One call with what is expected of it; awaited, it happens and its result is returned.

    Everything that it leads to is delivered before the events are looked at.
    """

    def __init__(
        self, scenario: Scenario, service: type[S], call: Callable[[S], Awaitable[T]]
    ) -> None:
        self._scenario = scenario
        self._service = service
        self._call = call
        self._wanted: list[tuple[type[DomainEvent], dict[str, object]]] = []
        self._unwanted: list[type[DomainEvent]] = []
        self._raises: type[Exception] | None = None

    def then_event(self, event_type: type[DomainEvent], **fields: object) -> Self:
        """Expect an event of this type, with these values in the fields that are named."""
        self._wanted.append((event_type, fields))
        return self

    def then_no_event(self, *event_types: type[DomainEvent]) -> Self:
        """Expect none of these types; of no type at all when none is named."""
        self._unwanted += event_types or [DomainEvent]
        return self

    def then_raises(self, error: type[Exception]) -> Self:
        """Expect the call to raise this; awaited, the step returns the error."""
        self._raises = error
        return self

    def __await__(self) -> Generator[Any, None, T]:
        return self._happen().__await__()

    async def _happen(self) -> T:
        scenario = self._scenario
        before = len(await scenario.events())
        result: Any
        if self._raises is None:
            result = await scenario.run(self._service, self._call)
        else:
            result = await self._refused(self._raises)
        await scenario.deliver()
        self._compare((await scenario.events())[before:])
        return result  # type: ignore[no-any-return]  # the error, where one was expected

    async def _refused(self, wanted: type[Exception]) -> Exception:
        try:
            result = await self._scenario.run(self._service, self._call)
        except wanted as error:
            return error
        raise AssertionError(f"{wanted.__name__} was expected, the call returned {result!r}")

    def _compare(self, came: list[DomainEvent]) -> None:
        told = "".join(f"\n  {event!r}" for event in came) or " none"
        left = list(came)
        for event_type, fields in self._wanted:
            found = next((one for one in left if _is(one, event_type, fields)), None)
            if found is None:
                shown = ", ".join(f"{name}={value!r}" for name, value in fields.items())
                raise AssertionError(
                    f"{event_type.__name__}({shown}) was expected; events that came:{told}"
                )
            left.remove(found)
        for event_type in self._unwanted:
            if any(isinstance(one, event_type) for one in came):
                raise AssertionError(
                    f"no {event_type.__name__} was expected; events that came:{told}"
                )


def _event_types(base: type[DomainEvent]) -> dict[str, type[DomainEvent]]:
    found: dict[str, type[DomainEvent]] = {}
    for one in base.__subclasses__():
        found[one.__event_name__] = one
        found |= _event_types(one)
    return found


def _is(event: DomainEvent, event_type: type[DomainEvent], fields: dict[str, object]) -> bool:
    for name in fields:
        if not hasattr(event_type, name) and name not in event_type.__annotations__:
            raise AttributeError(f"{event_type.__name__} has no field {name!r}")
    return type(event) is event_type and all(
        getattr(event, name) == value for name, value in fields.items()
    )
