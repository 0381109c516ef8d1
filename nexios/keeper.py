"""Keeps an application alive on servers that send no lifespan events."""

import asyncio
from typing import Final

from nexios.adapters.asgi.lifespan import Lifespan


class NoLifespan(RuntimeError):
    """A server without lifespan events runs on another library than asyncio."""

    def __str__(self) -> str:
        return (
            "this server sends no lifespan events, and without them Nexios starts on asyncio only"
            "\n  fix: let the server run the lifespan, or enter it by hand in tests"
        )


class Keeper:
    """Starts the application at its first request, in a task that outlives the request.

    Task groups belong to the task that opened them, and no request lives long enough.
    """

    __slots__ = ("_lifespan", "_started", "_task")

    def __init__(self, lifespan: Lifespan) -> None:
        self._lifespan: Final = lifespan
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None

    async def started(self) -> None:
        """Wait until the application runs; whoever asks first starts it.

        Raises:
            Exception: What the start raised; the next request tries again.
        """
        if self._started is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                raise NoLifespan from None
            self._started = loop.create_future()
            self._task = asyncio.create_task(self._keep(self._started), name="nexios keeper")
        await asyncio.shield(self._started)

    async def end(self) -> None:
        """Stop what ``started`` started: for programs that call the app without a server."""
        if self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.wait([task])

    async def _keep(self, started: "asyncio.Future[None]") -> None:
        try:
            await self._lifespan.ensure()
        except Exception as error:
            self._started = None
            started.set_exception(error)
            return
        started.set_result(None)
        try:
            await asyncio.Event().wait()
        finally:
            # Only the end of the loop cancels this task; the next loop starts anew.
            self._task = self._started = None
            await self._lifespan.close()
