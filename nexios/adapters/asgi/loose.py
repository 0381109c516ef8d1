"""Ends a request that opened a scope of its own before anybody knew that it would wait.

Cancel scopes end inside out, so none of ours can be put around such a one any more. Its task is
cancelled instead, as a scope would do it: not within a shield, not when what it waited for has
come, and again for as long as it goes on waiting.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from anyio._backends import _asyncio as backend

_AGAIN_S: Final = 0.02

# anyio says nothing in public about the scope a task stands in.
_states: Final[Any] = getattr(backend, "_task_states", None)
_ASKED: Final = frozenset({"_host_task", "_parent_scope"})

KNOWN: Final = _states is not None and _ASKED.issubset(
    getattr(backend.CancelScope, "__slots__", ())
)
"""Whether this anyio can be asked."""


class Step(Protocol):
    """Something begun that goes on.

    Attributes:
        waited: What it waits for; None where it only let others have their turn.
    """

    waited: "asyncio.Future[Any] | None"


def own_scope() -> bool:
    """Return whether the running task stands in a scope that it has entered itself."""
    task = asyncio.current_task()
    state = _states.get(task)
    if state is None or state.cancel_scope is None:
        return False
    return state.cancel_scope._host_task is task  # noqa: SLF001  # see the top of the file


def _shielded(task: "asyncio.Task[Any]") -> bool:
    state = _states.get(task)
    scope = None if state is None else state.cancel_scope
    while scope is not None and scope._host_task is task:  # noqa: SLF001
        if scope.shield:
            return True
        scope = scope._parent_scope  # noqa: SLF001
    return False


class TaskEnd:
    """Cancels the task it is made in, in place of a scope that was never entered.

    It has what `inflight.Flight` asks of a scope.

    Attributes:
        deadline: Kept for whoever sets it; the sweeper watches the time.
    """

    __slots__ = ("_before", "_handle", "_sent", "_step", "_task", "deadline")

    def __init__(self, step: Step) -> None:
        """Take what the task goes on with."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task waits")
        self.deadline = float("inf")
        self._task = task
        self._step = step
        self._before = task.cancelling()
        self._sent = 0
        self._handle: asyncio.Handle | None = None

    def cancel(self) -> None:
        """Cancel what the task waits for, at once or when it leaves its shield."""
        if self._handle is None:
            self._try()

    def _try(self) -> None:
        waited = self._step.waited
        if (waited is None or not waited.done()) and not _shielded(self._task):
            self._sent += 1
            self._task.cancel()
        again: Callable[[], None] = self._try
        self._handle = self._task.get_loop().call_later(_AGAIN_S, again)

    def __enter__(self) -> "TaskEnd":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Stop; return whether ``error`` is the cancellation sent from here and nobody else's."""
        if self._handle is not None:
            self._handle.cancel()
        for _ in range(self._sent):
            self._task.uncancel()
        return (
            self._sent > 0
            and isinstance(error, asyncio.CancelledError)
            and self._task.cancelling() <= self._before
        )
