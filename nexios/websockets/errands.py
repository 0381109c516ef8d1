"""The tasks of one hub: each can fail alone, all end together."""

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup


class Errands:
    """Runs tasks in a task group that outlives them."""

    def __init__(self, tasks: TaskGroup, report: Callable[[BaseException, str], None]) -> None:
        """Run them in ``tasks``; ``report`` is told of those that fail."""
        self._tasks = tasks
        self._report = report
        self._scopes: set[anyio.CancelScope] = set()
        self._idle: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._scopes)

    def begin(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run one; a fault in it is told and touches nothing else."""
        scope = anyio.CancelScope()
        self._scopes.add(scope)
        self._tasks.start_soon(self._run, work, scope)

    async def end(self) -> None:
        """Cancel all and return when they have ended."""
        for scope in tuple(self._scopes):
            scope.cancel()
        if self._scopes:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def _run(self, work: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await work()
        except Exception as error:
            self._report(error, "a task of the channels failed")
        finally:
            self._scopes.discard(scope)
            if not self._scopes and self._idle is not None:
                self._idle.set()
