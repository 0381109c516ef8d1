"""Stands around an application that somebody watches, and tells what becomes of each request."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final

from nexios.adapters.asgi.firewall import METHODS
from nexios.adapters.asgi.frames import EXTENSION
from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Scope, Send
from nexios.application.listening import Signals
from nexios.application.signals import (
    OTHER_METHOD,
    MessageIn,
    MessageOut,
    RequestCancelled,
    RequestFinished,
    RequestStarted,
    SocketClosed,
    SocketOpened,
)

RouteOf = Callable[[Scope], str | None]
"""Returns the template that serves a scope; None where nothing does."""

LEFT: Final = 499
_BROKEN: Final = 1006
_REQUESTS: Final = (RequestStarted, RequestFinished, RequestCancelled)
_SOCKETS: Final = (SocketOpened, SocketClosed, MessageIn, MessageOut)
_METHODS: Final = {method: method for method in METHODS}
_PLACE: Final = "nexios.place"


def is_watched(signals: Signals) -> bool:
    """Return whether somebody hears what only `Telling` tells; without it nothing is paid."""
    return signals.hears(*_REQUESTS, *_SOCKETS)


class Telling:
    """An ASGI application around another one that tells of its requests and sockets."""

    __slots__ = (
        "_cancelled",
        "_finished",
        "_inner",
        "_placed",
        "_route_of",
        "_signals",
        "_started",
    )

    def __init__(
        self, inner: ASGIApp, signals: Signals, route_of: RouteOf, *, placed: bool = False
    ) -> None:
        """Stand around ``inner``.

        Args:
            signals: Are told.
            route_of: Knows the template of a scope, HTTP and WebSocket.
            placed: There is a `noting_route` within.
        """
        self._placed = placed
        self._inner = inner
        self._signals = signals
        self._route_of = route_of
        self._started = signals.listeners(RequestStarted)
        self._finished = signals.listeners(RequestFinished)
        self._cancelled = signals.listeners(RequestCancelled)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "http":
            await self.request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        method = _METHODS.get(scope["method"], OTHER_METHOD)
        scheme = scope.get("scheme", "http")
        route = self._route_of(scope)
        place = scope[_PLACE] = _Place(scope["path"], route) if self._placed else None
        tell = self._signals.tell
        status, whole, failed = 0, False, False
        if self._started:
            tell(RequestStarted(method, route, scheme, scope))

        begun = perf_counter()

        def noting(message: Message) -> Awaitable[None]:
            # No coroutine of its own: the message is on its way when this returns.
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body"):
                whole = True
            return send(message)

        try:
            await self._inner(scope, receive, noting)
        except Exception:
            failed = True
            raise
        finally:
            duration_s = perf_counter() - begun
            if place is not None:
                route = place.route
            if whole or failed:
                if self._finished:
                    told = status or 500
                    tell(RequestFinished(method, route, scheme, told, duration_s, whole, scope))
            elif self._cancelled:
                tell(RequestCancelled(method, route, scheme, LEFT, duration_s, scope))

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        signals = self._signals
        route, scheme = self._route_of(scope), scope.get("scheme", "ws")
        opened_at: float | None = None
        code = _BROKEN
        heard, spoken = signals.listeners(MessageIn), signals.listeners(MessageOut)

        async def receiving() -> Message:
            nonlocal code
            message = await receive()
            kind = message["type"]
            if kind == "websocket.receive":
                if heard:
                    signals.tell(MessageIn(route, _size(message), scope))
            elif kind == "websocket.disconnect" and code == _BROKEN:
                code = message.get("code") or 1005
            return message

        async def sending(message: Message) -> None:
            nonlocal opened_at, code
            kind = message["type"]
            if kind == "websocket.close" and code == _BROKEN:
                code = message.get("code", 1000)
            await send(message)
            if kind == "websocket.send":
                if spoken:
                    signals.tell(MessageOut(route, _size(message), scope))
            elif kind == "websocket.accept":
                opened_at = perf_counter()
                if signals.hears(SocketOpened):
                    signals.tell(SocketOpened(route, scheme, scope))

        _offer_on(scope, send, sending, unheard=not spoken)
        try:
            await self._inner(scope, receiving, sending)
        finally:
            if opened_at is not None and signals.hears(SocketClosed):
                duration_s = perf_counter() - opened_at
                signals.tell(SocketClosed(route, scheme, code, duration_s, scope))


def _offer_on(scope: Scope, ours: Send, handed: Send, *, unheard: bool) -> None:
    """Let prepared frames go past us, where nobody wants to hear of messages."""
    extensions = scope.get("extensions") or {}
    offer = extensions.get(EXTENSION)
    if unheard and offer is not None and offer["send"] == ours:
        scope["extensions"] = {**extensions, EXTENSION: {**offer, "send": handed}}


def noting_route(inner: ASGIApp, route_of: RouteOf) -> ASGIApp:
    """Return ``inner`` for the place within ASGI wrappers: one may have changed the path."""

    def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        place: _Place | None = scope.get(_PLACE)
        if place is not None and place.path != scope["path"]:
            place.path, place.route = scope["path"], route_of(scope)
        return inner(scope, receive, send)

    return serve


class _Place:
    """Where a request was last seen; copies of a scope share it."""

    __slots__ = ("path", "route")

    def __init__(self, path: str, route: str | None) -> None:
        self.path = path
        self.route = route


def _size(message: Message) -> int:
    text: Any = message.get("text")
    return len(text if text is not None else message.get("bytes") or b"")
