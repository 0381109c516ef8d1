"""The client's side of a socket in the same process: an ASGI server that can misbehave."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from nexios.adapters.asgi.frames import EXTENSION, TEXT, messages_in
from nexios.adapters.asgi.types import ASGIApp, Message, RawHeader, Scope
from nexios.adapters.websocket.closing import WebSocketDisconnect

WAIT_S: Final = 5.0
"""How long a test waits for what should come at once."""

_LEGAL: Final[Mapping[tuple[str, str], str]] = {
    ("connecting", "websocket.accept"): "open",
    ("connecting", "websocket.close"): "over",
    ("connecting", "websocket.http.response.start"): "denying",
    ("denying", "websocket.http.response.body"): "denying",
    ("open", "websocket.send"): "open",
    ("open", "websocket.close"): "over",
}


class SocketDenied(Exception):
    """The app refused the handshake.

    Attributes:
        status: Of the HTTP answer; 403 where the app only closed.
        headers: In lower case, the last of several with one name.
        body: As sent.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = dict(headers)
        self.body = body
        super().__init__(status, body)

    def json(self) -> Any:
        """Return the problem."""
        return json.loads(self.body)


class SocketSession:
    """A connected client.

    As a server it checks the order of what the app sends (ASGI 3.0) and fails the test that
    breaks it.

    Attributes:
        subprotocol: What the app chose.
        headers: What it sent with the accept, in lower case.
        close_code: The app's close code, once it closed.
        writes: How often prepared frames were written, as our engine takes them.
    """

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        """Prepare a connection; ``connect`` starts it."""
        self._app = app
        self._scope = scope
        self._to_app, self._app_inbox = anyio.create_memory_object_stream[Message](float("inf"))
        self._app_outbox, self._from_app = anyio.create_memory_object_stream[Message](float("inf"))
        self._state = "connecting"
        self._gate = anyio.Event()
        self._gate.set()
        self._cut = False
        self._half_closed = False
        self._told_the_end = False
        self._done = anyio.Event()
        self._failure: BaseException | None = None
        self.subprotocol: str | None = None
        self.headers: dict[str, str] = {}
        self.close_code: int | None = None
        self.close_reason = ""
        self.writes = 0

    @property
    def buffered(self) -> int:
        """How many messages the app has sent that were not received here."""
        return self._from_app.statistics().current_buffer_used

    async def connect(self, tasks: TaskGroup) -> None:
        """Start the app and wait for its answer to the handshake.

        Raises:
            SocketDenied: It refused.
        """
        tasks.start_soon(self._run)
        self._to_app.send_nowait({"type": "websocket.connect"})
        message = await self._next()
        if message["type"] == "websocket.accept":
            self.subprotocol = message.get("subprotocol")
            self.headers = _decoded(message.get("headers") or ())
            return
        await self._denied(message)

    async def send_text(self, text: str) -> None:
        """Send a text message."""
        await self.send({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self.send({"type": "websocket.receive", "bytes": data})

    async def send_json(self, value: object) -> None:
        """Send a value as JSON text."""
        await self.send_text(json.dumps(value))

    async def send(self, message: Message) -> None:
        """Hand the app any ASGI message, legal or not."""
        if self._half_closed:
            raise AssertionError("this client has ended its side with half_close()")
        self._to_app.send_nowait(message)

    async def receive(self) -> Message:
        """Return the next message of the app.

        Raises:
            WebSocketDisconnect: The app closed the socket.
            TimeoutError: Nothing came within ``WAIT_S``.
        """
        message = await self._next()
        if message["type"] == "websocket.close":
            raise WebSocketDisconnect(self.close_code or 1000, self.close_reason or None)
        return message

    async def receive_text(self) -> str:
        """Return the next message, which has to be text."""
        message = await self.receive()
        if message.get("text") is None:
            raise AssertionError("the app sent bytes where text was expected")
        return str(message["text"])

    async def receive_bytes(self) -> bytes:
        """Return the next message, which has to be binary."""
        message = await self.receive()
        if message.get("bytes") is None:
            raise AssertionError("the app sent text where bytes were expected")
        return bytes(message["bytes"])

    async def receive_json(self) -> Any:
        """Return the next message as a value; both kinds are read."""
        message = await self.receive()
        return json.loads(message.get("text") or message["bytes"])

    async def closed(self) -> WebSocketDisconnect:
        """Drop what comes until the app closes the socket; return how."""
        while True:
            try:
                await self.receive()
            except WebSocketDisconnect as end:
                return end

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the client's side; what the app sends raises OSError from now on."""
        self._cut = True
        self._tell_the_end(code, reason)

    def cut(self) -> None:
        """Lose the line: as ``close``, without a close frame."""
        self._cut = True
        self._gate.set()
        self._tell_the_end(1006, "")

    def half_close(self) -> None:
        """End the sending side alone, as by FIN without a close frame (RFC 6455, 7.1.5).

        The app is told that the peer has gone, with 1006; what it sends all the same arrives.
        """
        self._half_closed = True
        self._tell_the_end(1006, "")

    def stall(self) -> None:
        """Stop reading: the app's sends wait from now on."""
        self._gate = anyio.Event()

    def resume(self) -> None:
        """Read on."""
        self._gate.set()

    async def ended(self) -> None:
        """Return when the app's handler has ended; raise what it raised."""
        with anyio.fail_after(WAIT_S):
            await self._done.wait()
        if self._failure is not None:
            raise self._failure

    def offer_frames(self) -> None:
        """Take prepared frames from the app, as our engine does (adapters/asgi/frames.py)."""
        offer = {"send": self._send, "write": self._write}
        self._scope["extensions"] = {**self._scope["extensions"], EXTENSION: offer}

    def _write(self, frames: bytes) -> bool:
        if self._cut or self._state != "open" or not self._gate.is_set():
            return False
        self.writes += 1
        for opcode, payload in messages_in(frames):
            content = {"text": payload.decode()} if opcode == TEXT else {"bytes": payload}
            self._app_outbox.send_nowait({"type": "websocket.send", **content})
        return True

    async def _denied(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            raise SocketDenied(403, {}, b"")
        body = b""
        while True:
            part = await self._next()
            body += part.get("body", b"")
            if not part.get("more_body", False):
                raise SocketDenied(message["status"], _decoded(message["headers"]), body)

    async def _next(self) -> Message:
        with anyio.fail_after(WAIT_S):
            try:
                return await self._from_app.receive()
            except anyio.EndOfStream:
                if self._failure is not None:
                    raise self._failure from None
                raise WebSocketDisconnect(1006, "the app ended without closing") from None

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:
            self._failure = error
        finally:
            self._app_outbox.close()
            self._done.set()

    async def _receive(self) -> Message:
        if self._told_the_end and not self._app_inbox.statistics().current_buffer_used:
            raise AssertionError("the app receives after websocket.disconnect")
        return await self._app_inbox.receive()

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._cut:
            raise OSError("the line is cut")
        step = _LEGAL.get((self._state, kind))
        if step is None:
            raise AssertionError(f"the app sent {kind!r} on a socket that is {self._state}")
        if kind == "websocket.http.response.body" and not message.get("more_body", False):
            step = "over"
        self._state = step
        await self._gate.wait()
        if self._cut:
            raise OSError("the line is cut")
        if kind == "websocket.close":
            self.close_code = message.get("code", 1000)
            self.close_reason = message.get("reason") or ""
            self._tell_the_end(self.close_code or 1000, self.close_reason)
        self._app_outbox.send_nowait(dict(message))
        await anyio.lowlevel.checkpoint()

    def _tell_the_end(self, code: int, reason: str) -> None:
        if not self._told_the_end:
            self._told_the_end = True
            self._to_app.send_nowait(
                {"type": "websocket.disconnect", "code": code, "reason": reason}
            )

    async def leave(self) -> None:
        """Close, and wait until the handler has ended; raise what it raised."""
        self.resume()
        if not self._told_the_end:
            await self.close()
        try:
            await self.ended()
        finally:
            for stream in (self._to_app, self._app_inbox, self._app_outbox, self._from_app):
                stream.close()


def _decoded(raw: Iterable[RawHeader]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def socket_scope(
    url: str,
    *,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    denial: bool = True,
    state: MutableMapping[str, Any] | None = None,
    client: tuple[str, int] | None = ("testclient", 50000),
) -> Scope:
    """Return the ASGI scope of a handshake.

    Args:
        url: A path with its query, or a whole ``ws://`` or ``wss://`` address.
        headers: Beside ``Host``.
        subprotocols: What the client offers.
        denial: Whether the server has `websocket.http.response`.
        state: Of the server's lifespan.
        client: Address and port it comes from; None as over a Unix socket.
    """
    parts = urlsplit(url)
    host = parts.netloc or "testserver"
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    raw: list[RawHeader] = [(name.lower().encode(), value.encode()) for name, value in pairs]
    if not any(name == b"host" for name, _ in raw):
        raw.insert(0, (b"host", host.encode()))
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": parts.scheme or "ws",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": raw,
        "client": client,
        "server": (host.partition(":")[0], 80),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}} if denial else {},
        "state": {} if state is None else state,
    }


@asynccontextmanager
async def websocket_connect(
    app: ASGIApp,
    url: str,
    *,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    denial: bool = True,
    state: MutableMapping[str, Any] | None = None,
    client: tuple[str, int] | None = ("testclient", 50000),
    frames: bool = False,
) -> AsyncIterator[SocketSession]:
    """Connect to a socket of ``app``; at the end the client leaves and the handler is awaited.

    Args:
        app: Any ASGI application, started already.
        url: As for ``socket_scope``, and so are the rest.
        frames: Take prepared frames too, as our engine does.

    Raises:
        SocketDenied: The app refused the handshake.
        Exception: What the app let out at its end.
    """
    scope = socket_scope(
        url,
        headers=headers,
        subprotocols=subprotocols,
        denial=denial,
        state=state,
        client=client,
    )
    session = SocketSession(app, scope)
    if frames:
        session.offer_frames()
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        # An error is carried around the task group, which would wrap it into a group.
        try:
            await session.connect(tasks)
            yield session
        except Exception as error:
            failure = error
        try:
            await session.leave()
        except Exception as error:
            failure = failure or error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
