"""Keeps what another server published, and asks again neither too late nor too often."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from nexios.application.errors import Unavailable

T = TypeVar("T")

_log: Final = logging.getLogger("nexios.security")


class Kept(Generic[T]):
    """A value that is loaded when somebody first asks, and again when it has grown old.

    All who wait share one load, which goes on when any of them is cancelled. While the source is
    down an old value is still given, and nobody waits for an attempt that is likely to fail.

    Args:
        load: Gets the value; says `Unavailable` when it cannot.
        fresh_s: How long a value is given without asking again.
        stale_s: How much longer while the source is down.
        retry_s: Between the beginnings of two loads, whatever became of the first.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[T]],
        *,
        fresh_s: float = 600.0,
        stale_s: float = 3600.0,
        retry_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._retry_s = retry_s
        self._clock = clock
        self._value: T | None = None
        self._loaded_at = 0.0
        self._tried_at: float | None = None
        self._failure: Unavailable | None = None
        self._task: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """Return the value, not older than it may be.

        Raises:
            Unavailable: There is none, and the source does not give one now.
        """
        if not self._within(self._fresh_s):
            # Known to be down, and something is there to go on with: nobody waits.
            patient = self._failure is None or not self._within(self._fresh_s + self._stale_s)
            await self._tried(wait=patient)
        if self._value is None or not self._within(self._fresh_s + self._stale_s):
            raise self._refusal()
        return self._value

    async def again(self) -> T:
        """Return the value as it is after another load, if one may begin; for who missed a part.

        Raises:
            Unavailable: The source is down, so nobody knows whether the part is there now.
        """
        await self._tried(wait=True)
        if self._value is None or self._failure is not None:
            raise self._refusal()
        return self._value

    def _within(self, age_s: float) -> bool:
        return self._value is not None and self._clock() - self._loaded_at < age_s

    async def _tried(self, *, wait: bool) -> None:
        """Join the load that runs, or begin one if it is time; return at once if it is not."""
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or task.get_loop() is not loop:  # a loop that ended took its load along
            now = self._clock()
            if self._tried_at is not None and now - self._tried_at < self._retry_s:
                return
            self._tried_at = now
            # Its own context: nothing of the request that happened to begin it may be seen in it.
            task = loop.create_task(
                self._once(), name="nexios kept", context=contextvars.Context()
            )
            self._task = task
        if wait:
            await asyncio.shield(task)

    async def _once(self) -> None:
        try:
            value = await self._load()
        except Unavailable as failure:
            if self._failure is None:
                _log.warning("a source is down: %s", failure)
            self._failure = failure
        else:
            if self._failure is not None:
                _log.info("a source is back")
            self._value, self._loaded_at, self._failure = value, self._clock(), None
        finally:
            self._task = None

    def _refusal(self) -> Unavailable:
        since = self._clock() - (self._tried_at or 0.0)
        refusal = Unavailable(retry_after_s=max(1.0, self._retry_s - since))
        refusal.__cause__ = self._failure
        return refusal
