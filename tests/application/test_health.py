"""The health board: asked seldom, believed carefully."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from nexios.application.health import CheckState, Health, HealthBoard

pytestmark = pytest.mark.asyncio


class Clock:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


class Broker:
    """A check that fails when it is told to, and counts who asks."""

    def __init__(self, name: str = "broker", *, critical: bool = True) -> None:
        self.name = name
        self.critical = critical
        self.timeout_s = 1.0
        self.fails = False
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if self.fails:
            raise ConnectionError("no route")


class Database:
    def __init__(self) -> None:
        self.pinged = 0

    async def ping(self) -> None:
        self.pinged += 1


def board(
    *targets: object,
    clock: Callable[[], float],
    changed: Callable[[str, CheckState], None] | None = None,
) -> HealthBoard:
    made = HealthBoard(
        lambda: targets,
        clock=clock,
        changed=changed,
        now=lambda: datetime.fromtimestamp(clock(), UTC),
    )
    made.starting = False
    return made


async def test_a_check_that_worked_is_down_after_two_failures_and_up_after_one_success() -> None:
    clock, broker = Clock(), Broker()
    news: list[tuple[str, Health]] = []
    told = board(broker, clock=clock, changed=lambda name, at: news.append((name, at.health)))
    seen: list[Health] = []
    for fails in (False, True, False, True, True, True, False):
        broker.fails = fails
        seen.append((await told.report()).health)
        clock.s += 2.0

    up, down = Health.UP, Health.DOWN
    assert seen == [up, up, up, up, down, down, up]
    assert news == [("broker", down), ("broker", up)]


async def test_a_check_that_never_worked_is_down_at_once() -> None:
    clock, broker = Clock(), Broker()
    broker.fails = True

    report = await board(broker, clock=clock).report()

    assert report.health is Health.DOWN
    assert report.checks["broker"].says == "ConnectionError: no route"


async def test_since_is_the_moment_of_the_last_change() -> None:
    clock, broker = Clock(), Broker()
    told = board(broker, clock=clock)
    await told.report()
    clock.s += 60.0

    report = await told.report()

    assert report.checks["broker"].since == datetime.fromtimestamp(100.0, UTC)


async def test_one_that_is_not_critical_only_degrades() -> None:
    clock = Clock()
    cache, broker = Broker("cache", critical=False), Broker()
    cache.fails = True
    told = board(cache, broker, clock=clock)

    assert (await told.report()).health is Health.DEGRADED
    broker.fails = True
    clock.s += 2.0
    await told.report()
    clock.s += 2.0
    assert (await told.report()).health is Health.DOWN


async def test_probe_storms_run_each_check_once() -> None:
    clock, broker = Clock(), Broker()
    told = board(broker, clock=clock)

    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(told.report)
    await told.report()
    assert broker.asked == 1

    clock.s += 1.0
    await told.report()
    assert broker.asked == 2


async def test_a_probe_that_leaves_does_not_take_the_answer_from_the_others() -> None:
    clock = Clock()
    asked = anyio.Event()

    class Slow(Broker):
        async def check(self) -> None:
            self.asked += 1
            if self.asked == 1:
                asked.set()
                await anyio.sleep_forever()

    slow = Slow()
    slow.timeout_s = 60.0
    told = board(slow, clock=clock)
    reports: list[Health] = []

    async def leave(scope: anyio.CancelScope) -> None:
        with scope:
            await told.report()

    async def stay() -> None:
        reports.append((await told.report()).health)

    first = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave, first)
        await asked.wait()
        tasks.start_soon(stay)
        await anyio.wait_all_tasks_blocked()
        first.cancel()

    assert reports == [Health.UP]


async def test_a_check_that_hangs_is_a_failure_after_its_time() -> None:
    class Hanging(Broker):
        async def check(self) -> None:
            await anyio.sleep_forever()

    hanging = Hanging()
    hanging.timeout_s = 0.01

    report = await board(hanging, clock=Clock()).report()

    assert report.checks["broker"].says == "no answer within 0.01 s"


class Shielded(Broker):
    """Answers when it is let go, whoever cancels it, as a statement of a database does."""

    def __init__(self) -> None:
        super().__init__()
        self.timeout_s = 0.02
        self.at_once = False
        self.go = anyio.Event()
        self.running = 0
        self.together = 0

    async def check(self) -> None:
        self.asked += 1
        self.running += 1
        self.together = max(self.together, self.running)
        try:
            if not self.at_once:
                with anyio.CancelScope(shield=True):
                    await self.go.wait()
        finally:
            self.running -= 1


async def test_a_check_that_cannot_be_cancelled_is_answered_for_in_time_and_left_to_end() -> None:
    clock, slow = Clock(), Shielded()
    told = board(slow, clock=clock)
    async with anyio.create_task_group() as tasks:
        told.drive(tasks)
        seen: list[tuple[Health, str]] = []
        for _ in range(3):
            state = (await told.report()).checks["broker"]
            seen.append((state.health, state.says))
            clock.s += 2.0
        assert seen == [(Health.DOWN, "no answer within 0.02 s")] * 3
        assert (slow.asked, slow.running) == (1, 1)

        slow.at_once = True
        slow.go.set()
        await anyio.wait_all_tasks_blocked()
        clock.s += 2.0
        assert (await told.report()).health is Health.UP
        assert (slow.asked, slow.running, slow.together) == (2, 0, 1)


async def test_a_late_answer_is_not_believed_but_asked_for_again() -> None:
    clock, slow = Clock(), Shielded()
    told = board(slow, clock=clock)
    async with anyio.create_task_group() as tasks:
        told.drive(tasks)
        await told.report()
        slow.go.set()
        await anyio.wait_all_tasks_blocked()

        assert (await told.report()).health is Health.DOWN  # for a second
        assert slow.asked == 1
        clock.s += 1.0
        assert (await told.report()).health is Health.UP
        assert slow.asked == 2


async def test_a_report_without_tasks_to_ask_in_waits_for_what_it_began() -> None:
    slow = Shielded()
    told = board(slow, clock=Clock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(told.report)
        await anyio.sleep(0.05)
        assert slow.running == 1
        slow.go.set()

    assert (slow.asked, slow.running) == (1, 0)


async def test_what_can_be_pinged_is_a_check_and_names_are_told_apart() -> None:
    class Redis:
        """Its ping returns something to await, as that of redis-py does."""

        async def __aenter__(self) -> "Redis":
            return self

        def ping(self) -> Any:
            return anyio.lowlevel.checkpoint()

    class Game:
        def ping(self) -> str:
            raise AssertionError("this is no check, and is not called")

    first, second = Database(), Database()

    report = await board(first, Redis(), Game(), second, Database, clock=Clock()).report()

    assert list(report.checks) == ["database", "redis", "database-2"]
    assert (first.pinged, second.pinged) == (1, 1)


async def test_what_is_made_later_is_asked_from_then_on() -> None:
    clock = Clock()
    targets: list[object] = [Broker("a")]
    told = HealthBoard(lambda: targets, clock=clock)
    await told.report()
    targets.insert(0, Broker("b"))

    assert set((await told.report()).checks) == {"a", "b"}
    targets.pop()
    assert set((await told.report()).checks) == {"b"}


async def test_starting_and_draining_win_over_the_checks() -> None:
    told = board(Broker(), clock=Clock())
    told.draining = True
    assert (await told.report()).health is Health.DRAINING
    told.starting = True
    assert (await told.report()).health is Health.STARTING
    assert not Health.STARTING.ready
    assert not Health.DRAINING.ready


async def test_a_check_whose_driver_was_cancelled_is_down_and_takes_nobody_along() -> None:
    class GivenUp(Broker):
        async def check(self) -> None:
            given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            given_up.cancel()
            await given_up

    told = board(GivenUp(), clock=Clock())
    async with anyio.create_task_group() as tasks:
        told.drive(tasks)
        report = await told.report()
        assert report.checks["broker"].health is Health.DOWN
        assert "was cancelled" in report.checks["broker"].says
        assert not tasks.cancel_scope.cancel_called
        told.drive(None)
