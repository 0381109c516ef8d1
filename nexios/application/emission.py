"""What came of one ``emit``: numbers to read, and async listeners to wait for."""

import uuid
import warnings
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup


class Emission(dict[str, Any]):
    """What came of an ``emit``, to be read as a dict; awaiting it waits for async listeners.

    Keys: ``event_id``, ``listeners_executed`` (called or started), ``execution_time`` in seconds
    (of the sync ones), ``failed`` (listeners that raised), ``cancelled``; ``reason`` when the
    event is disabled. Values are of several types, hence ``Any``.
    """

    def __init__(self, event: str, **values: Any) -> None:
        super().__init__(event_id=str(uuid.uuid4()), listeners_executed=0, execution_time=0.0)
        self.update({"failed": 0, "cancelled": False, **values})
        self._event = event
        self._waiting: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._running = 0
        self._idle: anyio.Event | None = None

    def __await__(self) -> Generator[Any, None, "Emission"]:
        return self._finished().__await__()

    def start(self, run: Callable[[], Coroutine[Any, Any, None]], tasks: TaskGroup | None) -> None:
        """Run an async listener now, or, where nobody keeps tasks, when this is awaited."""
        if tasks is None:
            self._waiting.append(run)
            return
        self._running += 1
        tasks.start_soon(partial(self._counted, run), name=f"listener of {self._event}")

    async def _counted(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await run()
        finally:
            self._running -= 1
            if self._running == 0 and self._idle is not None:
                self._idle.set()

    async def _finished(self) -> "Emission":
        waiting, self._waiting = self._waiting, []
        async with anyio.create_task_group() as tasks:
            for run in waiting:
                tasks.start_soon(run)
        if self._running:
            if self._idle is None:
                self._idle = anyio.Event()
            await self._idle.wait()
        return self

    def __del__(self) -> None:
        if self._waiting:
            text = f"async listeners of {self._event!r} never ran: await emitter.emit(...)"
            warnings.warn(text, RuntimeWarning, stacklevel=2, source=self)
