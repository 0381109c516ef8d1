"""Cancels a handler whose client has gone: ``cancel_on_disconnect=True`` on a route."""

from collections.abc import Callable
from typing import Any, Final

import anyio

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.lifespan import background
from nexios.adapters.http.around import Call, around
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request

LOOK_S: Final = 0.1
"""How often a running handler's connection is looked at."""


def cancelled_on_disconnect(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return a handler that is cancelled when its client leaves.

    A unit of work it has begun is rolled back, and nothing is answered. A ``def`` handler runs
    in a thread, which nobody can cancel: it ends first.
    """
    return around(handler, _watched)


async def _watched(request: Request, _response: Response, call: Call) -> Any:
    gone = False
    result: Any = None
    async with background() as tasks:

        async def watch() -> None:
            nonlocal gone
            while not await request.is_disconnected():  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(LOOK_S)
            gone = True
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch, name="nexios watch for a client that leaves")
        result = await call()
        gone = False  # it was done in time
    if gone:
        raise ClientDisconnect
    return result
