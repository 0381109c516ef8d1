"""Tells which cancel scope a task is in, for generators that leave one open at their yield."""

# ruff: noqa: SLF001  # what anyio and trio say to nobody is asked here, and nowhere else

import asyncio
import dis
import inspect
import sys
from collections.abc import Callable
from typing import Any, Final

import anyio

_ASKED: Final = frozenset({"_child_scopes", "_host_task", "_parent_scope", "_tasks"})
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


def encloser_of(scope_type: type[anyio.CancelScope]) -> "type[Enclosing] | None":
    """Return what puts a scope around others that are entered already; None where that is unknown.

    It is known of asyncio's scopes as anyio makes them now; trio enters no scope afterwards.
    """
    states: Any = getattr(sys.modules[scope_type.__module__], "_task_states", None)
    known = states is not None and _ASKED.issubset(getattr(scope_type, "__slots__", ()))
    return Enclosing if known and hasattr(scope_type, "_effectively_cancelled") else None


class Enclosing:
    """Enters a scope within one and around all that the task has entered in that one since.

    What has begun without a scope and turns out to wait may have opened some of its own, and
    scopes end inside out. Made of the private state of anyio, of which `encloser_of` makes sure.
    """

    __slots__ = ("_around", "_scope")

    def __init__(self, scope: anyio.CancelScope, around: object) -> None:
        """Take the scope, and what was the innermost one before; None for none."""
        self._scope: Any = scope
        self._around: Any = around

    @staticmethod
    def closed(around: Any) -> bool:
        """Return whether nothing can wait within a scope any more: it, or one around, is over."""
        return around is not None and bool(around._effectively_cancelled)

    def __enter__(self) -> None:
        task, scope, around = asyncio.current_task(), self._scope, self._around
        state = sys.modules[type(scope).__module__]._task_states.get(task)
        innermost: Any = None if state is None else state.cancel_scope
        if innermost is around:
            scope.__enter__()
            return
        outermost = innermost
        while outermost._parent_scope is not around:
            outermost = outermost._parent_scope
        state.cancel_scope = around
        scope.__enter__()
        if around is not None:
            around._child_scopes.discard(outermost)
        outermost._parent_scope = scope
        scope._child_scopes.add(outermost)
        scope._tasks.discard(task)
        state.cancel_scope = innermost

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        return bool(self._scope.__exit__(kind, error, trace))


def may_hold(source: object) -> bool:
    """Return whether an async generator function may yield inside a cancel scope of its own."""
    code = getattr(source, "__code__", None)
    if code is None or not code.co_flags & inspect.CO_ASYNC_GENERATOR:
        return True  # it calls or wraps the one that yields
    if not _BY_HAND.isdisjoint(code.co_names):
        return True
    return any(step.opname in _ENTERING for step in dis.get_instructions(code))
