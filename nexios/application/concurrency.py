"""Small helpers that 2.11 had, on anyio: they run on asyncio and trio alike."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

import anyio
from anyio import to_thread

T = TypeVar("T")
P = ParamSpec("P")


async def run_in_threadpool(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function in a worker thread and return what it returns."""
    return await to_thread.run_sync(partial(func, *args, **kwargs))


async def run_until_first_complete(
    *calls: Callable[[], Awaitable[Any]] | tuple[Callable[..., Awaitable[Any]], dict[str, Any]],
) -> Any:
    """Run async functions beside each other and return what the first to end returns.

    The others are cancelled and have ended by then. A function with its keywords is given as
    ``(function, {"name": value})``.

    Raises:
        ExceptionGroup: One of them raised.
        ValueError: There is none.
    """
    if not calls:
        raise ValueError("there is nothing to run")
    results: list[Any] = []
    async with anyio.create_task_group() as tasks:

        async def run(call: Callable[[], Awaitable[Any]]) -> None:
            results.append(await call())
            tasks.cancel_scope.cancel()

        for one in calls:
            call = partial(one[0], **one[1]) if isinstance(one, tuple) else one
            tasks.start_soon(run, call)
    return results[0]


class AsyncLazy(Generic[T]):
    """A value computed when it is first asked for, once for all who ask meanwhile."""

    def __init__(self, func: Callable[[], Awaitable[T]]) -> None:
        """Compute the value by awaiting ``func()``."""
        self._func = func
        self._lock = anyio.Lock()
        self._value: tuple[T] | None = None

    async def get(self) -> T:
        """Return the value. When computing it raises, the next who asks tries again."""
        if self._value is None:
            async with self._lock:
                if self._value is None:
                    self._value = (await self._func(),)
        return self._value[0]

    def reset(self) -> None:
        """Forget the value."""
        self._value = None
