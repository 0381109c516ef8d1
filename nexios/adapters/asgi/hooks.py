"""What an application runs at its start and at its end, in order of registration."""

import inspect
import warnings
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, overload

from nexios.adapters.asgi.lifespan import run_all

Hook = Callable[[], Awaitable[Any] | Any]
"""Takes nothing; its result, awaited where it can be, is dropped, hence Any."""

K = TypeVar("K", bound=Hook)


class Hooks:
    """The hooks of one moment."""

    __slots__ = ("_hooks",)

    def __init__(self) -> None:
        self._hooks: list[Hook] = []

    @overload
    def add(self, hook: None) -> Callable[[K], K]: ...
    @overload
    def add(self, hook: K) -> K: ...
    def add(self, hook: Any) -> Any:
        """Add a hook and give it back; without one, return the decorator that does."""

        def register(function: K) -> K:
            self._hooks.append(function)
            return function

        return register if hook is None else register(hook)

    @property
    def names(self) -> list[str]:
        """How the hooks are called, for texts."""
        return [getattr(hook, "__qualname__", None) or repr(hook) for hook in self._hooks]

    async def run(self) -> None:
        """Run them one after the other; the first that raises ends it."""
        for hook in self._hooks:
            await _run(hook)

    async def run_every(self, *, what: str) -> None:
        """Run all of them, also after one raised.

        Raises:
            ExceptionGroup: Several raised; its title is ``what``.
        """
        await run_all((partial(_run, hook) for hook in self._hooks), what=what)


def warn_unrun(*hooks: Hooks) -> None:
    """Warn of hooks that do not run, since a lifespan manager stands in for them."""
    names = [name for one in hooks for name in one.names]
    if names:
        warnings.warn(f"with lifespan= these hooks do not run: {', '.join(names)}", stacklevel=3)


async def _run(hook: Hook) -> None:
    result = hook()
    if inspect.isawaitable(result):
        await result
