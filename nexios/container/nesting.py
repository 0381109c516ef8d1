"""Tells which cancel scope a task is in, for generators that leave one open at their yield."""

import asyncio
import dis
import inspect
import sys
from collections.abc import Callable
from typing import Any, Final

import anyio

_ENTERING: Final = {"BEFORE_WITH", "BEFORE_ASYNC_WITH", "LOAD_SPECIAL", "GET_AITER"}
_BY_HAND: Final = {"__enter__", "__aenter__"}


def nowhere() -> object:
    """Return None: no cancel scope is known of."""
    return None


def innermost_of(scope_type: type[anyio.CancelScope]) -> Callable[[], object]:
    """Return what tells the innermost cancel scope of the running task.

    Neither anyio nor trio says it in public. Where what is read here is gone, None is told, and a
    generator that yields inside a task group fails at its end: tests pin it.
    """
    module = scope_type.__module__
    states: Any = getattr(sys.modules[module], "_task_states", None)
    if states is not None:

        def of_asyncio() -> object:
            return getattr(states.get(asyncio.current_task()), "cancel_scope", None)

        return of_asyncio
    trio: Any = sys.modules.get("trio") if module.endswith("._trio") else None
    if trio is not None:
        current: Callable[[], object] = trio.lowlevel.current_task
        return lambda: getattr(current(), "_cancel_status", None)
    return nowhere


def may_hold(source: object) -> bool:
    """Return whether an async generator function may yield inside a cancel scope of its own."""
    code = getattr(source, "__code__", None)
    if code is None or not code.co_flags & inspect.CO_ASYNC_GENERATOR:
        return True  # it calls or wraps the one that yields
    if not _BY_HAND.isdisjoint(code.co_names):
        return True
    return any(step.opname in _ENTERING for step in dis.get_instructions(code))
