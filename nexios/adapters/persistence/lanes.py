"""Events and deliveries in memory, under the same rule as in SQL: only lane heads are ready."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nexios.adapters.persistence.runs import Recorded
from nexios.application.codec import dump_event

State = Literal["ready", "waiting", "dead", "blocked"]


@dataclass(slots=True)
class Waiting:
    """One delivery.

    Attributes:
        seq: The event's number.
        consumer: Who is to be told.
        payload: The event as JSON text.
        recorded: The event with its envelope.
        state: Only a ready one may be taken.
        attempts: Failed ones so far.
        not_before: In the clock's seconds.
        error: Of the last attempt.
        claimed: A worker holds it.
    """

    seq: int
    consumer: str
    payload: str
    recorded: Recorded
    state: State
    not_before: float
    attempts: int = 0
    error: str = ""
    claimed: bool = False

    @property
    def stream(self) -> str:
        """The event's stream; with the consumer it names the lane."""
        return self.recorded.envelope.stream


class Lanes:
    """The outbox of a MemoryStore.

    Attributes:
        events: Everything that was committed, in order.
        deliveries: By event number and consumer.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._wakers: list[Callable[[], None]] = []
        self.events: list[Recorded] = []
        self.deliveries: dict[tuple[int, str], Waiting] = {}

    def prepare(self, recorded: Sequence[Recorded]) -> list[tuple[Recorded, str]]:
        """Return events with their JSON text; raises what cannot be stored."""
        return [(one, json.dumps(dump_event(one.event), allow_nan=False)) for one in recorded]

    def append(self, prepared: Sequence[tuple[Recorded, str]]) -> None:
        """Add committed events, then wake who waits for them."""
        consumers = 0
        for one, payload in prepared:
            self.events.append(one)
            seq = len(self.events)
            for consumer in one.consumers:
                consumers += 1
                lane = self._lane(consumer.name, one.envelope.stream)
                self.deliveries[seq, consumer.name] = Waiting(
                    seq=seq,
                    consumer=consumer.name,
                    payload=payload,
                    recorded=one,
                    state="waiting" if lane else "ready",
                    not_before=self._now(),
                )
        if consumers:
            self.wake()

    def claim(self) -> Waiting | None:
        """Take the next ready one."""
        now = self._now()
        free = [
            one
            for one in self.deliveries.values()
            if one.state == "ready" and not one.claimed and one.not_before <= now
        ]
        if not free:
            return None
        found = min(free, key=lambda one: (one.not_before, one.seq))
        found.claimed = True
        return found

    def settle(self, seq: int, consumer: str) -> None:
        """Remove a delivery and free the next of its lane."""
        gone = self.deliveries.pop((seq, consumer), None)
        if gone is not None:
            self._free_next(gone)

    def fail(self, one: Waiting, error: str, *, delay_s: float | None, block: bool) -> None:
        """Count an attempt."""
        one.attempts += 1
        one.error = error
        if delay_s is not None:
            one.not_before = self._now() + delay_s
        elif block:
            one.state = "blocked"
        else:
            one.state = "dead"
            self._free_next(one)

    def dead(self, consumer: str | None = None, seq: int | None = None) -> list[Waiting]:
        """Return dead and blocked ones."""
        return [
            one
            for one in self.deliveries.values()
            if one.state in ("dead", "blocked")
            and consumer in (None, one.consumer)
            and seq in (None, one.seq)
        ]

    def overtaken(self, one: Waiting) -> bool:
        """Return whether later events of its stream wait no longer for its consumer."""
        later = enumerate(self.events[one.seq :], one.seq + 1)
        return any(
            other.envelope.stream == one.stream and (seq, one.consumer) not in self.deliveries
            for seq, other in later
        )

    def skip(self, consumer: str, seq: int) -> int:
        """Let a lane go on without its blocked head."""
        one = self.deliveries.get((seq, consumer))
        if one is None or one.state != "blocked":
            return 0
        one.state = "dead"
        self._free_next(one)
        self.wake()
        return 1

    def redrive(self, consumer: str | None, seq: int | None = None) -> int:
        """Make dead and blocked ones ready again."""
        found = self.dead(consumer, seq)
        for one in found:
            one.attempts, one.not_before = 0, self._now()
            lane = self._lane(one.consumer, one.stream)
            earlier = any(other.seq < one.seq for other in lane if other is not one)
            one.state = "waiting" if earlier else "ready"
        if found:
            self.wake()
        return len(found)

    def repair(self) -> int:
        """Free lanes whose first delivery waits for nothing."""
        repaired = 0
        for one in list(self.deliveries.values()):
            lane = self._lane(one.consumer, one.stream)
            if one.state == "waiting" and lane[0] is one:
                one.state = "ready"
                repaired += 1
        return repaired

    def on_commit(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after each commit that left deliveries."""
        self._wakers.append(wake)

    def wake(self) -> None:
        """Tell those who wait."""
        for waker in self._wakers:
            waker()

    def pending(self) -> dict[str, int]:
        """Return how many wait, by consumer."""
        counts: dict[str, int] = {}
        for one in self.deliveries.values():
            if one.state != "dead":
                counts[one.consumer] = counts.get(one.consumer, 0) + 1
        return counts

    def payload(self, one: Waiting) -> dict[str, Any]:
        """Return the stored fields, as a worker of another process would read them."""
        fields: dict[str, Any] = json.loads(one.payload)
        return fields

    def _lane(self, consumer: str, stream: str) -> list[Waiting]:
        # All that keep later ones waiting, in order.
        return [
            one
            for one in self.deliveries.values()
            if one.consumer == consumer and one.stream == stream and one.state != "dead"
        ]

    def _free_next(self, gone: Waiting) -> None:
        lane = self._lane(gone.consumer, gone.stream)
        if lane and lane[0].state == "waiting":
            lane[0].state = "ready"
