"""The ASGI callable for `websocket` scopes: from the handshake to the last close."""

import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import anyio
from anyio.abc import TaskGroup

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.types import Receive, Send
from nexios.adapters.asgi.types import Scope as WireScope
from nexios.adapters.asgi.url import path_below
from nexios.adapters.asgi.wrapping import wrapped
from nexios.adapters.routing.table import Found
from nexios.adapters.websocket.caps import Caps
from nexios.adapters.websocket.carriers import take_carriers
from nexios.adapters.websocket.closing import (
    FAULT,
    Denied,
    Refusal,
    WebSocketDisconnect,
    WebSocketException,
    error_frame,
    leading_error,
    meaning_of,
)
from nexios.adapters.websocket.compiled import CompiledSockets, SocketSettings, TokensUnknown
from nexios.adapters.websocket.endpoint import METHOD, SocketEndpoint
from nexios.adapters.websocket.handshake import Handshake, refusal_of
from nexios.adapters.websocket.protocol import SocketState
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.errors import Unavailable
from nexios.application.revocations import Credential
from nexios.container.entry import Entry, EntryPoint, Plan
from nexios.container.scope import Scope, ScopeContext

CREDENTIAL: Final = "nexios.credential"
_WRAPPED: Final = "nexios.socket_wrapped"
"""The scope's key of what a socket was opened with (auth/identity.py)."""

Report = Callable[[BaseException, Connection, str], None]

WATCH_S: Final = 1.0
_APART_S: Final = 0.01
_SPREAD_S: Final = 3.0

_NOBODY_HERE: Final = "there is no socket at this path"


class Entries(Protocol):
    """What the gateway needs of the container."""

    def entry(self, point: EntryPoint) -> Entry:
        """Return the entry made ready."""
        ...

    def enter(self, kind: Scope, *, values: Mapping[object, object] | None = None) -> ScopeContext:
        """Return a new scope below the root."""
        ...


class SocketGateway:
    """Serves the sockets of one app."""

    def __init__(
        self,
        sockets: CompiledSockets,
        container: Entries,
        *,
        middleware: Iterable[object] = (),
        settings: SocketSettings,
        report: Report,
        over: Callable[[Credential], bool] = lambda _: False,
    ) -> None:
        """Make every endpoint ready.

        Args:
            middleware: Those with ``handshake`` are asked, by their ``stage``.
            report: Told once of each error that nobody expected, with the id the client got.
            over: Whether what a socket was opened with has ended; asked about once a second.
        """
        self._sockets = sockets
        self._use(sockets)
        self._entries = {point: container.entry(point) for point in sockets.points}
        self._container = container
        self._allowed = settings.allowed_origins
        self._caps = Caps()
        self.guard(middleware)
        self._limits = settings.limits
        self._debug = settings.debug
        self._report = report
        self._over = over
        self._on_fault = self._track  # bound once for all sockets
        # With what to set when it is over, where somebody waits for that.
        self._open: dict[WebSocket, anyio.Event | None] = {}
        self._closing = self._parting = False
        self._tasks: TaskGroup | None = None

    def guard(self, middleware: Iterable[object]) -> None:
        """Ask these from the next handshake on; those with ``handshake``, by their ``stage``.

        Raises:
            TokensUnknown: A socket waits for tokens that none of these can judge.
        """
        handshake = Handshake(middleware, self._allowed, self._caps)
        if not handshake.knows_tokens:
            for endpoint in self._sockets.endpoints:
                if endpoint.in_first_message:
                    raise TokensUnknown(endpoint.label, endpoint.where)
        self._handshake = handshake

    def adopt(self, mounts: CompiledSockets) -> None:
        """Hand sockets over to these mounted applications, too, from the next handshake on.

        Raises:
            Exception: Something a guard asks for cannot be given; nothing has changed.
        """
        both = CompiledSockets([*self._sockets.endpoints, *mounts.endpoints], [])
        fresh = {point: self._container.entry(point) for point in mounts.points}
        self._entries = {**self._entries, **fresh}
        self._use(both)

    def _use(self, sockets: CompiledSockets) -> None:
        self._table = sockets.table
        self._any = bool(sockets.endpoints)

    async def __call__(self, scope: WireScope, receive: Receive, send: Send) -> None:
        """Serve one `websocket` scope (ASGI 3.0).

        It awaits the handler itself: what stands between is woken with every message.
        """
        endpoint = self._find(scope)
        if endpoint is not None and endpoint.options.wrappers and _WRAPPED not in scope:
            scope[_WRAPPED] = True
            around = wrapped(self, endpoint.options.wrappers, self._refuse)
            await around(scope, receive, send)
            return
        take_carriers(scope)
        socket = self._socket(scope, receive, send, endpoint)
        self._open[socket] = None
        try:
            await socket.begin()
            with anyio.CancelScope() as handler:
                socket.handler = handler
                if socket.limits.handshake_s is not None:
                    handler.deadline = anyio.current_time() + socket.limits.handshake_s
                try:
                    plan = await self._admitted(socket, endpoint)
                    result: Any = plan.call(socket)
                    if plan.awaits:
                        await result
                except Exception as raised:
                    handler.deadline = math.inf
                    await self._answer(socket, leading_error(raised))
                else:
                    handler.deadline = math.inf
                    await self._finish(socket)
            if socket.protocol.state is SocketState.CONNECTING:
                late = Denied(408, "the handshake took too long", "timed-out")
                await self._deny(socket, _restarting() if self._closing else late)
            # The callable outlives its last message, also one that somebody else sends.
            while socket.parting is not None and not socket.parting.is_set():
                await socket.parting.wait()
        finally:
            done = self._open.pop(socket)
            self._caps.release(socket)
            socket.handler = None
            socket.end()
            if done is not None:
                done.set()

    def _socket(
        self, scope: WireScope, receive: Receive, send: Send, endpoint: SocketEndpoint | None
    ) -> WebSocket:
        socket = WebSocket(
            scope,
            receive,
            send,
            limits=self._limits if endpoint is None else endpoint.limits,
            subprotocols=() if endpoint is None else endpoint.options.subprotocols,
        )
        socket.scopes = self._container
        socket.entries = self._entries
        socket.on_fault = self._on_fault
        return socket

    def serves(self, path: str) -> bool:
        """Return whether there is a socket at this path, less any root path: for a 426."""
        return self._any and isinstance(self._table.find(path, METHOD), Found)

    def route_of(self, scope: WireScope) -> str | None:
        """Return the template that serves a socket, for those who watch; None for a miss."""
        path = path_below(scope["path"], scope.get("root_path", ""))
        found = self._table.find(path, METHOD)
        return found.template.raw if isinstance(found, Found) else None

    async def watch(self) -> None:
        """Notice for handlers that do not receive that their peer has gone; runs till cancelled.

        Such a handler has ``limits.message_finish_s`` to end, like every one whose socket is over.
        Sockets whose credential has ended are closed too.
        """
        async with anyio.create_task_group() as readers:
            self._tasks = readers
            try:
                while True:
                    await anyio.sleep(WATCH_S)
                    self.look(readers)
            finally:
                self._tasks = None

    def look(self, readers: TaskGroup) -> None:
        """One round of the watch; what has to read on is started in ``readers``."""
        for socket in self._open:
            read_on = socket.read_on()
            if read_on is not None:
                readers.start_soon(read_on)
            if self._is_over(socket):
                readers.start_soon(self._part_from, socket)

    async def sign_off(self) -> None:
        """Close with 4401, at once, the sockets whose credentials are over."""
        async with anyio.create_task_group() as tasks:
            for socket in self._open:
                if self._is_over(socket):
                    tasks.start_soon(self._part_from, socket)

    def open(self) -> None:
        """Take sockets again after a ``close``."""
        self._closing = self._parting = False

    def retire(self) -> None:
        """Deny handshakes from now on; what is open goes on."""
        self._closing = True

    def part(self) -> None:
        """Begin to close the sockets with 1012, over 3 s at most; again it does nothing.

        The ``watch`` runs it: without one, `close` ends the sockets.
        """
        self.retire()
        if self._parting or self._tasks is None:
            return
        self._parting = True
        sockets = tuple(self._open)
        apart_s = min(_APART_S, _SPREAD_S / max(len(sockets), 1))
        for number, socket in enumerate(sockets):
            self._tasks.start_soon(self._dismiss, socket, number * apart_s)

    async def close(self) -> None:
        """End all sockets with 1012, and the handlers that stay after that.

        Handlers have ``limits.message_finish_s`` to end by themselves.
        """
        self._closing = True
        waiting = [(socket, self._done(socket)) for socket in self._open]
        async with anyio.create_task_group() as tasks:
            for socket, _ in waiting:
                tasks.start_soon(self._dismiss, socket)
        with anyio.move_on_after(self._limits.message_finish_s):
            for _, done in waiting:
                await done.wait()
        for socket, _ in waiting:
            if socket.handler is not None:
                socket.handler.cancel()
        for _, done in waiting:
            await done.wait()

    def _done(self, socket: WebSocket) -> anyio.Event:
        done = self._open[socket]
        if done is None:
            done = self._open[socket] = anyio.Event()
        return done

    def _is_over(self, socket: WebSocket) -> bool:
        credential: Credential | None = socket.scope.get(CREDENTIAL)
        return credential is not None and socket.is_connected() and self._over(credential)

    async def _part_from(self, socket: WebSocket) -> None:
        try:
            await socket.close(4401, "the credential has ended")
        except Exception as error:  # of its server or its channels: the other sockets go on
            self._track(socket, error)

    async def _dismiss(self, socket: WebSocket, after_s: float = 0.0) -> None:
        if after_s:
            await anyio.sleep(after_s)
        if not socket.is_connected():
            return
        try:
            with anyio.move_on_after(self._limits.close_handshake_s):
                await socket.close(1012, "restart")
        except Exception as error:  # as above
            self._track(socket, error)

    def _find(self, scope: WireScope) -> SocketEndpoint | None:
        path = path_below(scope["path"], scope.get("root_path", ""))
        found = self._table.find(path, METHOD)
        if not isinstance(found, Found):
            return None
        if found.params:
            scope["path_params"] = found.params
        return found.target

    async def _admitted(self, socket: WebSocket, endpoint: SocketEndpoint | None) -> Plan:
        """Return what serves a socket, once all who are asked before have agreed."""
        if self._closing:
            raise _restarting()
        await self._handshake(
            socket,
            None if endpoint is None else endpoint.origins,
            () if endpoint is None else endpoint.handshakes,
            in_first_message=endpoint is not None and endpoint.in_first_message,
        )
        if endpoint is None:
            raise Denied(404, _NOBODY_HERE)
        return self._entries[endpoint.point].plan

    async def _finish(self, socket: WebSocket) -> None:
        """End a socket whose handler returned."""
        if socket.protocol.state is SocketState.CONNECTING:
            await self._deny(socket, Denied(403, "the socket was not accepted", "forbidden"))
        elif socket.is_connected():
            await socket.close()

    async def _refuse(
        self, scope: WireScope, receive: Receive, send: Send, error: Exception
    ) -> None:
        """Refuse a socket for which a wrapper of its route raised."""
        socket = self._socket(scope, receive, send, None)
        try:
            await socket.begin()
            await self._answer(socket, error)
        finally:
            socket.end()

    async def _answer(self, socket: WebSocket, error: BaseException) -> None:
        """End a socket whose handler raised."""
        try:
            await self._tell(socket, error)
        except TypeError as unsayable:  # its details have no JSON form; nothing was sent
            await self._tell(socket, unsayable)

    async def _tell(self, socket: WebSocket, error: BaseException) -> None:
        state = socket.protocol.state
        if _is_leaving(error):
            await self._finish(socket)
        elif state is SocketState.CONNECTING:
            await self._deny(socket, error)
        elif isinstance(error, WebSocketException):
            await socket.close(error.code, error.reason)
        elif isinstance(error, Denied):
            await socket.close(error.close_code, error.message)
        elif meaning_of(error) is FAULT:
            error_id = self._track(socket, error)
            await socket.close(1011, f"error {error_id}")
        elif state is SocketState.OPEN:
            await self._close_with(socket, error)

    async def _close_with(self, socket: WebSocket, error: BaseException) -> None:
        row = meaning_of(error)
        try:
            if row.framed:
                await socket.send_json(error_frame(error))
        except WebSocketDisconnect:
            return
        await socket.close(row.in_body, getattr(error, "message", ""))

    async def _deny(self, socket: WebSocket, error: BaseException) -> None:
        expected = isinstance(error, Denied | WebSocketException | Refusal)
        error_id = None
        if not expected and meaning_of(error) is FAULT:
            error_id = self._track(socket, error)
        if isinstance(error, WebSocketException):
            error = Denied(403, error.reason or "the socket was refused", "forbidden")
        status, body, headers = refusal_of(error, socket, error_id, debug=self._debug)
        try:
            await socket.deny(status, body, headers)
        except WebSocketDisconnect:
            return

    def _track(self, socket: WebSocket, error: BaseException) -> str:
        error_id = secrets.token_hex(8)
        self._report(error, socket, error_id)
        return error_id


def _restarting() -> Unavailable:
    return Unavailable("the service is restarting", retry_after_s=1.0)


def _is_leaving(error: BaseException) -> bool:
    """Tell whether an error, or all of a group, only says that the peer has gone."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_leaving(one) for one in error.exceptions)
    return isinstance(error, WebSocketDisconnect)
