"""Delivers what waits in the outbox: loops, wake-up, time limits, backing off."""

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio

from nexios.adapters.persistence.errors import is_repeatable
from nexios.application.codec import check_events, load_event
from nexios.application.errors import TimedOut
from nexios.application.events import Envelope
from nexios.application.listening import Signals
from nexios.application.outbox import Claim, OutboxStore
from nexios.application.scrub import said_by
from nexios.application.subscribers import Consumer
from nexios.application.telling import ToldDeliveries
from nexios.application.tracking import tell
from nexios.domain.events import DomainEvent

Deliver = Callable[[Consumer, DomainEvent, Envelope], Awaitable[None]]

_FIRST_DELAY_S: Final = 1.0
_MAX_DELAY_S: Final = 600.0
_REPAIR_EVERY_S: Final = 30.0
_PURGE_EVERY_S: Final = 3600.0
_ERROR_CHARACTERS: Final = 2000
_AGAIN_AT_ONCE: Final = 6
_RACE_DELAY_S: Final = 0.005
_SAY_AGAIN_S: Final = 60.0

_log: Final = logging.getLogger("nexios.outbox")


class Worker:
    """Takes deliveries and calls their consumers until it is stopped.

    An effect in the outbox's own database happens exactly once, in the order of its stream. A
    handler that fails is tried again, later and later; one that dies with its process is tried
    again by another.
    """

    def __init__(
        self,
        store: OutboxStore,
        deliver: Deliver,
        *,
        consumers: Sequence[Consumer],
        workers: int = 2,
        poll_interval_s: float = 1.0,
        keep_s: float | None = None,
        signals: Signals | None = None,
        died: Callable[[BaseException, str], None] | None = None,
    ) -> None:
        """Take everything; nothing runs before ``run``.

        Args:
            store: Where deliveries wait.
            deliver: Calls the handler, in one run of a unit of work.
            consumers: All that this application has.
            workers: How many deliveries at a time.
            poll_interval_s: The longest wait when a wake-up is lost.
            keep_s: How long delivered events are kept; None for ever.
            signals: Told of deliveries.
            died: Told of the error of a last attempt and its consumer. Must not raise.

        Raises:
            SameEventName: Two classes of one event name.
            UncodableField: An event with a field that cannot be stored.
        """
        if workers < 1 or poll_interval_s <= 0:
            raise ValueError(
                "workers is at least 1 and poll_interval_s above 0; "
                f"got {workers} and {poll_interval_s}"
            )
        most = store.most_workers
        if most is not None and workers > most:
            raise ValueError(
                f"{workers} workers would hold more than half of the connections"
                f"\n  fix: at most {most} workers, or a larger pool_size"
            )
        check_events(consumer.event_type for consumer in consumers)
        self._store = store
        self._deliver = deliver
        self._consumers: dict[str, dict[str, Consumer]] = {}
        for one in consumers:
            self._consumers.setdefault(one.name, {})[one.event_type.__event_name__] = one
        self._longest_s = max((one.timeout_s for one in consumers), default=0.0)
        self._workers = workers
        self._poll_interval_s = poll_interval_s
        self._keep_s = keep_s
        self._told = ToldDeliveries(signals or Signals())
        self._died = died
        self._purged_at = -math.inf
        self._event = anyio.Event()
        self._stopping = False
        self._ended: anyio.Event | None = None
        # By event number and consumer: how often in a row the store undid this delivery.
        self._races: Counter[tuple[int, str]] = Counter()
        self._trouble = ""
        self._trouble_said_at = 0.0
        self.repaired = 0
        store.on_commit(self.wake)

    def wake(self) -> None:
        """Look now: something was committed. Called from the worker's own loop."""
        # A fresh one at once: who looks from now on waits for the next wake-up.
        woken, self._event = self._event, anyio.Event()
        woken.set()

    async def run(self) -> None:
        """Deliver until ``stop``. Never raises but when cancelled."""
        self._stopping = False
        self._ended = anyio.Event()
        try:
            async with self._store.hearing(self.wake), anyio.create_task_group() as group:
                for _ in range(self._workers):
                    group.start_soon(self._loop)
                group.start_soon(self._look_after)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Let the deliveries at hand finish, then end ``run``; returns when it has ended."""
        self._stopping = True
        self.wake()
        if self._ended is not None:
            await self._ended.wait()

    async def deliver_ready(self) -> int:
        """Deliver everything that is ready now, also what that leads to; for tests.

        Returns:
            How many attempts were made, failed ones too.
        """
        attempts = 0
        while await self._one():
            attempts += 1
        return attempts

    async def _loop(self) -> None:
        again = 0
        while not self._stopping:
            woken = self._event
            try:
                worked = await self._one()
            except Exception as error:
                if is_repeatable(error) and again < _AGAIN_AT_ONCE:
                    # Two handlers changed one aggregate: the normal way a race ends.
                    again += 1
                    _log.debug("a delivery lost a race and is taken again: %s", error)
                    await anyio.sleep(random.uniform(0, _RACE_DELAY_S * 2**again))  # noqa: S311
                    continue
                self._log_undone(error)
                worked = False
            else:
                self._log_well()
            again = 0
            if not worked:
                await self._pause(woken)

    async def _pause(self, woken: anyio.Event) -> None:
        # ``woken`` was taken before looking, so a commit in between is not missed.
        with anyio.move_on_after(self._poll_interval_s):
            await woken.wait()

    async def _look_after(self) -> None:
        due = anyio.current_time() + _REPAIR_EVERY_S
        while not self._stopping:
            await self._pause(self._event)
            if anyio.current_time() < due:
                continue
            due = anyio.current_time() + _REPAIR_EVERY_S
            try:
                await self.tidy()
            except Exception as error:
                self._log_undone(error)

    async def tidy(self) -> None:
        """Free lanes that stand for nothing and, once an hour, forget what was kept long enough.

        ``run`` does so from time to time.
        """
        self.repaired += await self._store.repair()
        now = anyio.current_time()
        if self._keep_s is not None and now - self._purged_at >= _PURGE_EVERY_S:
            await self._store.purge(older_than_s=self._keep_s)
            self._purged_at = now

    async def _one(self) -> bool:
        """Make one attempt; False when nothing is ready."""
        async with self._store.claim(longest_s=self._longest_s) as claim:
            if claim is None:
                return False
            await self._attempt(claim)
            return True

    async def _attempt(self, claim: Claim) -> None:
        name = claim.delivery.consumer
        event_name = claim.delivery.envelope.name
        handled = self._consumers.get(name, {})
        consumer = handled.get(event_name)
        if consumer is None:
            # Another version of the application may know it.
            says = f"{name} handles {', '.join(handled)}, this is {event_name}"
            says = says if handled else "no handler of this name"
            await claim.fail(says, delay_s=_delay_s(claim))
            return
        mark = (claim.delivery.seq, name)
        try:
            with self._told.attempt(claim.delivery):
                async with claim.handling():
                    await self._handle(consumer, claim)
        except Exception as error:
            if is_repeatable(error) and self._races[mark] < _AGAIN_AT_ONCE:
                # The store's doing, not the handler's: undo the claim, count nothing. Not for
                # ever: the first in line would keep the worker from all the others.
                self._races[mark] += 1
                raise
            del self._races[mark]
            await self._failed(consumer, claim, error)
            return
        del self._races[mark]
        await claim.settle()

    async def _handle(self, consumer: Consumer, claim: Claim) -> None:
        delivery = claim.delivery
        envelope = delivery.envelope
        event = load_event(consumer.event_type, envelope.version, delivery.payload)
        with anyio.move_on_after(consumer.timeout_s):
            await _unless_cancelled(self._deliver(consumer, event, envelope))
            return
        raise TimedOut(f"{consumer.name} took longer than {consumer.timeout_s} s")

    async def _failed(self, consumer: Consumer, claim: Claim, error: Exception) -> None:
        delivery = claim.delivery
        last = delivery.attempts + 1 >= consumer.attempts
        tell(
            _log,
            logging.WARNING,
            error,
            "delivery %s to %s failed, attempt %s of %s%s",
            delivery.seq,
            consumer.name,
            delivery.attempts + 1,
            consumer.attempts,
            ", the last" if last else "",
        )
        if last:
            self._told.dead(delivery)
        text = f"{type(error).__name__}: {said_by(error)}".replace("\x00", "")
        text = text[:_ERROR_CHARACTERS]
        delay_s = None if last else _delay_s(claim)
        await claim.fail(text, delay_s=delay_s, block=consumer.on_dead == "block")
        if last and self._died is not None:
            self._died(error, consumer.name)

    def _log_undone(self, error: Exception) -> None:
        # An outage is one line a minute, not one a poll and worker.
        now = anyio.current_time()
        kind = type(error).__name__
        if kind != self._trouble or now - self._trouble_said_at >= _SAY_AGAIN_S:
            self._trouble, self._trouble_said_at = kind, now
            _log.warning(
                "the outbox could not be worked on: %s; trying again every %g s",
                error,
                self._poll_interval_s,
            )
        tell(_log, logging.DEBUG, error, "why")

    def _log_well(self) -> None:
        if self._trouble:
            self._trouble = ""
            _log.info("the outbox is worked on again")


class HandlerCancelled(Exception):
    """A handler let through the cancellation of something it waited for."""


async def _unless_cancelled(handler: Awaitable[None]) -> None:
    """Await ``handler``; a cancellation that is not this task's is the handler's failure.

    It would end the worker's loop in silence.
    """
    try:
        await handler
    except asyncio.CancelledError as stray:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise HandlerCancelled("what the handler waited for was cancelled") from stray


def _delay_s(claim: Claim) -> float:
    # Full jitter: those that failed together must not come back together.
    bound = min(_FIRST_DELAY_S * 2.0 ** min(claim.delivery.attempts, 20), _MAX_DELAY_S)
    return random.uniform(0, bound)  # noqa: S311
