"""A time limit for the head of an answer."""

from typing import ClassVar

import anyio

from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.application.errors import TimedOut
from nexios.middleware.base import BaseMiddleware, CallNext


class TimeoutMiddleware(BaseMiddleware):
    """Cancels what takes longer than ``seconds`` and answers 504; clean-ups have run by then.

    The time ends with the answer's head: streams and background work have all they need. It may
    also stand on a router or a route, where only a shorter time than the app's has an effect. A
    ``def`` handler cannot be cancelled: its thread ends by itself, and the answer waits for it.

    Args:
        seconds: Above zero.

    Raises:
        ValueError: It is not.
    """

    stage: ClassVar[Stage] = Stage.SHEDDER

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < float("inf"):
            raise ValueError(f"a time limit is above zero seconds, not {seconds}")
        self._seconds = seconds

    async def __call__(
        self,
        request: Request,  # noqa: ARG002  # the form of middleware
        response: Response,  # noqa: ARG002
        call_next: CallNext,
    ) -> object:
        """Pass on, for so long.

        Raises:
            TimedOut: It took longer.
        """
        # A scope, since a cancelled task would break the shields of commits (3 us).
        with anyio.move_on_after(self._seconds):
            return await call_next()
        raise TimedOut("the request took too long")
