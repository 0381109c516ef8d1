"""What links to brokers have in common: their state, who is told of it, and when to try again."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from nexios.application.backplane import Link, LinkState

_FIRST_S: Final = 0.1
_LONGEST_S: Final = 5.0


class LinkBoard:
    """Holds the state of one link; tells a change once, on the loop that noticed it."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Link], None]] = []
        self.up = False

    def listen(self, changed: Callable[[Link], None]) -> None:
        """Tell ``changed`` of every change from now on."""
        self._listeners.append(changed)

    def tell(self, state: LinkState, reason: str = "") -> None:
        """Note the state, and tell it when it is another one."""
        up = state is LinkState.UP
        if up is self.up:
            return
        self.up = up
        for changed in tuple(self._listeners):
            changed(Link(state, reason))


class Backoff:
    """Pauses that grow from 0.1 s to 5 s, half of each by chance, so that not all come at once."""

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._next_s = _FIRST_S

    async def wait(self) -> None:
        """Pause."""
        pause, self._next_s = self._next_s, min(self._next_s * 2, _LONGEST_S)
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # no secret


async def ended(task: "asyncio.Task[None] | None") -> None:
    """Cancel a task and wait until it is over, on whichever loop it ran.

    A library that waits with a limit of its own may take a cancellation for that limit, so one
    is not always enough.
    """
    if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
        return
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=1.0)
