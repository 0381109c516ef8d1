"""Locks under which objects are made; of makers that wait for each other one is refused.

A ring is seen from task to task, and from thread to thread. A maker that waits for a child task of
its own, which waits for the maker's object, is seen by nobody: the two are strangers here.
"""

import threading
from collections.abc import Sequence
from dataclasses import field
from types import TracebackType

import anyio

from nexios.container.errors import Deadlock
from nexios.records import dataclass


@dataclass(slots=True)
class Waits:
    """Who waits for which lock, in one container: a chain that leads back would never end."""

    tasks: "dict[int, TaskLock]" = field(default_factory=dict)
    threads: "dict[int, ThreadLock]" = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)


class TaskLock:
    """Held by the task that makes an object, over its awaits."""

    __slots__ = ("_lock", "_waits", "title")

    def __init__(self, title: str, waits: Waits) -> None:
        """Take the name of what is made under it."""
        self.title = title
        self._waits = waits
        self._lock = anyio.Lock(fast_acquire=True)

    @property
    def owner(self) -> int | None:
        """The task that holds it, or that it was handed to."""
        task = self._lock.statistics().owner
        return None if task is None else task.id

    async def __aenter__(self) -> None:
        """Wait until nobody makes the object.

        Raises:
            Deadlock: Its maker waits, itself or by others, for what this task makes.
        """
        try:
            self._lock.acquire_nowait()
        except anyio.WouldBlock:
            await self._wait()
        except RuntimeError:  # the task holds it already
            raise Deadlock((self.title,)) from None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the next one in."""
        self._lock.release()

    async def _wait(self) -> None:
        task, waiting = anyio.get_current_task().id, self._waits.tasks
        if ring := _ring(task, self, waiting):
            raise Deadlock(ring)
        waiting[task] = self
        try:
            await self._lock.acquire()
        finally:
            del waiting[task]


class ThreadLock:
    """Held by the thread that makes an object, without awaits."""

    __slots__ = ("_lock", "_waits", "owner", "title")

    def __init__(self, title: str, waits: Waits) -> None:
        """Take the name of what is made under it."""
        self.title = title
        self.owner: int | None = None
        self._waits = waits
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Wait until nobody makes the object.

        Raises:
            Deadlock: Its maker waits, itself or by others, for what this thread makes.
        """
        if not self._lock.acquire(blocking=False):
            self._wait()
        self.owner = threading.get_ident()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the next one in."""
        self.owner = None
        self._lock.release()

    def _wait(self) -> None:
        thread, waiting = threading.get_ident(), self._waits.threads
        # Looked up and noted in one step: of two that come at once, the second sees the first.
        with self._waits.guard:
            if ring := _ring(thread, self, waiting):
                raise Deadlock(ring)
            waiting[thread] = self
        try:
            self._lock.acquire()
        finally:
            with self._waits.guard:
                del waiting[thread]


def _ring(
    asker: int,
    wanted: TaskLock | ThreadLock,
    waiting: "dict[int, TaskLock] | dict[int, ThreadLock]",
) -> Sequence[str]:
    """Return what would be waited for in a ring; empty when the wait ends by itself."""
    titles: list[str] = []
    seen: set[int] = set()
    lock: TaskLock | ThreadLock | None = wanted
    while lock is not None:
        owner = lock.owner
        titles.append(lock.title)
        if owner == asker:
            return (titles[-1], *titles[:-1])
        if owner is None or owner in seen:
            return ()
        seen.add(owner)
        lock = waiting.get(owner)
    return ()
