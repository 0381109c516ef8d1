"""The base of class middleware."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.encode import encode_beside
from nexios.adapters.http.pipeline import take
from nexios.adapters.http.request import Request

CallNext = Callable[..., Awaitable[Response]]


class BaseMiddleware:
    """Stands around the routes. One instance serves every request and holds settings only.

    A child overrides `process_request`, `process_response`, or ``__call__`` itself. What
    concerns sockets gets an ``async handshake(websocket)`` that raises to refuse.
    """

    stage: ClassVar[Stage] = Stage.USER
    requires: ClassVar[Sequence[Stage | type]] = ()

    def bind(self, app: Any) -> None:
        """Take what is needed from the app, once, at start. ``app`` stands floors above."""

    async def process_request(
        self,
        request: Request,  # noqa: ARG002  # for children
        response: Response,  # noqa: ARG002
        call_next: CallNext,
    ) -> object:
        """Pass on with ``await call_next()``, or answer in its place.

        Returns:
            None for the builder as it stands, or anything a handler may return.
        """
        return await call_next()

    async def process_response(
        self,
        request: Request,  # noqa: ARG002  # for children
        response: Response,  # noqa: ARG002
    ) -> object:
        """Change the answer; not called when `process_request` answered itself.

        Returns:
            None to keep the builder, or anything a handler may return.
        """
        return None

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        """Run both halves around the inner answer."""
        passed = False

        async def proceed(*arguments: object) -> Response:
            nonlocal passed
            passed = True
            return await call_next(*arguments)

        answer = await self.process_request(request, response, proceed)
        if not passed:
            return answer
        if answer is not None and answer is not response:
            take(response, encode_beside(response, answer))
        return await self.process_response(request, response)
