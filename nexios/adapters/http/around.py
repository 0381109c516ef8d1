"""Puts code around a handler that needs the request, though the handler may not ask for it."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from anyio import to_thread

from nexios.adapters.http.builder import Response
from nexios.adapters.http.registration import caller, evaluate_local_names
from nexios.adapters.http.request import Request

Handler = Callable[..., Any]
Call = Callable[[], Awaitable[Any]]
Around = Callable[..., Awaitable[Any]]

_REQUEST: Final = "nexios_request"
_RESPONSE: Final = "nexios_response"
_OWN: Final = (
    inspect.Parameter(_REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request),
    inspect.Parameter(_RESPONSE, inspect.Parameter.KEYWORD_ONLY, annotation=Response),
)


def around(handler: Handler, run: Around, *, method: bool = False) -> Handler:
    """Return a handler that calls ``run(request, response, call)``; ``call`` runs the old one.

    The new one asks for everything the old one asks for, so binding and injection stay as they
    are, and may itself be put into another. A ``def`` handler runs in a worker thread.

    Args:
        method: ``run`` takes the instance first: ``run(self, request, response, call)``.
    """
    evaluate_local_names(handler, caller())
    signature = inspect.signature(handler)
    within = _REQUEST in signature.parameters  # there is one around it already
    plain = not inspect.iscoroutinefunction(handler)

    @functools.wraps(handler)
    async def surrounded(*args: Any, **kwargs: Any) -> Any:
        request, response = _exchange(args, kwargs, keep=within)
        call = partial(handler, *args, **kwargs)
        inner: Call = partial(to_thread.run_sync, call) if plain else call
        return await run(*args[:1] if method else (), request, response, inner)

    if not within:
        surrounded.__signature__ = _asking(signature)  # type: ignore[attr-defined]  # inspect's
    return surrounded


def _exchange(
    args: tuple[Any, ...], kwargs: dict[str, Any], *, keep: bool
) -> tuple[Request, Response]:
    if _REQUEST in kwargs:
        take = kwargs.__getitem__ if keep else kwargs.pop
        return take(_REQUEST), take(_RESPONSE)
    # Called by hand, in a test: they stand among the arguments, as 2.11 passed them.
    given = (*args, *kwargs.values())
    request = next((one for one in given if isinstance(one, Request)), None)
    response = next((one for one in given if isinstance(one, Response)), None)
    if request is None or response is None:
        raise TypeError("a decorated handler is called with a request and a response")
    return request, response


def _asking(signature: inspect.Signature) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    at = len(parameters)
    if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        at -= 1
    return signature.replace(parameters=[*parameters[:at], *_OWN, *parameters[at:]])
