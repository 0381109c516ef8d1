"""The route that gives out tickets for sockets."""

from typing import Any

from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.application.errors import Forbidden
from nexios.auth.backends.ticket import TICKET_S, TicketBackend
from nexios.auth.decorator import auth
from nexios.auth.identity import identity_of


class NoTicketBackend(RuntimeError):
    """Tickets are given out, and nothing would believe them."""

    def __str__(self) -> str:
        return (
            "ticket_routes are mounted, and no backend proves users by tickets\n"
            "  fix: app.add_middleware(AuthenticationMiddleware(backend=[..., TicketBackend()]))"
        )


def ticket_routes(path: str = "/ticket") -> Router:
    """Return the route that gives a proven caller a ticket: ``POST /ticket``.

    It answers ``{"ticket": ..., "expires_in": 30}``, for ``new WebSocket("/ws?ticket=" + it)``.
    """
    router = Router(name="tickets", guards=[auth()])

    @router.post(path, name="ticket", summary="Get a ticket for one socket")
    async def ticket(request: Request, response: Response) -> Any:
        identity = identity_of(request)
        known = () if identity is None else identity.backends
        backend = next((one for one in known if isinstance(one, TicketBackend)), None)
        if backend is None:
            raise NoTicketBackend
        if identity is None or identity.proof is None or request.caller.actor is None:
            raise Forbidden("who is named by nothing cannot be given a ticket")
        response.set_header("cache-control", "no-store")
        given = await backend.issue(request, identity.proof)
        return response.json({"ticket": given, "expires_in": int(TICKET_S)})

    return router
