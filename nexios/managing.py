"""What an application serves on its management port: health with details, and metrics."""

from nexios.adapters.asgi.types import ASGIApp, Receive, Scope, Send
from nexios.adapters.http.health import HealthDoor
from nexios.adapters.http.response import BaseResponse, JSONResponse


class Management:
    """An ASGI application of its own, for whoever reaches the second listener.

    Nothing of the application's routes, middleware or limits is in it, so that an operator sees
    how things are whatever else refuses to answer.
    """

    def __init__(self, door: HealthDoor, metrics: ASGIApp | None, metrics_path: str) -> None:
        """Serve these.

        Args:
            door: Answers probes, with details.
            metrics: The page of metrics; None where none are counted.
            metrics_path: Where that is.
        """
        self._door = door
        self._metrics = metrics
        self._metrics_path = metrics_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._metrics is not None and scope["path"] == self._metrics_path:
            await self._metrics(scope, receive, send)
        else:
            await (await self._answer(scope))(scope, receive, send)

    async def _answer(self, scope: Scope) -> BaseResponse:
        if self._door.serves(scope):
            return await self._door.answer(scope)
        return JSONResponse(
            {"title": "Not Found", "status": 404},
            404,
            {"content-type": "application/problem+json", "cache-control": "no-store"},
        )
