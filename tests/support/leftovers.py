"""Fails a test that leaves something behind: tasks, descriptors, apps that still run.

A folder is watched by ``from tests.support.leftovers import pytest_itemcollected`` in its
``conftest.py``. What fixtures opened before the test is theirs.
"""

import asyncio
import functools
import gc
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
import sniffio

from nexios.websockets.hub import RUNNING, Hub

LOOKS: Final = 100
"""Each after a pause in which others run: seconds alone may pass while nobody does."""
_PAUSE_S: Final = 0.02
_OPEN: Final = Path("/proc/self/fd")


class Left(AssertionError):
    """A test has left something behind."""


class Before:
    """What there was when a test began."""

    def __init__(self) -> None:
        self._tasks = _tasks()
        self._open = _open()
        self._hubs = _hubs()

    def left(self) -> list[str]:
        """Return what has come since and is still there."""
        # The hub of a fixture keeps tasks for what the test joined; it ends them when it stops.
        found = [] if self._hubs else [f"a task: {task!r}" for task in _tasks() - self._tasks]
        gone = _open()
        found += [f"a descriptor: {gone[number]}" for number in gone.keys() - self._open.keys()]
        new = (hub for hub in _hubs() if hub not in self._hubs)
        return found + [f"an app that runs: {hub.app!r}" for hub in new]


def watched(test: Callable[..., Any]) -> Callable[..., Any]:
    """Return the test with a look at what it leaves; what is on its way out has two seconds."""
    if not inspect.iscoroutinefunction(test):

        @functools.wraps(test)
        def alone(*args: Any, **named: Any) -> None:
            before = Before()
            test(*args, **named)
            looks = LOOKS
            while _swept(before, looks):
                looks -= 1
                time.sleep(_PAUSE_S)

        return alone

    @functools.wraps(test)
    async def awaited(*args: Any, **named: Any) -> None:
        before = Before()
        await test(*args, **named)
        looks = LOOKS
        while _swept(before, looks):  # nothing tells that it is gone
            looks -= 1
            await anyio.sleep(_PAUSE_S)

    return awaited


def pytest_itemcollected(item: pytest.Item) -> None:
    """Watch every test but those that hypothesis repeats, and those whose fixture watches.

    The pool of the fixture ``nexios_database`` opens in the test and closes after it.
    """
    if not isinstance(item, pytest.Function) or hasattr(item.obj, "hypothesis"):
        return
    if "nexios_database" not in item.fixturenames:
        item.obj = watched(item.obj)


def _swept(before: Before, looks: int) -> bool:
    if not before.left():
        return False
    gc.collect()
    left = before.left()
    if left and not looks:
        raise Left("; ".join(left))
    return bool(left)


def _tasks() -> set["asyncio.Task[Any]"]:
    try:
        library = sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return set()
    return asyncio.all_tasks() if library == "asyncio" else set()


def _hubs() -> tuple[Hub, ...]:
    try:
        sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return ()
    return RUNNING.all


def _open() -> dict[int, str]:
    found = {}
    for one in _OPEN.iterdir() if _OPEN.exists() else ():
        try:
            found[int(one.name)] = str(one.readlink())
        except OSError:
            continue  # the one that lists them
    return found
