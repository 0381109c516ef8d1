"""Refresh tokens and revocations of one process."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from nexios.application.refresh_tokens import Outcome, RefreshFamily, Turn, Turned
from nexios.application.revocations import SUBJECT_KEPT, Deltas, Kind, Revoked

_KEPT: Final = 100_000
_PURGE_EVERY: Final = timedelta(seconds=60)
_UNKNOWN: Final = Turned(Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Line:
    family: RefreshFamily
    previous: bytes | None = None
    rotated_at: datetime | None = None


class MemoryRefreshTokens:
    """Keeps families in a dict: gone with the process, and seen by no other one.

    Holds at most ``kept``; then the one that was not used for longest goes.
    """

    def __init__(self, *, kept: int = _KEPT) -> None:
        """Hold nothing yet."""
        self._kept = kept
        self._lines: dict[bytes, _Line] = {}

    async def open(self, family: RefreshFamily) -> None:
        """Keep a new family."""
        while len(self._lines) >= self._kept:
            del self._lines[next(iter(self._lines))]
        self._lines[family.id] = _Line(family)

    async def rotate(self, turn: Turn) -> Turned:
        """Replace the good token; nothing is awaited, so nobody comes between."""
        line = self._lines.get(turn.family)
        if line is None:
            return _UNKNOWN
        family = line.family
        if family.idle_ends_at <= turn.now:
            del self._lines[turn.family]
            return _UNKNOWN
        if turn.client not in (None, family.client):
            return _UNKNOWN
        del self._lines[turn.family]  # it goes to the end of the line, or for good
        first = turn.spent == family.digest
        if not first and not _repeats(line, turn):
            return Turned(Outcome.REUSED, family)
        rotated = replace(
            family, digest=turn.fresh, idle_ends_at=min(turn.idle_ends_at, family.ends_at)
        )
        previous = turn.spent if first else None
        self._lines[turn.family] = _Line(rotated, previous, turn.now)
        return Turned(Outcome.ROTATED, rotated)

    async def close_family(self, family: bytes) -> RefreshFamily | None:
        """Forget a family."""
        line = self._lines.pop(family, None)
        return None if line is None else line.family

    async def close_all(self, actor: str) -> int:
        """Forget every family of an actor."""
        gone = [key for key, line in self._lines.items() if line.family.actor == actor]
        for key in gone:
            del self._lines[key]
        return len(gone)


def _repeats(line: _Line, turn: Turn) -> bool:
    return (
        line.previous == turn.spent
        and line.rotated_at is not None
        and turn.now < line.rotated_at + turn.grace
    )


class MemoryRevocations:
    """Notes revocations in a list: gone with the process, and seen by no other one."""

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Hold nothing yet."""
        self._now = now
        self._sequence = 0
        self._purge_at = now()
        self._entries: dict[tuple[Kind, str], tuple[int, Revoked]] = {}

    async def token(self, jti: str, until: datetime) -> None:
        """Refuse one token."""
        self._add(Revoked(Kind.TOKEN, jti, until))

    async def subject(
        self, actor: str, before: datetime, *, until: datetime | None = None
    ) -> None:
        """Refuse what an actor was given before a moment."""
        known = self._entries.get((Kind.SUBJECT, actor))
        until = before + SUBJECT_KEPT if until is None else until
        if known is not None and known[1].before is not None:
            before, until = max(before, known[1].before), max(until, known[1].until)
        self._add(Revoked(Kind.SUBJECT, actor, until, before))

    async def session(self, id: str, until: datetime) -> None:
        """Refuse one session."""
        self._add(Revoked(Kind.SESSION, id, until))

    async def since(self, sequence: int) -> Deltas:
        """Return what was noted since."""
        now = self._now()
        found = [
            entry
            for number, entry in self._entries.values()
            if number > sequence and entry.until > now
        ]
        return Deltas(found, self._sequence)

    def _add(self, entry: Revoked) -> None:
        now = self._now()
        if now >= self._purge_at:
            self._purge_at = now + _PURGE_EVERY
            for key in [key for key, (_, one) in self._entries.items() if one.until <= now]:
                del self._entries[key]
        self._sequence += 1
        self._entries[entry.kind, entry.key] = (self._sequence, entry)
