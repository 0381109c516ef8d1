"""A time limit for the head of an answer."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import anyio

from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.adapters.http.timing import MARK
from nexios.application.errors import TimedOut
from nexios.middleware.base import BaseMiddleware, CallNext

H = TypeVar("H", bound=Callable[..., Any])


class TimeoutMiddleware(BaseMiddleware):
    """Sets ``limits.request_s``: what takes longer is cancelled and answered with 504.

    On the app it holds for every route, on a router or route for those alone; a `deadline` of
    the route counts more. Clean-ups have run when the answer goes out. The time ends with the
    answer's head: streams and background work have all they need. A ``def`` handler cannot be
    cancelled: its thread ends by itself, and the answer waits for it.

    Args:
        seconds: Above zero.

    Raises:
        ValueError: It is not.
    """

    stage: ClassVar[Stage] = Stage.SHEDDER

    def __init__(self, seconds: float) -> None:
        self.request_s = _checked(seconds)

    async def __call__(
        self,
        request: Request,  # noqa: ARG002  # the form of middleware
        response: Response,  # noqa: ARG002
        call_next: CallNext,
    ) -> object:
        """Pass on, for so long. Asked where something stands around it, as `only_for` does.

        Raises:
            TimedOut: It took longer.
        """
        # A scope, since a cancelled task would break the shields of commits (3 us).
        with anyio.move_on_after(self.request_s):
            return await call_next()
        raise TimedOut("the request took too long")


def deadline(seconds: float) -> Callable[[H], H]:
    """Give a handler or controller class its own time to the head of its answer: ``limits.
    request_s`` for it alone, more or less than the app's. What it asks of a database is cut to
    what is left of it.

    Raises:
        ValueError: It is not above zero.
    """
    _checked(seconds)

    def decorate(handler: H) -> H:
        setattr(handler, MARK, seconds)
        return handler

    return decorate


def _checked(seconds: float) -> float:
    if not 0 < seconds < float("inf"):
        raise ValueError(f"a time limit is above zero seconds, not {seconds}")
    return seconds
