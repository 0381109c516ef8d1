"""What changed, by whom, told exactly; and seals that show when somebody rewrote it."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from nexios.records import dataclass

BEGINNING: Final = bytes(32)
"""What the first seal has for the digest of the one before it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One aggregate's change in one committed use case.

    Attributes:
        stream: ``<root table>:<aggregate id>``, as in envelopes.
        version: The aggregate's version after it; of a removal, one more than the last.
        use_case: Which one it was.
        at: When.
        diff: Table name to ``inserted``, ``updated`` and ``deleted``: whole rows, and of updates
            ``key``, ``before`` and ``after`` of the changed columns. Values in JSON.
        actor: Who did it.
        tenant: For whom.
        correlation: One id for everything that follows from the first request.
        causation: Id of the event or message it follows from.
        id: Its number in the trail; later changes of one stream have higher ones.
        mark: Where it stands for the seals.
    """

    stream: str
    version: int
    use_case: str
    at: datetime
    diff: Mapping[str, Any]
    actor: str | None = None
    tenant: str | None = None
    correlation: str | None = None
    causation: str | None = None
    id: int = 0
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Seal:
    """Vouches for all changes between two marks, and for every seal before it.

    Attributes:
        number: From 1, without gaps.
        first: The lowest mark it covers.
        last: The highest.
        rows: How many changes.
        digest: SHA-256 over the one before, the fields above and the changes.
        previous: The digest of the one before.
        mac: HMAC-SHA256 of the digest, empty where the trail was given no keys.
        at: When it was made.
    """

    number: int
    first: int
    last: int
    rows: int
    digest: bytes
    previous: bytes
    mac: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the trail.

    Attributes:
        seals: How many were found good, from the first.
        rows: How many changes they cover.
        broken: The first seal that does not hold; None when all do.
        reason: Why, for the operator.
    """

    seals: int
    rows: int
    broken: Seal | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        """True when nothing was rewritten."""
        return not self.reason


class AuditTrail(Protocol):
    """The changes of aggregates, written by the units of work in their own transactions.

    Each adapter owes: a change is in the trail when, and only when, it is committed; replayed in
    order, the changes give the very rows of the tables; nothing appears later below a sealed mark.
    """

    async def history(
        self, stream: str | None = None, *, after: int = 0, limit: int = 1000
    ) -> Sequence[Change]:
        """Return the changes of one stream, or of all, in order.

        Args:
            stream: ``<root table>:<aggregate id>``.
            after: The ``id`` of the last one that is known.
            limit: At most so many.
        """
        ...

    async def seal(self) -> Seal | None:
        """Seal what was committed since the last seal; None when that is nothing.

        Changes whose neighbours may still be committed wait for the next time. Run by one or by
        several processes, now and then; keep the digest of the last seal outside of the store.
        """
        ...

    async def verify(self, *, known: bytes | None = None) -> Verdict:
        """Compare every seal with the changes it covers.

        Args:
            known: The digest of a seal, from outside of the store: it shows a cut tail.
        """
        ...


def make_seal(
    previous: Seal | None, changes: Sequence[Change], last: int, key: bytes | None, at: datetime
) -> Seal:
    """Return the seal over ``changes``, the next after ``previous``.

    Args:
        previous: The last one; None for none.
        changes: In the order of mark and id.
        last: The highest mark that it covers.
        key: For its ``mac``.
        at: Now.
    """
    number, first, before = 1, 0, BEGINNING
    if previous is not None:
        number, first, before = previous.number + 1, previous.last + 1, previous.digest
    made = Seal(number, first, last, len(changes), b"", before, b"", at)
    digest = _digest(made, changes)
    mac = hmac.digest(key, digest, "sha256") if key else b""
    return replace(made, digest=digest, mac=mac)


def flaw(
    seal: Seal, previous: Seal | None, changes: Sequence[Change], keys: Sequence[bytes]
) -> str:
    """Return why a seal does not hold, or nothing when it does.

    Args:
        seal: As it is stored.
        previous: The one before, found good.
        changes: What is stored between its marks, in the order of mark and id.
        keys: Any of them may have made the ``mac``; none: it is not looked at.
    """
    expected = make_seal(previous, changes, seal.last, None, seal.at)
    if seal.number != expected.number:
        return f"seal {expected.number} is missing"
    if seal.previous != expected.previous or seal.first != expected.first:
        return f"seal {seal.number} does not follow the one before it"
    if len(changes) != seal.rows:
        return f"seal {seal.number} covers {seal.rows} changes, {len(changes)} are there"
    if not hmac.compare_digest(seal.digest, expected.digest):
        return f"a change that seal {seal.number} covers is not as it was"
    macs = [hmac.digest(key, seal.digest, "sha256") for key in keys]
    if macs and not any(hmac.compare_digest(seal.mac, mac) for mac in macs):
        return f"seal {seal.number} was not made with one of the keys"
    return ""


def canonical(change: Change) -> bytes:
    """Return the one form of a change that is hashed: JSON, keys sorted, ASCII, no spaces."""
    fields = [
        change.id,
        change.mark,
        change.stream,
        change.version,
        change.use_case,
        change.at.astimezone(UTC).isoformat(timespec="microseconds"),
        change.actor,
        change.tenant,
        change.correlation,
        change.causation,
        change.diff,
    ]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _digest(seal: Seal, changes: Sequence[Change]) -> bytes:
    found = hashlib.sha256(seal.previous)
    found.update(json.dumps([seal.number, seal.first, seal.last, seal.rows]).encode())
    for change in changes:
        # Of fixed length each, so that no two lists of changes read alike.
        found.update(hashlib.sha256(canonical(change)).digest())
    return found.digest()
