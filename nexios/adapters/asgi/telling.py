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
_PLACE: Final = "nexios.place"
KNOWN: Final = frozenset(METHODS)
"""Methods that are told by their names."""

# The constructor of a named tuple is a function of Python: 0.29 -> 0.15 us an event.
made: Final[Callable[..., Any]] = tuple.__new__


class RequestWatch:
    """Tells what becomes of requests: one for all of an application.

    Attributes:
        started: Who wants to know of a request before it is served.
        finished: Who wants to know of one that was answered.
        note: Is told what such a listener raised.
        route_of: Knows the template of a request.
    """

    __slots__ = ("_cancelled", "_tell", "finished", "note", "route_of", "started")

    def __init__(self, signals: Signals, route_of: RouteOf) -> None:
        """Tell ``signals``."""
        self._tell, self.note = signals.tell, signals.note
        self.route_of = route_of
        self.started = signals.listeners(RequestStarted)
        self.finished = signals.listeners(RequestFinished)
        self._cancelled = signals.listeners(RequestCancelled)

    def start(self, scope: Scope, route: str | None) -> None:
        """Tell that a request has come."""
        method = scope["method"] if scope["method"] in KNOWN else OTHER_METHOD
        self._tell(made(RequestStarted, (method, route, scope.get("scheme", "http"), scope)))

    def end(
        self,
        scope: Scope,
        route: str | None,
        begun: float,
        status: int,
        whole: bool,  # a name costs a tenth of the call
        failed: bool,
    ) -> None:
        """Tell how a request ended.

        Args:
            scope: Of the request.
            route: The template that served it.
            begun: What `time.perf_counter` said before.
            status: As it was sent; 0 where no head was.
            whole: The body came to its end.
            failed: What serves it raised an error.
        """
        duration_s = perf_counter() - begun
        method = scope["method"] if scope["method"] in KNOWN else OTHER_METHOD
        scheme = scope.get("scheme", "http")
        if whole or failed:
            if self.finished:
                told = (method, route, scheme, status or 500, duration_s, whole, scope)
                self._tell(made(RequestFinished, told))
        elif self._cancelled:
            self._tell(RequestCancelled(method, route, scheme, LEFT, duration_s, scope))


def request_watch(signals: Signals, route_of: RouteOf) -> RequestWatch | None:
    """Return what tells of requests; None where nobody wants to know."""
    return RequestWatch(signals, route_of) if signals.hears(*_REQUESTS) else None


class Telling:
    """An ASGI application around another one that tells of its requests and sockets."""

    __slots__ = ("_inner", "_route_of", "_signals", "_watch")

    def __init__(
        self,
        inner: ASGIApp,
        signals: Signals,
        route_of: RouteOf,
        watch: RequestWatch | None = None,
    ) -> None:
        """Stand around ``inner``.

        Args:
            signals: Are told of sockets.
            route_of: Knows the template of a scope, HTTP and WebSocket.
            watch: Tells of requests, `noting_route` being within; None where nobody wants to
                know, or what is within tells by itself.
        """
        self._inner = inner
        self._signals = signals
        self._route_of = route_of
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        kind, watch = scope["type"], self._watch
        if kind == "http" and watch is not None:
            await self._request(watch, scope, receive, send)
        elif kind == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _request(
        self, watch: RequestWatch, scope: Scope, receive: Receive, send: Send
    ) -> None:
        status, whole, failed = 0, False, False
        route = watch.route_of(scope)
        place = scope[_PLACE] = _Place(scope["path"], route)
        if watch.started:
            watch.start(scope, route)
        begun = perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status, whole
            last = False
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                last = not message.get("more_body")
            await send(message)
            whole = whole or last

        try:
            await self._inner(scope, receive, noting)
        except Exception:
            failed = True
            raise
        finally:
            watch.end(scope, place.route, begun, status, whole, failed)

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


def around(
    inner: ASGIApp, signals: Signals, route_of: RouteOf, watch: RequestWatch | None = None
) -> ASGIApp:
    """Return ``inner`` with a `Telling` around it; as it is where that had nothing to tell."""
    if watch is None and not signals.hears(*_SOCKETS):
        return inner
    return Telling(inner, signals, route_of, watch)


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
