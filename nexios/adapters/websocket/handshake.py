"""What stands before a socket's handler: middleware by stage, the Origin rule, refusals."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from nexios.adapters.asgi.origins import OriginSet, own_origin, parse_origin
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.websocket.caps import Caps
from nexios.adapters.websocket.closing import (
    FAULT,
    INTERNAL,
    INTERNAL_DETAIL,
    Denied,
    HandshakeInvalid,
    Refusal,
    meaning_of,
    problem,
    words_of,
)
from nexios.adapters.websocket.first_message import FirstMessage
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.errors import Unauthenticated

_NO_ORIGIN: Final = "a cookie proves nothing without an Origin"

COOKIE_PROOF: Final = "nexios.cookie_proof"
"""The scope's key that is true where a browser sent the proof by itself (auth/identity.py)."""


@runtime_checkable
class Handshakes(Protocol):
    """A middleware that concerns sockets."""

    async def handshake(self, websocket: WebSocket) -> None:
        """Return to let the handshake go on, raise to refuse it."""
        ...


class Handshake:
    """The order of realtime.md 9.7, from Host to policy; the container's plan does the rest."""

    def __init__(self, middleware: Iterable[object], allowed: OriginSet, caps: Caps) -> None:
        """Sort the middleware that concerns sockets.

        Args:
            middleware: In the order of asking among those of one stage.
            allowed: Foreign origins that may open sockets.
            caps: Counts the sockets of addresses and callers.
        """
        asked = [one for one in middleware if isinstance(one, Handshakes)]
        asked.sort(key=_stage_of)
        self._outer = [one for one in asked if _stage_of(one) <= Stage.RATE_ADDRESS]
        between = [one for one in asked if _stage_of(one) > Stage.RATE_ADDRESS]
        self._session = [one for one in between if _stage_of(one) < Stage.AUTHENTICATION]
        self._authentication = [one for one in asked if _stage_of(one) == Stage.AUTHENTICATION]
        self._inner = [one for one in asked if _stage_of(one) > Stage.AUTHENTICATION]
        self._first_message = FirstMessage(asked)
        self._in_messages = self.authenticate  # bound once for all sockets
        self._allowed = allowed
        self._caps = caps

    @property
    def knows_tokens(self) -> bool:
        """Whether credentials can be taken from messages."""
        return self._first_message.able

    async def __call__(
        self,
        socket: WebSocket,
        origins: OriginSet | None,
        route: Iterable[Handshakes],
        *,
        in_first_message: bool = False,
    ) -> None:
        """Ask everybody.

        Args:
            origins: Of the route, instead of the app's.
            route: The route's own middleware.
            in_first_message: Accept early and take the credentials from there.

        Raises:
            Exception: The first refusal.
        """
        for one in self._outer:
            await one.handshake(socket)
        self._caps.count_address(socket)
        told = check_origin(socket, self._allowed if origins is None else origins)
        for one in self._session:
            await one.handshake(socket)
        socket.first_message = self._in_messages
        if in_first_message:
            await socket.accept_early()
            await self.authenticate(socket, socket.limits.first_message_s)
        else:
            for one in self._authentication:
                await one.handshake(socket)
            if not told and socket.scope.get(COOKIE_PROOF):
                raise Denied(403, _NO_ORIGIN, "cross-site-request")
            self._caps.count_caller(socket)
        for one in (*self._inner, *route):
            await one.handshake(socket)

    async def authenticate(self, socket: WebSocket, timeout_s: float) -> None:
        """Take the credentials from the first message.

        Raises:
            WebSocketException: There are none in time, or they prove nobody.
            Denied: The caller has enough sockets.
        """
        await self._first_message(socket, timeout_s, partial(self._caps.count_caller, socket))


def _stage_of(middleware: object) -> int:
    return int(getattr(middleware, "stage", Stage.USER))


def check_origin(socket: WebSocket, allowed: OriginSet) -> bool:
    """Check the Origin header; False when there is none.

    Raises:
        Denied: It is neither the request's own nor an allowed one, or stands there twice.
    """
    told = socket.headers.getlist("origin")
    if not told:
        return False
    if len(told) == 1:
        origin = parse_origin(told[0])
        if origin is not None and origin == own_origin(socket.scheme, socket.host):
            return True
        if allowed.allows(told[0]):
            return True
    raise Denied(403, "this origin may not open sockets here", "cross-site-request")


def refusal_of(
    error: BaseException, socket: WebSocket, error_id: str | None, *, debug: bool = False
) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
    """Return status, problem and headers of the HTTP answer that refuses a handshake."""
    path = socket.path
    if isinstance(error, Denied):
        body = problem(error.status, code=error.code, detail=error.message, instance=path)
        return error.status, body, []
    row = meaning_of(error)
    if row is not FAULT:
        words: dict[str, Any] = words_of(error)
        title = "Request is not valid" if isinstance(error, HandshakeInvalid) else None
        return (
            row.status,
            problem(row.status, title=title, instance=path, **words),
            _advice(error, socket),
        )
    if isinstance(error, Refusal) and 300 <= error.status_code <= 599:
        told = error.detail
        more: dict[str, Any] = {"data": told} if not isinstance(told, str | None) else {}
        text = told if isinstance(told, str) else ""
        body = problem(error.status_code, detail=text, instance=path, **more)
        return error.status_code, body, list((error.headers or {}).items())
    detail = f"{type(error).__name__}: {error}" if debug else INTERNAL_DETAIL
    body = problem(500, code=INTERNAL, detail=detail, instance=path, error_id=error_id)
    return 500, body, []


def _advice(error: BaseException, socket: WebSocket) -> list[tuple[str, str]]:
    """Return what the client is told to do: wait, or which credential to bring."""
    headers: list[tuple[str, str]] = []
    wait = getattr(error, "retry_after_s", None)
    if isinstance(wait, int | float):
        headers.append(("retry-after", str(max(0, math.ceil(wait)))))
    if isinstance(error, Unauthenticated):
        own = getattr(error, "challenges", None)
        told = socket.scope.get("nexios.challenges")
        challenges = own or (() if told is None else told())
        headers += [("www-authenticate", text) for text in challenges]
    return headers
