"""An id for each request, in answers and problems."""

import secrets
from typing import ClassVar

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.headers import encode_name
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.application.request_ids import told_id
from nexios.middleware.base import BaseMiddleware, CallNext


class RequestIdMiddleware(BaseMiddleware):
    """Gives each request an id: ``scope["request_id"]``, every answer's header, every problem.

    An id that came is kept if it is 1 to 128 of ``A-Z a-z 0-9 . _ -``; anything else could break
    a line of a log and is replaced by 128 random bits.

    Args:
        header_name: In which it comes and goes.

    Raises:
        InvalidHeader: That is no name of a header (a ValueError).
    """

    stage: ClassVar[Stage] = Stage.FIREWALL

    def __init__(self, header_name: str = "X-Request-ID") -> None:
        self._name = encode_name(header_name)

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        """Note the id, then pass on."""
        await self.mark(request, response)
        return await call_next()

    async def mark(self, request: Request, response: Response) -> None:
        """Note the id on whatever is answered, refusals made further out included."""
        response.on_send(((self._name, self._noted(request).encode("ascii")),))

    async def handshake(self, websocket: Connection) -> None:
        """Note the id of a socket; it is in the problem of a refusal."""
        self._noted(websocket)

    def _noted(self, connection: Connection) -> str:
        scope = connection.scope
        # Without one of the client's own, the one that log lines have already.
        found: str = told_id(scope["headers"], self._name) or scope.get("request_id", "")
        scope["request_id"] = found = found or secrets.token_hex(16)
        return found
