"""Where a client wants to go on: ``at=<topic>@<epoch>:<offset>``, and what it gets first."""

import re
from collections.abc import Sequence
from dataclasses import field
from typing import Final

from nexios.application.backplane import Arrived, Backplane, Position, Topic
from nexios.application.errors import OutcomeUnknown, TimedOut, Unavailable
from nexios.records import dataclass
from nexios.websockets.cursor import reason_of

AWAY: Final = (Unavailable, OutcomeUnknown, TimedOut)
PAGE: Final = 256

_PLACE: Final = re.compile(r"([A-Za-z0-9._-]{1,64}):([0-9]{1,19})")
_AT: Final = re.compile(rf"(.+)@{_PLACE.pattern}", re.DOTALL)


class BadPosition(ValueError):
    """A client's ``at`` is none."""


def positions_in(values: Sequence[str]) -> dict[str, Position]:
    """Return the places a client names, by the text of their topics.

    Raises:
        BadPosition: One cannot be read.
    """
    found: dict[str, Position] = {}
    for value in values:
        match = _AT.fullmatch(value)
        if match is None:
            raise BadPosition(value)
        found[match[1]] = Position(match[2], int(match[3]))
    return found


def position_in(text: str) -> Position:
    """Return the place that ``str(position)`` wrote.

    Raises:
        BadPosition: It is none.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        raise BadPosition(text)
    return Position(match[1], int(match[2]))


@dataclass(slots=True)
class Before:
    """What a new member gets before what is live.

    Attributes:
        at: Where it stands before these.
        messages: What it missed, or the last ones it asked for.
        recovered: Nothing is missing between where it left and here.
        lost: Why something is, in the words of ``reset``; empty when nothing is.
    """

    at: Position | None
    messages: list[Arrived] = field(default_factory=list)
    recovered: bool = False
    lost: str = ""

    @property
    def end(self) -> Position | None:
        """Where it stands after them."""
        return self.messages[-1].position if self.messages else self.at


async def before(
    backplane: Backplane,
    topic: Topic,
    head: Position | None,
    after: Position | None,
    recent: int,
) -> Before:
    """Read what a member that is live from ``head`` on gets first.

    Args:
        after: Where it left, or None.
        recent: Without that, so many of the last messages.
    """
    if after is None and not recent:
        return Before(head)
    try:
        if after is None:
            kept = await backplane.read(topic, None, recent)
            first = kept.messages[0] if kept.messages else None
            place = kept.head if first is None else Position(kept.head.epoch, first.previous)
            return Before(place, list(kept.messages))
        return await _missed(backplane, topic, after)
    except AWAY:
        return Before(head, lost="" if after is None else "epoch")


async def _missed(backplane: Backplane, topic: Topic, after: Position) -> Before:
    found = Before(after, recovered=True)
    at = after
    while True:
        part = await backplane.read(topic, at, PAGE)
        if not part.complete:
            return Before(part.head, lost=reason_of(at, part))
        found.messages += part.messages
        if not part.messages or part.messages[-1].position.offset >= part.head.offset:
            return found
        at = part.messages[-1].position
