"""Where one topic stands on one process, by the table of realtime.md 10.3. No I/O, no clock."""

from collections import OrderedDict
from collections.abc import Sequence
from enum import Enum
from typing import Final

from nexios.application.backplane import Arrived, Position, Slice

REMEMBERED: Final = 512
WAITING: Final = 512


class State(Enum):
    """What becomes of a message that arrives."""

    FOLLOWING = "following"
    CATCHING_UP = "catching up"
    DEGRADED = "degraded"


class Step(Enum):
    """What is to be done with a message, or after a read."""

    DELIVER = "deliver"
    IGNORE = "ignore"
    WAIT = "wait"
    READ = "read"
    RESET = "reset"


class Cursor:
    """The place in a topic up to which its members were told everything.

    Attributes:
        last: That place; None before following has begun.
        state: Whether messages are delivered, or wait for what is before them.
        reason: Why the last RESET was said: ``trimmed``, ``epoch``, ``ahead``, ``rewound``.
    """

    __slots__ = ("_ids", "_waiting", "last", "reason", "state")

    def __init__(self) -> None:
        self.last: Position | None = None
        self.state = State.DEGRADED
        self.reason = ""
        self._ids: OrderedDict[int, str] = OrderedDict()
        self._waiting: list[Arrived] = []

    def begin(self, head: Position) -> Step:
        """Following is live from ``head`` on, for the first time or again."""
        last = self.last
        if last is None or last == head:
            self.last = head
            self.state = State.FOLLOWING
            return Step.RESET if last is None else Step.IGNORE
        self.state = State.CATCHING_UP
        return Step.READ

    def lost(self) -> None:
        """The link is down: what arrives now may have gaps before it."""
        self.state = State.DEGRADED

    def found(self) -> Step:
        """The link is up again; READ unless following never began."""
        if self.last is None:
            return Step.IGNORE
        self.state = State.CATCHING_UP
        return Step.READ

    def knows(self, id: str) -> bool:
        """Whether a message of this id was delivered lately."""
        return id in self._ids.values()

    def take(self, arrived: Arrived) -> Step:
        """Decide about a message.

        After RESET ``last`` is where the members go on, and the message is to be delivered
        behind it.
        """
        last, here = self.last, arrived.position
        if last is None or self.state is not State.FOLLOWING:
            if len(self._waiting) < WAITING:  # what is not kept is read once more
                self._waiting.append(arrived)
            return Step.WAIT
        if here.epoch != last.epoch:
            return self._reset("epoch", arrived)
        if here.offset <= last.offset:
            known = self._ids.get(here.offset)
            if known is None or known == arrived.id:
                return Step.IGNORE
            return self._reset("rewound", arrived)
        if arrived.previous > last.offset:
            self.state = State.CATCHING_UP
            self._waiting = [arrived]
            return Step.READ
        self._note(arrived)
        return Step.DELIVER

    def read(self, part: Slice) -> tuple[Step, Sequence[Arrived]]:
        """Take what was read after ``last``.

        Returns:
            DELIVER: these, and all is told. READ: these, then read after ``last`` again.
            RESET: go on from ``last``, then these.
        """
        last = self.last
        if last is None or self.state is not State.CATCHING_UP:
            return Step.IGNORE, ()
        if not part.complete:
            self.reason = reason_of(last, part)
            self._ids.clear()
            self.last = part.head
            return Step.RESET, self._drain()[1]
        for message in part.messages:
            self._note(message)
        told = list(part.messages)
        if told and told[-1].position.offset < part.head.offset:
            return Step.READ, told
        step, rest = self._drain()
        return step, [*told, *rest]

    def _drain(self) -> tuple[Step, list[Arrived]]:
        """Go on with what waited, up to a further gap."""
        self.state = State.FOLLOWING
        waiting, self._waiting = self._waiting, []
        told: list[Arrived] = []
        for index, message in enumerate(waiting):
            if self.last is not None and message.position.epoch != self.last.epoch:
                continue
            step = self.take(message)
            if step is Step.DELIVER:
                told.append(message)
            elif step is Step.READ:
                self._waiting = waiting[index:]
                return Step.READ, told
        return Step.DELIVER, told

    def _reset(self, reason: str, arrived: Arrived) -> Step:
        self.reason = reason
        self._ids.clear()
        self.last = Position(arrived.position.epoch, arrived.previous)
        self._note(arrived)
        return Step.RESET

    def _note(self, arrived: Arrived) -> None:
        self.last = arrived.position
        self._ids[arrived.position.offset] = arrived.id
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)


def reason_of(after: Position, part: Slice) -> str:
    """Return why a slice after a position is incomplete, in the words of ``reset`` frames."""
    if part.head.epoch != after.epoch:
        return "epoch"
    return "ahead" if after.offset > part.head.offset else "trimmed"
