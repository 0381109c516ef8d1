"""Runs an application's outbox worker: beside its server, or in a process of its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from anyio.abc import TaskGroup

from nexios.application.broker import EventBroker
from nexios.application.listening import Signals
from nexios.application.outbox import OutboxStore
from nexios.application.realtime import EventSettings
from nexios.application.sections.serving import OutboxSettings
from nexios.consuming import Consuming
from nexios.subscriptions import Subscriptions


class NothingToDeliver(Exception):
    """A worker was asked for by an application without events to deliver."""

    def __init__(self, *, has_store: bool) -> None:
        self.has_store = has_store
        super().__init__(has_store)

    def __str__(self) -> str:
        if not self.has_store:
            return (
                "there is nothing to deliver: no OutboxStore is bound where the app sees it"
                "\n  fix: module.bind(OutboxStore, scope=Scope.SINGLETON).to(SqlOutbox)"
            )
        return (
            "there is nothing to deliver: no service handles an event after the commit"
            "\n  fix: @after_commit(Event) or @from_broker(name) on a method of a bound"
            " ApplicationService"
        )


class Delivering:
    """Starts the worker where a store is bound and somebody handles events, and stops it.

    Attributes:
        consuming: Receives events of other services.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        settings: OutboxSettings,
        events: EventSettings,
        signals: Signals,
        died: Callable[[BaseException, str], None],
    ) -> None:
        """Prepare; nothing runs before ``start``.

        Args:
            subscriptions: Who handles what.
            settings: Section ``outbox``.
            events: Section ``events``.
            signals: Told of deliveries.
            died: Told of the error that ended a delivery, and its consumer. Must not raise.
        """
        self.consuming = Consuming()
        self._subscriptions = subscriptions
        self._signals = signals
        self._died = died
        self._settings = settings
        self._consumes = events.consume
        self._needed = False
        self._worker: Any = None  # its home is heavy and loaded only where events wait

    @property
    def running(self) -> bool:
        """Whether this process delivers."""
        return self._worker is not None

    def insist(self, workers: int | None) -> None:
        """Run the worker whatever the settings say: this process is there for it."""
        workers = self._settings.workers if workers is None else workers
        self._settings = replace(self._settings, in_process=True, workers=workers)
        self._needed = self._consumes = True

    def start(
        self, store: OutboxStore | None, broker: EventBroker | None, tasks: TaskGroup
    ) -> None:
        """Begin to deliver, and to receive where the settings or the process want it.

        Raises:
            NothingToDeliver: The process is there for it, and there is nothing.
            NoBroker: Services handle events of others, and none is bound.
        """
        if self._consumes:
            self.consuming.start(broker, tasks)
        consumers = self._subscriptions.every_consumer
        if store is None or not consumers or not self._settings.in_process:
            if self._needed and not self.consuming:
                raise NothingToDeliver(has_store=store is not None)
            return
        # The home of the worker loads SQLAlchemy; an app without events never pays for it.
        from nexios.adapters.persistence.worker import Worker

        self._worker = Worker(
            store,
            self._subscriptions.deliver,
            consumers=consumers,
            workers=self._settings.workers,
            poll_interval_s=self._settings.poll_interval_s,
            keep_s=self._settings.keep_s,
            signals=self._signals,
            died=self._died,
        )
        tasks.start_soon(self._worker.run, name="nexios worker")

    async def orphans(self, store: OutboxStore) -> list[str]:
        """Return a line for each consumer that deliveries wait for and nobody is any more."""
        known = {consumer.name for consumer in self._subscriptions.every_consumer}
        pending = await store.pending()
        return [
            f'{count} deliveries wait for {name}, which is no handler here: give name="{name}" to'
            " the one that has taken its place"
            for name, count in pending.items()
            if name not in known
        ]

    async def stop(self) -> None:
        """Let the deliveries at hand finish; none begins."""
        await self.consuming.stop()
        if self._worker is not None:
            await self._worker.stop()
            self._worker = None
