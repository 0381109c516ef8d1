"""The socket object that handlers, guards and channels hold."""

import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import replace
from typing import Any, Final, Literal, Protocol, TypeVar, overload

from nexios.adapters.asgi.frames import BINARY, TEXT, frame
from nexios.adapters.asgi.headers import MutableHeaders, encode_name, encode_value
from nexios.adapters.asgi.types import Message, RawHeader, Receive, Send
from nexios.adapters.asgi.types import Scope as WireScope
from nexios.adapters.websocket.closing import WebSocketDisconnect, error_frame
from nexios.adapters.websocket.closing import problem as problem_document
from nexios.adapters.websocket.hearing import HearingLine
from nexios.adapters.websocket.line import DENIAL
from nexios.adapters.websocket.messages import (
    BadMessage,
    Plain,
    Strikes,
    parse_json,
    parse_model,
    ref_in,
    write_json,
)
from nexios.adapters.websocket.protocol import OPEN, SocketState
from nexios.application.caller import Caller
from nexios.application.limits import Limits
from nexios.container.entry import Entry, EntryPoint
from nexios.container.scope import Scope, ScopeContext

ON_DENIAL: Final = "nexios.on_denial"
"""The scope's key for what completes the head of a denial (middleware/security.py)."""

T = TypeVar("T")


class ScopeOpener(Protocol):
    """What a socket needs of the container."""

    def enter(self, kind: Scope, *, values: Mapping[object, object] | None = None) -> ScopeContext:
        """Return a new scope below the root."""
        ...


HeaderSource = Mapping[str, str] | Iterable[tuple[str, str]]
Mode = Literal["text", "binary"]


class WebSocket(HearingLine):
    """One WebSocket, from before the handshake until it is gone.

    After the end every call but ``close`` raises ``WebSocketDisconnect``.

    Attributes:
        subprotocol: What ``accept`` chose, or None.
        on_fault: Told of errors that change nothing for the client any more; the gateway sets it.
        first_message: Takes the credentials of a socket from its first message, within so many
            seconds; the gateway sets it.
        entries: What the container made ready for the app's sockets; the gateway sets it.
        inputs: Checked values of the handshake, by who checked them.
        scopes: What ``message`` opens scopes with; the gateway sets it.
    """

    __slots__ = (
        "_accepted_early",
        "_offers",
        "_strikes",
        "entries",
        "first_message",
        "inputs",
        "on_fault",
        "scopes",
        "subprotocol",
    )

    def __init__(
        self,
        scope: WireScope,
        receive: Receive,
        send: Send,
        *,
        limits: Limits | None = None,
        subprotocols: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hold one connection.

        Args:
            limits: Of the route; without them those of the app hold.
            subprotocols: What the route speaks, first choice first.
            clock: Seconds, for counting messages and bad ones.
        """
        super().__init__(scope, receive, send, limits=limits, clock=clock)
        self._offers = tuple(subprotocols)
        self._strikes: Strikes | None = None
        self.subprotocol: str | None = None
        self._accepted_early = False
        self.first_message: Callable[[WebSocket, float], Awaitable[None]] | None = None
        self.on_fault: Callable[[WebSocket, BaseException], object] | None = None
        self.inputs: dict[int, list[object]] | None = None
        self.entries: Mapping[EntryPoint, Entry] = {}
        self.scopes: ScopeOpener | None = None

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """What the client offered, in its order."""
        return tuple(self.scope.get("subprotocols") or ())

    async def accept(
        self, subprotocol: str | None = None, headers: HeaderSource | None = None
    ) -> None:
        """Open the socket.

        Args:
            subprotocol: One the client offered; without it the route's first that was.
            headers: Further response headers; ``Set-Cookie`` is allowed.

        Raises:
            ValueError: The subprotocol was not offered, or a header cannot go out. Nothing was
                sent, and the socket can still be accepted.
            SocketStateError: It is accepted already.
            WebSocketDisconnect: The peer has gone.
        """
        if self._accepted_early:
            self._accepted_early = False
            if subprotocol is not None or headers is not None:
                raise ValueError(
                    "this socket was accepted before its first message; name its subprotocols"
                    " at the route instead"
                )
            return
        offered = self.subprotocols
        if subprotocol is None:
            subprotocol = next((name for name in self._offers if name in offered), None)
        elif subprotocol not in offered:
            raise ValueError(f"the client did not offer the subprotocol {subprotocol!r}")
        message: Message = {
            "type": "websocket.accept",
            "subprotocol": subprotocol,
            "headers": _accept_headers(headers),
        }
        self.raise_if_ended()
        self._protocol.sending(message)
        self.subprotocol = subprotocol
        await self.transmit(message)
        self.accepted()

    async def accept_early(self) -> None:
        """Open the socket before its handler runs, whose ``accept`` has nothing to do then."""
        await self.accept()
        self._accepted_early = True

    async def authenticate(self, timeout_s: float = 5.0) -> None:
        """Wait for ``{"type": "auth", "token": ...}`` and set ``user`` and ``caller`` by it.

        Such frames are kept from the handler from then on: a fresh token of the same subject
        takes the place of the one before, one of another subject closes with 4403.

        Raises:
            SocketStateError: The socket is not accepted yet.
            WebSocketException: 4408 when nothing comes in time, 4401 when it proves nobody;
                left uncaught it closes the socket.
            WebSocketDisconnect: The peer has gone.
        """
        if self.first_message is None:
            raise RuntimeError("this socket is not served by an app, so nobody knows its tokens")
        await self.first_message(self, timeout_s)

    async def deny(
        self,
        status: int = 403,
        problem: Mapping[str, object] | None = None,
        headers: HeaderSource | None = None,
    ) -> None:
        """Refuse the handshake with an HTTP answer.

        Where the server has no `websocket.http.response`, it answers 403 by itself.

        Args:
            status: From 400 to 599 (a 3xx is allowed too).
            problem: The body; without it one is made from the status.
            headers: Further response headers.

        Raises:
            SocketStateError: The socket is accepted.
        """
        if not 300 <= status <= 599:
            raise ValueError(f"a denial has a status from 300 to 599, not {status}")
        body = write_json(problem or problem_document(status, instance=self.path)).encode()
        fields: list[RawHeader] = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *_raw(headers),
        ]
        for complete in self.scope.get(ON_DENIAL, ()):
            complete(MutableHeaders(fields))
        self.raise_if_ended()
        if not self._protocol.denial and self._protocol.state is SocketState.CONNECTING:
            closing: Message = {"type": "websocket.close", "code": 1008, "reason": ""}
            self._protocol.sending(closing)
            await self.transmit(closing)
            return
        start: Message = {"type": f"{DENIAL}.start", "status": status, "headers": fields}
        self._protocol.sending(start)
        await self.transmit(start)
        end: Message = {"type": f"{DENIAL}.body", "body": body, "more_body": False}
        self._protocol.sending(end)
        await self.transmit(end)

    def receive_text(self) -> Coroutine[Any, Any, str]:
        """Return the next message, which has to be text; bytes close the socket with 1003."""
        return self._hear("text")

    def receive_bytes(self) -> Coroutine[Any, Any, bytes]:
        """Return the next message, which has to be bytes; text closes the socket with 1003."""
        return self._hear("bytes")

    async def receive_json(self, mode: Mode = "text") -> Any:
        """Return the next good JSON message; ``mode`` is kept from 2.11, both kinds are read.

        What does not parse is answered by an error frame and not handed on. The third such
        message within a minute closes the socket with 1007.
        """
        _check_mode(mode)
        return await self._read(lambda payload: parse_json(payload, self.limits))

    @overload
    async def receive_as(self, model: type[T]) -> T: ...
    @overload
    async def receive_as(self, model: Any) -> Any: ...
    async def receive_as(self, model: Any) -> Any:
        """Return the next message that is a valid ``model``; others as in ``receive_json``."""
        return await self._read(lambda payload: parse_model(payload, model, self.limits))

    async def receive_plain(self, plain: Plain) -> Any:
        """Return the next message that is what ``plain`` takes, for ``on_message``.

        A kind that it does not take closes the socket with 1003; what does not meet the
        annotation is answered as in ``receive_json``.
        """
        while True:
            if plain.kinds == {str}:
                payload: str | bytes = await self.receive_text()
            elif plain.kinds == {bytes}:
                payload = await self.receive_bytes()
            else:
                payload = await self._receive_either()
            try:
                return plain.read(payload, self.limits)
            except BadMessage as bad:
                await self.forgive(bad)

    async def _receive_either(self) -> str | bytes:
        message = await self.receive()
        text: str | None = message.get("text")
        payload: str | bytes = message["bytes"] if text is None else text
        if len(payload) > self._surely_short:
            await self._check_size(payload)
        return payload

    def message(
        self, *, id: str | None = None, values: Mapping[object, object] | None = None
    ) -> ScopeContext:
        """Return a REQUEST scope for one message, to be used in an ``async with``.

        Args:
            id: The client's id of the message, which becomes the caller's idempotency key.
            values: Further given values by key.
        """
        if self.scopes is None:
            raise RuntimeError("this socket is not served by an app, so there are no scopes")
        caller = self.caller if id is None else replace(self.caller, idempotency_key=id)
        given: dict[object, object] = {WebSocket: self, Caller: caller}
        return self.scopes.enter(Scope.REQUEST, values={**given, **(values or {})})

    def iter_text(self) -> AsyncIterator[str]:
        """Yield text messages until the socket is over."""
        return self._each("text")

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Yield binary messages until the socket is over."""
        return self._each("bytes")

    async def iter_json(self) -> AsyncIterator[Any]:
        """Yield good JSON messages until the socket is over."""
        try:
            while True:
                yield await self.receive_json()
        except WebSocketDisconnect:
            return

    async def iter_as(self, model: type[T]) -> AsyncIterator[T]:
        """Yield valid messages until the socket is over."""
        try:
            while True:
                yield await self.receive_as(model)
        except WebSocketDisconnect:
            return

    async def send_text(self, data: str) -> None:
        """Send a text message."""
        write = self._write
        if (
            write is None
            or self.before_send is not None
            or self._protocol.state is not OPEN
            or type(data) is not str
            or not write(frame(TEXT, data.encode()))
        ):
            await self.send({"type": "websocket.send", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        write = self._write
        if (
            write is None
            or self.before_send is not None
            or self._protocol.state is not OPEN
            or type(data) is not bytes
            or not write(frame(BINARY, data))
        ):
            await self.send({"type": "websocket.send", "bytes": data})

    async def send_json(self, data: object, mode: Mode = "text") -> None:
        """Send a value as JSON, in a text frame unless ``mode`` is ``"binary"``.

        Raises:
            TypeError: The value has no JSON form; nothing was sent.
        """
        _check_mode(mode)
        text = write_json(data)
        await (self.send_text(text) if mode == "text" else self.send_bytes(text.encode()))

    async def send_as(self, model: object) -> None:
        """Send a model or dataclass as JSON text."""
        await self.send_json(model)

    async def send_error(self, error: BaseException, ref: object = None) -> None:
        """Send the error frame of a domain or application error; others show no text."""
        await self.send_json(error_frame(error, ref=ref))

    async def _read(self, parse: Callable[[str | bytes], Any]) -> Any:
        while True:
            payload = await self._receive_either()
            try:
                return parse(payload)
            except BadMessage as bad:
                await self.forgive(bad, ref_in(payload, self.limits))

    async def forgive(self, bad: BadMessage, ref: object = None) -> None:
        """Answer a bad message, or close with 1007 when it is the third within a minute."""
        if self._strikes is None:
            self._strikes = Strikes()
        if self._strikes.add(self._clock()):
            await self.refuse(1007, "three invalid messages")
        await self.send_error(bad, ref)


def _check_mode(mode: str) -> None:
    if mode not in ("text", "binary"):
        raise ValueError(f'mode is "text" or "binary", not {mode!r}')


def _raw(headers: HeaderSource | None) -> list[RawHeader]:
    if headers is None:
        return []
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(encode_name(name), encode_value(name, value)) for name, value in pairs]


def _accept_headers(headers: HeaderSource | None) -> list[RawHeader]:
    raw = _raw(headers)
    for name, _ in raw:
        if name.startswith(b"sec-websocket-"):
            raise ValueError(f"{name.decode()!r} belongs to the server; use subprotocol= instead")
    return raw
