"""Times variants against each other: interleaved, collector off, the ratio taken in a round."""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.lowlevel

WARM_UP_CALLS = 1000
BATCH_S = 0.003
LEAST_CALLS = 20


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the things compared.

    Attributes:
        call: What is timed.
        values: Makes the arguments of that many calls, outside of the timed part.
        awaits: Whether the result has to be awaited.
        most_calls: Of one batch, where the arguments keep what a call made: more than fits into
            the core's cache would time the memory.
    """

    call: Callable[..., Any]
    values: Callable[[int], Sequence[tuple[object, ...]]]
    awaits: bool = False
    most_calls: int = 1_000_000

    async def once(self) -> object:
        """Call once, for its result."""
        result = self.call(*self.values(1)[0])
        return await result if self.awaits else result

    async def batch(self, calls: int) -> float:
        """Return the mean CPU seconds of a call.

        CPU time of this thread: what other processes take of the core is not counted.
        """
        values = self.values(calls)
        # The loop drops the cancelled timers of past shields only when it turns.
        await anyio.lowlevel.checkpoint()
        return await _awaited(self.call, values) if self.awaits else _called(self.call, values)


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the rounds: microseconds of a call, and the ratio inside a round.

    Attributes:
        over_us: The best of our rounds less the best of the other's: noise only slows, and a
            small difference drowns in that of medians.
    """

    ours_us: float
    other_us: float
    ratio: float
    over_us: float


async def compare(ours: Variant, other: Variant, rounds: int) -> Result:
    """Return how ``ours`` does against ``other``."""
    for variant in (ours, other):
        await variant.batch(WARM_UP_CALLS)
    calls = max(LEAST_CALLS, int(BATCH_S / max(await ours.batch(LEAST_CALLS), 1e-8)))
    calls = min(calls, ours.most_calls, other.most_calls)
    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        gc.collect()
        gc.disable()
        try:
            # In turns, so that a core growing slower or faster favours neither.
            if number % 2:
                second = await other.batch(calls)
                pairs.append((await ours.batch(calls), second))
            else:
                pairs.append((await ours.batch(calls), await other.batch(calls)))
        finally:
            gc.enable()
    return result_of(pairs)


def result_of(pairs: Sequence[tuple[float, float]]) -> Result:
    """Return the medians of rounds, each the seconds of ours and of the other."""
    return Result(
        statistics.median(pair[0] for pair in pairs) * 1e6,
        statistics.median(pair[1] for pair in pairs) * 1e6,
        statistics.median(pair[0] / pair[1] for pair in pairs),
        (min(pair[0] for pair in pairs) - min(pair[1] for pair in pairs)) * 1e6,
    )


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one piece of work, the collector off."""
    gc.collect()
    gc.disable()
    started = time.thread_time()
    try:
        work()
        return time.thread_time() - started
    finally:
        gc.enable()


def _called(call: Callable[..., object], values: Sequence[tuple[object, ...]]) -> float:
    started = time.thread_time()
    for value in values:
        call(*value)
    return (time.thread_time() - started) / len(values)


async def _awaited(
    call: Callable[..., Awaitable[object]], values: Sequence[tuple[object, ...]]
) -> float:
    started = time.thread_time()
    for value in values:
        await call(*value)
    return (time.thread_time() - started) / len(values)
