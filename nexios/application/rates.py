"""How often something may happen: the generic cell rate algorithm, and the port of its memory."""

import math
import re
from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol

from nexios.records import dataclass

_UNITS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_RATE: Final = re.compile(r"([0-9]{1,9})\s*/\s*(?:([0-9]{1,6})\s*)?(second|minute|hour|day)s?")
_NETWORK_BITS: Final = 64  # what one subscriber of IPv6 has at least


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a time, and so many at once.

    Over any time t never more than ``burst + t * count / period_s`` pass.

    Attributes:
        count: How many in each period.
        period_s: Seconds.
        burst: How many at once; ``count`` unless told.
    """

    count: int
    period_s: float
    burst: int

    @classmethod
    def of(cls, text: str, burst: int | None = None) -> "Rate":
        """Read ``"100/minute"``, ``"5/10 seconds"``.

        Raises:
            ValueError: It is no such text, or a number is not above zero.
        """
        found = _RATE.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f"{text!r} is no rate; write '100/minute' or '5/10 seconds'")
        count, periods = int(found[1]), int(found[2] or 1)
        burst = count if burst is None else burst
        if count < 1 or periods < 1 or burst < 1:
            raise ValueError(f"{text!r}, burst {burst}: every number is at least 1")
        return cls(count, periods * _UNITS[found[3]], burst)

    @property
    def interval_s(self) -> float:
        """Seconds from one to the next at this rate."""
        return self.period_s / self.count

    def decide(self, known: float, now: float, cost: int = 1) -> "Decision":
        """Return what becomes of one more.

        Args:
            known: When the last ones are worked off (the theoretical arrival time); any moment
                in the past for nothing known.
            now: By the same clock.
            cost: For how many it counts.
        """
        interval = self.interval_s
        after = max(known, now) + interval * cost
        wait = after - interval * self.burst - now
        # A thousandth of a step: floating point must not refuse what comes just in time.
        if wait > interval * 1e-3:
            left = max(0.0, (now + interval * self.burst - max(known, now)) / interval)
            return Decision(False, known, math.floor(left + 1e-3), max(known, now) - now, wait)
        left = (now + interval * self.burst - after) / interval
        return Decision(True, after, math.floor(left + 1e-3), after - now, 0.0)


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one hit under one rate.

    Attributes:
        allowed: It may pass.
        known: What to remember when it does.
        remaining: How many more could pass right now.
        reset_s: Seconds until everything is worked off.
        retry_after_s: Seconds until this could pass; 0 where it did.
    """

    allowed: bool
    known: float
    remaining: int
    reset_s: float
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that happens, under one rate.

    Attributes:
        key: Who, and under which rule; any text.
        rate: The rule.
        cost: For how many it counts.
    """

    key: str
    rate: Rate
    cost: int = 1


class CounterStore(Protocol):
    """Remembers how much of each rate is used.

    Each adapter owes: all hits of a call pass or none is counted; what is refused costs nothing;
    processes that share a store share the rate.
    """

    async def hit(self, hits: Sequence[Hit]) -> Sequence[Decision]:
        """Count these, together; return a decision for each.

        Raises:
            Unavailable: The store does not answer.
        """
        ...


def all_or_none(hits: Sequence[Hit], known: Sequence[float], now: float) -> list[Decision]:
    """Return the decisions of hits that pass together, or not at all."""
    decided = [
        one.rate.decide(before, now, one.cost) for one, before in zip(hits, known, strict=True)
    ]
    if all(one.allowed for one in decided):
        return decided
    kept: list[Decision] = []
    for one, hit, before in zip(decided, hits, known, strict=True):
        if one.allowed:  # another one refuses, so this one is as it was
            left = math.floor(
                (now + hit.rate.interval_s * hit.rate.burst - max(before, now))
                / hit.rate.interval_s
                + 1e-3
            )
            kept.append(Decision(True, before, left, max(before, now) - now, 0.0))
        else:
            kept.append(one)
    return kept


def network_of(address: str) -> str:
    """Return who counts for an address: itself, of IPv6 its network of 64 bits."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        # What a socket of both kinds calls an IPv4 client.
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Network((found, _NETWORK_BITS), strict=False))
    return str(found)
