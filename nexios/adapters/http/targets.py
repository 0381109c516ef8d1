"""Makes a handler into what the container calls: off the loop, its keywords spelled out."""

import functools
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from anyio import to_thread

from nexios.container.signature import SourceKind, kind_of

Handler = Callable[..., Any]


def target_of(handler: Handler, path: Iterable[str], *, threaded: bool | None) -> Handler:
    """Return the callable for the entry point.

    Args:
        handler: As registered.
        path: Names of the path's values; those no parameter names go to ``**keywords``.
        threaded: Whether a ``def`` handler runs in a worker thread; None means yes.
    """
    target = handler
    if threaded is not False and kind_of(handler) in (SourceKind.FUNCTION, SourceKind.GENERATOR):
        target = _in_thread(handler)
    elif kind_of(handler) is SourceKind.ASYNC_GENERATOR:
        target = _awaited(handler)
    return _spelled_out(target, path)


def _in_thread(handler: Handler) -> Handler:
    @functools.wraps(handler)
    async def in_thread(*args: Any, **kwargs: Any) -> Any:
        return await to_thread.run_sync(partial(handler, *args, **kwargs))

    return in_thread


def _awaited(handler: Handler) -> Handler:
    """Return a coroutine function in place of an async generator's, which awaits nothing itself.

    What is made for it may await then.
    """

    @functools.wraps(handler)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return handler(*args, **kwargs)

    return awaited


def _spelled_out(handler: Handler, path: Iterable[str]) -> Handler:
    """Return the handler with a parameter for each path value ``**keywords`` would take."""
    signature = inspect.signature(handler)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[-1].kind is not inspect.Parameter.VAR_KEYWORD:
        return handler
    rest = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
        for name in path
        if name not in signature.parameters
    ]

    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def spelled_out(*args: Any, **kwargs: Any) -> Any:
            return await handler(*args, **kwargs)
    else:

        @functools.wraps(handler)
        def spelled_out(*args: Any, **kwargs: Any) -> Any:
            return handler(*args, **kwargs)

    known = [*parameters[:-1], *rest]
    spelled_out.__signature__ = signature.replace(parameters=known)  # type: ignore[attr-defined]
    return spelled_out
