"""Takes note of errors at once, and hands reports of them on beside the requests."""

import logging
import platform
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

import anyio
from anyio.abc import TaskGroup

from nexios.adapters.observability.flattening import fingerprint_of, flattened, kind_of
from nexios.application.listening import Signals
from nexios.application.signals import ErrorRecorded
from nexios.application.tracking import ErrorReport, ErrorTracker, Kind, Occasion, tell
from nexios.records import dataclass

QUEUE: Final = 1_000
FLUSH_S: Final = 2.0
_APART_S: Final = 1.0
_GROUPS: Final = 1_000
_SINK_S: Final = 10.0
_SAY_AGAIN_S: Final = 60.0
_TEXTS: Final[Mapping[Kind, str]] = {
    "request": "error %s at %s",
    "socket": "error %s at %s",
    "work": "error %s: background work %s failed",
    "delivery": "error %s: delivery to %s is dead",
}

_log: Final = logging.getLogger("nexios.errors")


@dataclass(slots=True)
class Counts:
    """What became of the errors since the start.

    Attributes:
        noted: All of them.
        repeated: Without a report of their own, as the same was reported within the second.
        dropped: Their reports were pushed out of a full queue.
        recorded: Taken by the tracker.
        failed: The tracker raised, or took too long.
    """

    noted: int = 0
    repeated: int = 0
    dropped: int = 0
    recorded: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Group:
    reported_at: float
    id: str
    repeated: int = 0


class ErrorDesk:
    """Logs every error and reports one for each fingerprint and second to the tracker.

    Args:
        logger: Each error is one line of it; the traceback stands with those that are reported.
        version: Of the application, for the reports.
        with_locals: Tell local variables of the application's code, scrubbed.
        signals: Told of what is recorded.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        version: str = "",
        with_locals: bool = False,
        signals: Signals | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._logger = logger
        self._version = version
        self._with_locals = with_locals
        self._signals = Signals() if signals is None else signals
        self._clock = clock
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._queue: deque[ErrorReport] = deque()
        self._tracker: ErrorTracker | None = None
        self._woken = anyio.Event()
        self._ended: anyio.Event | None = None
        self._stopping = False
        self._trouble_said_at = -_SAY_AGAIN_S

    def note(self, error: BaseException, error_id: str, occasion: Occasion) -> None:
        """Take note of an error; never waits, never raises.

        Args:
            error: What nobody answered.
            error_id: What the client is shown.
            occasion: What was going on.
        """
        self.counts.noted += 1
        try:
            self._note(error, error_id, occasion)
        except Exception as failed:
            # An error whose own attributes raise must not become another error of the request.
            text = "error %s of %s could not be told"
            tell(_log, logging.ERROR, failed, text, error_id, kind_of(error))

    def start(self, tracker: ErrorTracker | None, tasks: TaskGroup) -> None:
        """Hand reports to a tracker from now on; without one they end in the log."""
        self._tracker = tracker
        self._stopping = False
        if tracker is not None:
            self._ended = anyio.Event()
            tasks.start_soon(self._hand_on, tracker, self._ended, name="nexios errors")

    async def stop(self) -> None:
        """Hand on what waits, for 2 s at most; the rest is dropped and counted."""
        self._groups.clear()
        if self._ended is not None:
            self._stopping = True
            self._wake()
            with anyio.move_on_after(FLUSH_S, shield=True):
                await self._ended.wait()
            self._ended = None
        self._tracker = None
        self.counts.dropped += len(self._queue)
        if self._queue:
            _log.warning("%d reports of errors were not handed on at the stop", len(self._queue))
            self._queue.clear()

    def _note(self, error: BaseException, error_id: str, occasion: Occasion) -> None:
        fingerprint, now = fingerprint_of(error), self._clock()
        group = self._groups.get(fingerprint)
        text = _TEXTS[occasion.kind]
        if group is not None and now - group.reported_at < _APART_S:
            group.repeated += 1
            self.counts.repeated += 1
            again = f"{text}, again as error %s: %s"
            self._logger.error(
                again, error_id, occasion.place, group.id, kind_of(error),
                extra={"error_id": error_id},
            )  # fmt: skip
            return
        repeated = 0 if group is None else group.repeated
        self._groups[fingerprint] = _Group(now, error_id)
        self._groups.move_to_end(fingerprint)
        if len(self._groups) > _GROUPS:
            self._groups.popitem(last=False)
        tell(self._logger, logging.ERROR, error, text, error_id, occasion.place, error_id=error_id)
        if self._signals.hears(ErrorRecorded):
            kind = kind_of(error)
            self._signals.tell(ErrorRecorded(error_id, fingerprint, occasion.kind, kind, repeated))
        if self._tracker is not None:
            self._put(self._report(error, error_id, fingerprint, occasion, repeated))

    def _report(
        self,
        error: BaseException,
        error_id: str,
        fingerprint: str,
        occasion: Occasion,
        repeated: int,
    ) -> ErrorReport:
        return ErrorReport(
            id=error_id,
            fingerprint=fingerprint,
            at=datetime.now(UTC),
            errors=flattened(error, with_locals=self._with_locals),
            occasion=occasion,
            versions={"app": self._version, **_below()},
            repeated=repeated,
        )

    def _put(self, report: ErrorReport) -> None:
        self._queue.append(report)
        if len(self._queue) > QUEUE:
            self._queue.popleft()
            self.counts.dropped += 1
        self._wake()

    def _wake(self) -> None:
        woken, self._woken = self._woken, anyio.Event()
        woken.set()

    async def _hand_on(self, tracker: ErrorTracker, ended: anyio.Event) -> None:
        try:
            while True:
                woken = self._woken
                while self._queue:
                    await self._record(tracker, self._queue.popleft())
                if self._stopping:
                    return
                await woken.wait()
        finally:
            ended.set()

    async def _record(self, tracker: ErrorTracker, report: ErrorReport) -> None:
        try:
            with anyio.fail_after(_SINK_S):
                await tracker.record(report)
        except Exception as failed:
            self.counts.failed += 1
            now = self._clock()
            # A tracker that is away is one line a minute, not one an error.
            if now - self._trouble_said_at >= _SAY_AGAIN_S:
                self._trouble_said_at = now
                tell(_log, logging.WARNING, failed, "reports of errors cannot be handed on")
        else:
            self.counts.recorded += 1


@cache
def _below() -> Mapping[str, str]:
    from importlib import metadata  # 10 ms, and most processes never report an error

    return {"nexios": metadata.version("nexios"), "python": platform.python_version()}


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors of one fingerprint: how many, and the last report."""

    fingerprint: str
    count: int
    last: ErrorReport


class MemoryErrors:
    """Keeps the last reports of this process. Implements ``ErrorTracker``.

    Args:
        limit: How many.
    """

    def __init__(self, limit: int = 200) -> None:
        self._reports: deque[ErrorReport] = deque(maxlen=limit)

    async def record(self, report: ErrorReport) -> None:
        """Keep one; the oldest is forgotten."""
        self._reports.append(report)

    async def recent(self, limit: int = 50) -> Sequence[ErrorReport]:
        """Return the last ones, the youngest first."""
        return list(self._reports)[::-1][:limit]

    async def groups(self) -> Sequence[ErrorGroup]:
        """Return the kept ones by fingerprint, the youngest first."""
        found: dict[str, ErrorGroup] = {}
        for one in reversed(self._reports):
            known = found.get(one.fingerprint) or ErrorGroup(one.fingerprint, 0, one)
            found[one.fingerprint] = replace(known, count=known.count + 1 + one.repeated)
        return list(found.values())


class SeveralTrackers:
    """Hands each report to several trackers at once. Implements ``ErrorTracker``.

    Args:
        trackers: One that fails or is slow keeps nothing from the others.
    """

    def __init__(self, *trackers: ErrorTracker) -> None:
        self._trackers = trackers

    async def record(self, report: ErrorReport) -> None:
        """Hand it to all.

        Raises:
            ExceptionGroup: Some of them failed.
        """
        failed: list[Exception] = []

        async def hand(tracker: ErrorTracker) -> None:
            try:
                await tracker.record(report)
            except Exception as error:
                failed.append(error)

        async with anyio.create_task_group() as tasks:
            for one in self._trackers:
                tasks.start_soon(hand, one)
        if failed:
            raise ExceptionGroup("trackers of errors failed", failed)
