"""Whether the event loop stood still."""

import anyio
import pytest

from nexios.adapters.asgi.lag import LagTicker, LoopWatch
from nexios.application.overload import AdaptiveLimit


def test_a_loop_that_stood_still_is_not_live_for_ten_seconds() -> None:
    at = [0.0]
    watch = LoopWatch(lambda: at[0])
    watch.note(4.9)
    assert not watch.blocked
    watch.note(5.1)
    assert watch.blocked
    at[0] = 9.9
    assert watch.blocked
    at[0] = 10.0
    assert not watch.blocked


def ticked(*looks: tuple[float, float]) -> list[float]:
    told: list[float] = []
    ticker = LagTicker(told.append)
    for due, now in looks:
        ticker.note(due, now)
    return told


def test_the_smallest_lag_of_a_tenth_of_a_second_counts() -> None:
    prompt = [(at / 100, at / 100 + 0.0005) for at in range(1, 21)]
    assert ticked(*prompt) == [pytest.approx(0.0005)] * 2
    # A burst: one look is late, those around it are not.
    assert ticked((0.01, 0.011), (0.02, 0.09), (0.10, 0.102)) == [pytest.approx(0.001)]


def test_a_queue_that_stands_has_no_prompt_look() -> None:
    assert (
        ticked((0.01, 0.05), (0.06, 0.10), (0.11, 0.15), (0.16, 0.2)) == [pytest.approx(0.04)] * 2
    )


def test_one_blocking_call_is_one_window_at_most() -> None:
    law = AdaptiveLimit(0.02)
    ticker = LagTicker(lambda lag_s: law.window(lag_s, 50))
    now = 0.0
    for turn in range(200):
        due = now + 0.01
        now = due + (0.15 if turn == 100 else 0.0005)
        ticker.note(due, now)
        assert law.limit is None


@pytest.mark.asyncio
async def test_it_looks_until_it_is_cancelled() -> None:
    told: list[float] = []
    enough = anyio.Event()

    def tell(lag_s: float) -> None:
        told.append(lag_s)
        if len(told) == 3:
            enough.set()

    ticker = LagTicker(tell)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ticker.run)
        await enough.wait()
        assert ticker.running
        tasks.cancel_scope.cancel()
    assert not ticker.running
    assert all(lag_s >= 0 for lag_s in told)
