"""Starts and stops an application by the ASGI lifespan protocol, once."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import anyio
from anyio.abc import TaskGroup

from nexios.adapters.asgi.types import Receive, Scope, Send

Start = Callable[[], Awaitable[Mapping[str, Any] | None]]
Stop = Callable[[], Awaitable[None]]


class Phase(Enum):
    """Where an application is between its start and its end."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Lifespan:
    """Calls ``start`` before the first request and ``stop`` after the last.

    ``start`` may return values for the server's lifespan state. When it raises it has undone
    what it had begun: ``stop`` is called only after a start that succeeded.
    """

    __slots__ = ("_done", "_start", "_stop", "phase", "values")

    def __init__(self, start: Start, stop: Stop) -> None:
        """Drive these two; nothing is called yet."""
        self._start = start
        self._stop = stop
        self._done: anyio.Event | None = None
        self.phase = Phase.NEW
        self.values: Mapping[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ``lifespan`` scope (ASGI 3.0, Lifespan Protocol)."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.ensure()
                except Exception as error:
                    text = describe(error)
                    await send({"type": "lifespan.startup.failed", "message": text})
                    return
                if "state" in scope:
                    scope["state"].update(self.values)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                try:
                    await self.close()
                except Exception as error:
                    text = describe(error)
                    await send({"type": "lifespan.shutdown.failed", "message": text})
                    return
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def ensure(self) -> None:
        """Start now unless started; whoever comes meanwhile waits for the same start.

        For servers without lifespan the first request calls this. A start that failed is tried
        again by the next who asks: a database may have come back.

        Raises:
            Exception: What ``start`` raised, to the one who called it.
            RuntimeError: The application is stopping.
        """
        while self.phase is not Phase.RUNNING:
            if self.phase is Phase.STOPPING:
                raise RuntimeError("the application is stopping and takes no more requests")
            if self.phase is Phase.STARTING and self._done is not None:
                await self._done.wait()
                continue
            self.phase = Phase.STARTING
            self._done = done = anyio.Event()
            try:
                self.values = await self._start() or {}
                self.phase = Phase.RUNNING
            finally:
                if self.phase is Phase.STARTING:
                    self.phase = Phase.NEW
                done.set()

    async def close(self) -> None:
        """Stop, if there is something to stop; afterwards it may be started again."""
        if self.phase is Phase.RUNNING:
            self.phase = Phase.STOPPING
            try:
                await self._stop()
            finally:
                self.phase = Phase.NEW


@asynccontextmanager
async def background() -> AsyncIterator[TaskGroup]:
    """Open a task group that is cancelled at the end and hands on an error of its body bare.

    A plain task group would wrap the reason of a failed start in an exception group.
    """
    reason: Exception | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except Exception as error:
            reason = error
        tasks.cancel_scope.cancel()
    if reason is not None:
        raise reason


async def run_all(blocks: Iterable[Callable[[], Awaitable[None]]], *, what: str) -> None:
    """Run every block although one before it raised, then raise what was raised.

    Raises:
        Exception: The one error there was.
        ExceptionGroup: Several errors, under the title ``what``.
    """
    errors: list[Exception] = []
    for block in blocks:
        try:
            await block()
        except Exception as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(what, errors)


def describe(error: BaseException) -> str:
    """Return the text of an error for a server's log: its name, its words, its notes."""
    if isinstance(error, BaseExceptionGroup):
        lines = [f"{type(error).__name__}: {error.message}"]
        lines += [f"  {line}" for e in error.exceptions for line in describe(e).splitlines()]
        return "\n".join(lines)
    words = str(error)
    name = type(error).__name__
    return "\n".join([f"{name}: {words}" if words else name, *getattr(error, "__notes__", ())])
