"""What an application needs to be ready, and the board that knows how it stands."""

import inspect
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Protocol, runtime_checkable

import anyio
from anyio.abc import TaskGroup

from nexios.records import dataclass

_FAILURES: Final = 2  # in a row; one alone is a hiccup
_FRESH_S: Final = 1.0
_PING_S: Final = 1.0


@runtime_checkable
class HealthCheck(Protocol):
    """One thing that is asked whether it works: a database, a broker, its migrations.

    Every singleton of the container that has these members is asked, and every one with a bare
    ``async ping()``, which raises when it fails: that one is critical and has a second.

    Attributes:
        name: For operators; each check of an application has its own.
        critical: Without it the application is not ready; otherwise it is only degraded.
        timeout_s: An answer that takes longer counts as a failure.
    """

    @property
    def name(self) -> str:
        """For operators."""
        ...

    @property
    def critical(self) -> bool:
        """Whether the application is not ready without it."""
        ...

    @property
    def timeout_s(self) -> float:
        """How long the answer may take."""
        ...

    async def check(self) -> None:
        """Return when all is well.

        Raises:
            Exception: It does not work; the text is for operators.
        """
        ...


class Health(Enum):
    """How a check, or a whole application, stands."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    STARTING = "starting"
    DRAINING = "draining"

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self in (Health.UP, Health.DEGRADED)


@dataclass(frozen=True, slots=True)
class CheckState:
    """How one check stands.

    Attributes:
        health: UP or DOWN.
        latency_s: How long its last answer took.
        since: When ``health`` last changed, in UTC.
        says: What the last failure said; "" when the last answer was good.
    """

    health: Health
    latency_s: float
    since: datetime
    says: str


@dataclass(frozen=True, slots=True)
class Report:
    """How an application stands, with all its checks by name."""

    health: Health
    checks: Mapping[str, CheckState]


class HealthBoard:
    """Asks checks seldom and believes them carefully.

    An answer counts for a second; whoever asks meanwhile, or while a check runs, shares it, so a
    storm of probes asks each dependency once. A check that has worked is down after two failures
    in a row and up after one success; one that never worked is down at its first failure.

    A check whose time is over is cancelled and counts as failed. One that goes on all the same,
    a statement is shielded from that, is not waited for; until it has ended it is not asked
    again, and has failed again whenever it is asked for.

    Attributes:
        starting: The application has not finished its start.
        draining: It takes its leave, and is not ready whatever the checks say.
    """

    def __init__(
        self,
        targets: Callable[[], Iterable[object]],
        *,
        changed: Callable[[str, CheckState], None] | None = None,
        turned: Callable[[Health, Health], None] = lambda _new, _before: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Ask nobody yet.

        Args:
            targets: Returns, afresh each time, the objects among which the checks are. Two of
                one name are told apart by a number: ``database``, ``database-2``.
            changed: Told when a check went down or came up; must not raise.
            turned: Told how the application stands and how it stood, when a report says
                otherwise than the last; must not raise.
            clock: Seconds that only grow.
            now: The time of day, in UTC.
        """
        self._turned = turned
        self._stood = Health.STARTING
        self.starting = True
        self.draining = False
        self._targets = targets
        self._changed = changed
        self._clock = clock
        self._now = now
        self._known: dict[int, _Known | None] = {}
        self._kept: list[object] = []
        self._tasks: TaskGroup | None = None

    def drive(self, tasks: TaskGroup | None) -> None:
        """Ask in these tasks from now on; None: each report asks in its own, and awaits them."""
        self._tasks = tasks

    async def report(self) -> Report:
        """Return how the application stands, asking what was not asked within the last second."""
        known = self._up_to_date()
        async with anyio.create_task_group() as tasks:
            for one in known:
                if not one.fresh(self._clock()):
                    tasks.start_soon(self._refresh, one, tasks)
        told = self._told(known)
        before, self._stood = self._stood, told.health
        if told.health is not before:
            self._turned(told.health, before)
        return told

    async def until_critical_up(self) -> None:
        """Wait until every critical check has a good answer; it is told which has none."""
        while True:
            await self.report()
            known = (one for one in self._known.values() if one is not None and one.critical)
            if all(one.state is not None and one.state.health is Health.UP for one in known):
                return
            await anyio.sleep(_FRESH_S)

    async def watch(self, interval_s: float) -> None:
        """Ask everything every so many seconds, for ever: changes are noticed without probes."""
        while True:
            await self.report()
            await anyio.sleep(interval_s)

    def _up_to_date(self) -> list["_Known"]:
        kept = list(self._targets())
        known = {id(one): self._known[id(one)] for one in kept if id(one) in self._known}
        taken = {one.name for one in known.values() if one is not None}
        for target in kept:
            if id(target) not in known:
                name = _name_of(target)
                known[id(target)] = None if name is None else _Known(_free(name, taken), target)
        self._known = known
        self._kept = kept  # as long as they are known by their ids
        return [one for one in known.values() if one is not None]

    async def _refresh(self, one: "_Known", own: TaskGroup) -> None:
        while not one.fresh(self._clock()):
            asked = one.asked
            if asked is None:
                asked = one.asked = _Asked(self._clock())
                (self._tasks or own).start_soon(self._ask, one, asked, name=f"nexios {one.name}")
            left_s = one.timeout_s - (self._clock() - asked.begun)
            with anyio.move_on_after(max(left_s, 0.0)):
                # Whoever asks it may be cancelled, and then nobody has: look again.
                await asked.over.wait()
            if not asked.over.is_set() and not one.fresh(self._clock()):
                self._note(one, one.late, asked)

    async def _ask(self, one: "_Known", asked: "_Asked") -> None:
        try:
            says = await one.failure()
            if not asked.noted:
                self._note(one, says, asked)
        finally:
            one.asked = None
            asked.over.set()

    def _note(self, one: "_Known", says: str, asked: "_Asked") -> None:
        asked.noted = True
        one.known_at = self._clock()
        one.failures = one.failures + 1 if says else 0
        before = one.state
        health = Health.DOWN if says else Health.UP
        if says and before is not None and one.failures < _FAILURES:
            health = before.health
        same = before is not None and before.health is health
        since = before.since if same and before is not None else self._now()
        one.state = CheckState(health, one.known_at - asked.begun, since, says)
        news = health is Health.DOWN if before is None else not same
        if news and self._changed is not None:
            self._changed(one.name, one.state)

    def _told(self, known: Iterable["_Known"]) -> Report:
        states: dict[str, CheckState] = {}
        health = Health.UP
        for one in known:
            if one.state is None:
                continue
            states[one.name] = one.state
            if one.state.health is Health.DOWN:
                critical = one.critical or health is Health.DOWN
                health = Health.DOWN if critical else Health.DEGRADED
        if self.starting:
            health = Health.STARTING
        elif self.draining:
            health = Health.DRAINING
        return Report(health, states)


class _Asked:
    """One call of a check.

    Attributes:
        noted: What it says, or that it says nothing, is known.
        over: Set when it has returned.
    """

    __slots__ = ("begun", "noted", "over")

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.noted = False
        self.over = anyio.Event()


class _Known:
    """What is asked, and what is known of it."""

    __slots__ = (
        "ask",
        "asked",
        "critical",
        "failures",
        "known_at",
        "name",
        "state",
        "timeout_s",
    )

    def __init__(self, name: str, target: Any) -> None:
        of_its_own = isinstance(target, HealthCheck)
        self.name = name
        self.critical: bool = target.critical if of_its_own else True
        self.timeout_s: float = target.timeout_s if of_its_own else _PING_S
        self.ask: Callable[[], Awaitable[object]] = target.check if of_its_own else target.ping
        self.state: CheckState | None = None
        self.failures = 0
        self.known_at = -math.inf
        self.asked: _Asked | None = None

    def fresh(self, at: float) -> bool:
        return at - self.known_at < _FRESH_S

    async def failure(self) -> str:
        """Ask, and return what is wrong; "" for nothing."""
        try:
            with anyio.move_on_after(self.timeout_s):
                await self.ask()
                return ""
        except anyio.get_cancelled_exc_class() as error:
            # Of our own task, or just of what it waited for: a driver that gave up, say.
            if anyio.get_current_task().has_pending_cancellation():
                raise
            return f"{type(error).__name__}: what the check waited for was cancelled"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return self.late

    @property
    def late(self) -> str:
        return f"no answer within {self.timeout_s:g} s"


def _name_of(target: object) -> str | None:
    """Return what a check, or something that can be pinged, is called; None for all else."""
    if isinstance(target, type):
        return None
    if isinstance(target, HealthCheck):
        return target.name
    # A function that only returns something to await is told by what it belongs to.
    ping = getattr(type(target), "ping", None)
    asynchronous = inspect.iscoroutinefunction(ping) or hasattr(type(target), "__aenter__")
    return type(target).__name__.lower() if callable(ping) and asynchronous else None


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free
