"""Errors are grouped, rate-capped and handed on beside whoever ran into them."""

import logging
from typing import Any

import anyio
import pytest

from nexios.adapters.observability.errors import QUEUE, ErrorDesk, MemoryErrors, SeveralTrackers
from nexios.adapters.observability.flattening import fingerprint_of, flattened
from nexios.application.tracking import ErrorReport, Occasion, trace_of

pytestmark = pytest.mark.asyncio

SECRET = "hunter2-swordfish"
WORK = Occasion("work", "mail")
LOGGER = logging.getLogger("nexios")


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Stuck:
    """A tracker whose first report never ends."""

    def __init__(self) -> None:
        self.entered = anyio.Event()

    async def record(self, report: ErrorReport) -> None:
        self.entered.set()
        await anyio.sleep_forever()


class Dead:
    """A tracker that cannot be reached."""

    async def record(self, report: ErrorReport) -> None:
        raise ConnectionError(f"no way to https://me:{SECRET}@tracker")


def raised(error: BaseException) -> BaseException:
    """Return the error as it is after it was raised here."""
    try:
        raise error
    except BaseException as caught:
        return caught


def compiled(source: str, name: str = "shop.orders") -> BaseException:
    """Return what ``broken()`` of a module with this source raises."""
    module: dict[str, Any] = {"__name__": name}
    exec(compile(source, "/app/shop/orders.py", "exec"), module)
    try:
        module["broken"]()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


BROKEN = "def broken():\n    return {}['x']\n"


async def test_a_fault_keeps_its_fingerprint_when_lines_move() -> None:
    moved = compiled("# one\n# two\n\n" + BROKEN)
    assert fingerprint_of(compiled(BROKEN)) == fingerprint_of(moved)


@pytest.mark.parametrize(
    "other",
    [
        "def broken():\n    return 1 / 0\n",
        "def broken():\n    return inner()\ndef inner():\n    return {}['x']\n",
        "def broken():\n try:\n  1 / 0\n except Exception as e:\n  raise KeyError('x') from e\n",
    ],
)
async def test_another_fault_has_another_fingerprint(other: str) -> None:
    assert fingerprint_of(compiled(BROKEN)) != fingerprint_of(compiled(other))


async def test_the_text_of_an_error_makes_no_group_of_its_own() -> None:
    def fault(text: str) -> BaseException:
        return raised(ValueError(text))

    assert fingerprint_of(fault("order 1")) == fingerprint_of(fault("order 2"))


async def test_same_fault_is_one_group_and_one_report_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, tracker = Clock(), MemoryErrors()
    desk = ErrorDesk(LOGGER, clock=clock)
    async with anyio.create_task_group() as tasks:
        desk.start(tracker, tasks)
        for number in range(50):
            desk.note(compiled(BROKEN), f"id{number}", WORK)
        clock.now += 1.5
        desk.note(compiled(BROKEN), "later", WORK)
        desk.note(raised(ValueError("other")), "other", WORK)
        await desk.stop()

    kept = await tracker.recent()
    assert [(one.id, one.repeated) for one in kept] == [("other", 0), ("later", 49), ("id0", 0)]
    other, same = await tracker.groups()
    assert (same.count, same.last.id, other.count) == (51, "later", 1)
    assert (desk.counts.noted, desk.counts.repeated, desk.counts.recorded) == (52, 49, 3)
    # Whatever id a client was shown, the log has it.
    lines = [record.getMessage() for record in caplog.records]
    assert all(any(f"id{number}" in line for line in lines) for number in range(50))
    assert sum("Traceback" in (record.exc_text or "") for record in caplog.records) == 3


async def test_chain_and_groups_are_flattened() -> None:
    def fault() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ExceptionGroup(
                "several", [raised(OSError("first")), ExceptionGroup("deep", [ValueError("last")])]
            ) from error

    with pytest.raises(ExceptionGroup) as caught:
        fault()
    error = caught.value
    found = [(one.kind, one.relation) for one in flattened(error)]
    assert found == [
        ("ExceptionGroup", "raised"),
        ("KeyError", "cause"),
        ("OSError", "member"),
        ("ExceptionGroup", "member"),
        ("ValueError", "member"),
    ]
    own = [step for one in flattened(error) for step in one.frames if step.own]
    assert {step.function.rpartition(".")[2] for step in own} >= {"fault", "raised"}


async def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert [one.message for one in flattened(first)] == ["a", "b"]
    deep: Exception = ValueError("0")
    for number in range(100):
        deep = ExceptionGroup(str(number), [deep])
    assert len(flattened(deep)) == 20


async def test_locals_are_told_when_switched_on_and_scrubbed() -> None:
    def fault() -> None:
        password, shelf = SECRET, "tea"
        raise ValueError(f"{shelf} {len(password)}")

    with pytest.raises(ValueError, match="tea") as caught:
        fault()
    error = caught.value
    silent = [step.locals for one in flattened(error) for step in one.frames]
    assert not any(silent)
    told = [step.locals for one in flattened(error, with_locals=True) for step in one.frames]
    assert told[-1]["shelf"] == "'tea'"
    assert told[-1]["password"] == "***"


async def test_blocked_sink_costs_nothing_and_drops_are_counted() -> None:
    clock, tracker = Clock(), Stuck()
    desk = ErrorDesk(LOGGER, clock=clock)
    async with anyio.create_task_group() as tasks:
        desk.start(tracker, tasks)
        desk.note(compiled(BROKEN), "first", WORK)
        await tracker.entered.wait()
        for number in range(QUEUE + 25):
            clock.now += 2
            desk.note(compiled(BROKEN), f"id{number}", WORK)
        assert desk.counts.dropped == 25
        began = anyio.current_time()
        await desk.stop()
        assert 1.5 < anyio.current_time() - began < 8
        assert desk.counts.dropped == QUEUE + 25
        tasks.cancel_scope.cancel()


async def test_dead_sink_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, memory = Clock(), MemoryErrors()
    desk = ErrorDesk(LOGGER, clock=clock)
    async with anyio.create_task_group() as tasks:
        desk.start(SeveralTrackers(Dead(), memory), tasks)
        for number in range(5):
            clock.now += 2
            desk.note(compiled(BROKEN), f"id{number}", WORK)
        await desk.stop()
    assert (desk.counts.failed, desk.counts.recorded) == (5, 0)
    assert len(await memory.recent()) == 5
    told = [one for one in caplog.records if "cannot be handed on" in one.getMessage()]
    assert len(told) == 1
    assert SECRET not in caplog.text


class Hostile(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise RuntimeError("never mind")


async def test_an_error_that_cannot_be_looked_at_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ErrorDesk(LOGGER).note(Hostile(), "e1", WORK)
    assert "e1" in caplog.text


async def test_a_traceback_in_the_log_holds_no_secret() -> None:
    try:
        try:
            raise ValueError(f"password={SECRET}")
        except ValueError as inner:
            raise RuntimeError(f"postgresql://me:{SECRET}@db") from inner
    except RuntimeError as error:
        error.add_note(f"Bearer {SECRET}")
        text = trace_of(error)
    assert SECRET not in text
    assert "RuntimeError: postgresql://me:***@db" in text
    assert "test_errors.py" in text
