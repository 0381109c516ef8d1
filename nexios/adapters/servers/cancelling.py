"""Cancels tasks from outside without cutting through what they have shielded."""

import asyncio
from collections.abc import Iterable
from typing import Final

from anyio._backends import _asyncio as backend

_STEP_S: Final = 0.05


async def cancel_all(tasks: Iterable["asyncio.Task[None]"], within_s: float) -> int:
    """Cancel tasks once none of anyio's shields stands around them; return how many are left.

    ``Task.cancel()`` breaks such a shield, and would cut a commit in half; a scope of anyio
    around each request would respect it and costs 3 us each. So the shields are asked for here.

    Args:
        tasks: Tasks of this loop.
        within_s: How long to wait for their clean-ups.
    """
    loop = asyncio.get_running_loop()
    left = {task for task in tasks if not task.done()}
    told: set[asyncio.Task[None]] = set()
    until = loop.time() + within_s
    while left and loop.time() < until:
        for task in left - told:
            if not is_shielded(task):
                task.cancel("the server stops")
                told.add(task)
        _, left = await asyncio.wait(left, timeout=_STEP_S)
    return len(left)


def is_shielded(task: "asyncio.Task[None]") -> bool:
    """Return whether one of the scopes that a task has entered is a shield."""
    # anyio says it of the running task alone; a test holds the two names to what they mean.
    state = backend._task_states.get(task)  # noqa: SLF001
    scope = None if state is None else state.cancel_scope
    while scope is not None:
        if scope.shield:
            return True
        scope = scope._parent_scope  # noqa: SLF001
    return False
