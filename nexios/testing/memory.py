"""A whole memory store for one test: unit of work, recorded events, deliveries."""

from nexios.adapters.persistence.memory import MemoryUnitOfWork
from nexios.adapters.persistence.memory_outbox import MemoryOutbox
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.worker import Worker
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.clock import SystemClock
from nexios.application.events import Envelope
from nexios.application.subscribers import Consumer, Handler, SubscribedServices, subscribe
from nexios.domain.clock import Clock
from nexios.domain.events import DomainEvent


class _LateSubscribers:
    """Knows the services once they are subscribed: they need the unit of work to be made."""

    def __init__(self) -> None:
        self.services: SubscribedServices = subscribe()

    def before(self, event_type: type[DomainEvent]) -> "list[Handler]":
        return list(self.services.before(event_type))

    def consumers(self, event_type: type[DomainEvent]) -> "list[Consumer]":
        return list(self.services.consumers(event_type))


class Memory:
    """What an application service's test needs instead of a database.

    Attributes:
        store: The rows; share it between units of work.
        uow: A unit of work for the services and repositories of the test.
        outbox: The store's deliveries.
        now: Seconds that ``store`` and ``deliver`` go by; ``wait`` moves them.
    """

    def __init__(self, caller: Caller = ANONYMOUS, clock: Clock | None = None) -> None:
        """Start empty.

        Args:
            caller: On whose behalf ``uow`` works.
            clock: Stamps envelopes.
        """
        self.now = 0.0
        self.store = MemoryStore(now=lambda: self.now)
        self.outbox = MemoryOutbox(self.store)
        self._clock: Clock = clock or SystemClock()
        self._subscribers = _LateSubscribers()
        self.uow = self.another(caller)

    def another(self, caller: Caller = ANONYMOUS) -> MemoryUnitOfWork:
        """Return a second unit of work over the same store: another request."""
        return MemoryUnitOfWork(self.store, caller, self._subscribers, self._clock)

    def subscribe(self, *services: object) -> None:
        """Let the handlers of finished services take part; replaces what was subscribed."""
        self._subscribers.services = subscribe(*services)

    def events(self) -> list[DomainEvent]:
        """Return everything committed so far, in order."""
        return [one.event for one in self.store.lanes.events]

    def envelopes(self) -> list[Envelope]:
        """Return the envelopes of ``events``."""
        return [one.envelope for one in self.store.lanes.events]

    def wait(self, seconds: float) -> None:
        """Let time pass for deliveries that back off."""
        self.now += seconds

    async def deliver(self) -> int:
        """Deliver everything that is ready, and what that leads to.

        Returns:
            How many attempts were made, failed ones too; those that failed wait (see ``wait``).
        """
        services = self._subscribers.services
        worker = Worker(self.outbox, services.deliver, consumers=services.every_consumer())
        return await worker.deliver_ready()
