"""Our engine for sockets: uvicorn's own, mended, bounded, and with a way to write many at once."""

import asyncio
import contextlib
import logging
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidMessage
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import CTRL_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from nexios.adapters.asgi.frames import (
    BINARY,
    EXTENSION,
    MEMORY,
    TEXT,
    WINDOW_BITS,
    frame,
    squeezed,
)
from nexios.application.limits import Limits

CLOSE_S: Final = 2.0
"""How long a peer has to read what was written before its connection was closed."""

LINGER_S: Final = 1.0
"""How long is read on after a close was answered: bytes left unread would reset the connection."""

READ_AHEAD: Final = 16
"""How many messages are read that nobody has asked for; control frames behind them are seen."""

UNSENT_BYTES: Final = 128 * 1024
"""What the kernel takes of a peer that does not read: 0.24 MB in all instead of 3.9."""

_NO_HANDSHAKE: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
_LOWAT: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_DEFAULTS: Final = Limits()


@dataclass(frozen=True, slots=True)
class EngineBounds:
    """What only the engine can count; None lifts a bound."""

    fragments: int | None = _DEFAULTS.fragments
    control_frames_per_s: float | None = _DEFAULTS.control_frames_per_s
    control_frames_burst: int = _DEFAULTS.control_frames_burst


class _TooMuch(Exception):
    """More frames than there may be."""


class _Wire(ServerProtocol):
    """The library's protocol with two things added.

    * A close inside a fragmented message is answered as any other (RFC 6455, 5.4).
    * Fragments and control frames are bounded.
    """

    bounds: EngineBounds = EngineBounds()
    _fragments = 0
    _paid_until = 0.0

    def recv_frame(self, frame: Frame) -> None:
        """Take one frame."""
        refusal = None
        if frame.opcode in CTRL_OPCODES:
            if frame.opcode is Opcode.CLOSE:
                self.current_size = None
            elif self._too_often():
                refusal = "too many control frames"
        elif frame.fin:
            self._fragments = 0
        else:
            self._fragments += 1
            most = self.bounds.fragments
            if most is not None and self._fragments >= most:
                refusal = "too many fragments"
        if refusal is None:
            super().recv_frame(frame)
        else:
            self.fail(CloseCode.POLICY_VIOLATION, refusal)
            self.parser_exc = _TooMuch(refusal)

    def _too_often(self) -> bool:
        rate = self.bounds.control_frames_per_s
        if rate is None:
            return False
        now = time.monotonic()
        due = max(self._paid_until, now)
        if (due - now) * rate > self.bounds.control_frames_burst - 0.5:
            return True
        self._paid_until = due + 1 / rate
        return False


class _Arrivals(asyncio.Queue[Any]):
    """Messages for the application, for which one reader may wait without a coroutine."""

    _waiter: asyncio.Future[None] | None = None

    def arrival(self) -> asyncio.Future[None] | None:
        """Return what to await before taking a message, None when there is one."""
        if self._queue:  # type: ignore[attr-defined]  # a deque, for whoever overrides _put
            return None
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        return waiter

    def pop(self) -> Any:
        """Return the next message, which is there; nobody waits for room in here."""
        return self._queue.popleft()  # type: ignore[attr-defined]

    def _put(self, item: Any) -> None:
        self._queue.append(item)  # type: ignore[attr-defined]
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own engine for sockets, with what 0.54.0 leaves open.

    * It offers `nexios.frames`: prepared frames go to many sockets without being awaited, and
      messages come without a coroutine.
    * It reads on while messages wait, so that pongs and closes behind them are seen.
    * A handshake denied by `websocket.http.response` never counts as complete there, so each
      denial is followed by an ERROR in the log although the client has its answer.
    * A closing transport waits for ever for a peer that does not read: its handler stays in
      ``send``, and SIGTERM takes all of the graceful time.
    * A handshake that cannot be read (a POST, fields over the library's bounds) is never
      answered, and its connection stays open for as long as the peer likes.
    * A handler that sends after the engine itself has closed is told that its peer has gone.
    """

    _abortion: asyncio.TimerHandle | None = None
    _parted = False
    _framed: Callable[[int, bytes], bytes] | None = staticmethod(frame)

    def __init__(self, *args: Any, bounds: EngineBounds | None = None, **named: Any) -> None:
        """Serve one connection as uvicorn asks for it.

        Args:
            bounds: Of the application.
        """
        super().__init__(*args, **named)
        self.queue = self._arrivals = _Arrivals()
        # While the server drains, answers end their connections; a socket's is its own.
        self.default_headers = [one for one in self.default_headers if one[0] != b"connection"]
        self.conn.parser.close()  # it and its protocol hold each other
        self.conn = _Wire(
            extensions=[_deflating()] if self.config.ws_per_message_deflate else [],
            max_size=self.config.ws_max_size,
            logger=_LOGGER,
        )
        if bounds is not None:
            self.conn.bounds = bounds

    def connection_made(self, transport: Any) -> None:
        """Take a connection; its handshake comes with the first bytes."""
        super().connection_made(transport)
        line = transport.get_extra_info("socket")
        if _LOWAT is not None and line is not None and line.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):  # the peer has gone already
                line.setsockopt(socket.IPPROTO_TCP, _LOWAT, UNSENT_BYTES)

    def handle_connect(self, event: Any) -> None:
        """Take the handshake and run the application for it."""
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            inflates = _shares(self.conn.extensions)
            if self.conn.extensions:
                self._framed = squeezed if inflates else None
            scope["extensions"][EXTENSION] = {
                "send": self.send,
                "write": self.write_frames,
                "deflates": bool(self.conn.extensions),
                "inflates": inflates,
                "receive": self.receive,
                "arrival": self._arrivals.arrival,
                "take": self.take,
            }

    def data_received(self, data: bytes) -> None:
        """Take bytes from the wire; the first are the handshake."""
        if self._parted:
            return
        super().data_received(data)
        if isinstance(self.conn.handshake_exc, InvalidMessage) and not self.disconnected:
            self.disconnected = True
            self.transport.write(_NO_HANDSHAKE)
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Queue a whole message."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "text":
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
                return
        else:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": bytes(data)})
        if not self.read_paused and self.queue.qsize() >= READ_AHEAD:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_close(self, event: Frame) -> None:
        """Answer a close, or note the answer to ours."""
        if self.close_sent or self.transport.is_closing():
            super().handle_close(event)
            return
        told = self.conn.close_rcvd
        code, reason = (1005, "") if told is None else (told.code, told.reason)
        self._part(int(code), reason)

    def handle_parser_exception(self) -> None:
        """Close, because the peer sent what it must not."""
        told = self.conn.close_sent
        code, reason = (1006, "") if told is None else (told.code, told.reason)
        self._part(int(code), reason)

    def write_frames(self, frames: bytes) -> bool:
        """Write whole frames at once; False when they were not taken (adapters/asgi/frames.py)."""
        if self.close_sent or self.disconnected or not self.writable.is_set():
            return False
        if self.conn.state is not OPEN or self.transport.is_closing():
            return False
        self.transport.write(frames)
        return True

    def take(self) -> Any:
        """Return the next message, once ``arrival`` has said that it is there."""
        message = self._arrivals.pop()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.transport.resume_reading()
        return message

    async def send(self, message: Any) -> None:
        """Send one ASGI message."""
        if message["type"] == "websocket.send" and self.handshake_complete:
            if not self.writable.is_set():
                await self.writable.wait()
            if self._parted or self.disconnected:
                raise ClientDisconnected
            framed = self._framed
            if not self.close_sent and self.conn.state is OPEN and framed is not None:
                # Not by way of the library's Frame and its buffers.
                data = message.get("bytes")
                text = message.get("text")
                whole = framed(TEXT, text.encode()) if data is None else framed(BINARY, data)
                self.transport.write(whole)
                return
        if self._parted:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Run the application for this socket."""
        await super().run_asgi()
        self.scope["extensions"].pop(EXTENSION, None)  # scope and engine hold each other by it
        self._abort_in(self.close_timeout + CLOSE_S)

    def keepalive_timeout(self) -> None:
        """Give up a peer that answers no pings."""
        super().keepalive_timeout()
        self._abort_in(CLOSE_S)

    def shutdown(self) -> None:
        """Close, because the server stops."""
        super().shutdown()
        self._abort_in(CLOSE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the transport is gone."""
        super().connection_lost(exc)
        if self._abortion is not None:
            self._abortion.cancel()

    def _part(self, code: int, reason: str) -> None:
        """Write what the library has to say, tell the application, and read on for a while."""
        if self._parted:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.stop_keepalive()
        self._parted = self.close_sent = True
        if self.transport.is_closing():
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)

    def _abort_in(self, seconds: float) -> None:
        """Cut the line then, or when it was said before; not at all when it is gone already."""
        if self.disconnected:
            return
        if self._abortion is not None:
            if self._abortion.when() <= self.loop.time() + seconds:
                return
            self._abortion.cancel()
        self._abortion = self.loop.call_later(seconds, self.transport.abort)


_LOGGER: Final = logging.getLogger("uvicorn.error")

USED: Final = (
    *("close_sent", "close_timer", "close_timeout", "config", "conn", "curr_msg_data_type"),
    "default_headers",
    *("disconnected", "frames", "handshake_complete", "loop", "queue", "read_paused"),
    *("transport", "writable"),
    *("connection_lost", "connection_made", "data_received", "handle_close", "handle_connect"),
    *("handle_parser_exception", "keepalive_timeout", "run_asgi", "send"),
    *("send_receive_event_to_app", "shutdown", "stop_keepalive"),
)
"""What we rely on of the parent; uvicorn promises none of it."""


def missing(parent: type = WebSocketsSansIOProtocol) -> list[str]:
    """Return what the installed uvicorn does not have of that."""
    known = {*dir(parent), *parent.__init__.__code__.co_names}  # type: ignore[misc]  # a class's
    return [name for name in USED if name not in known]


def engine(bounds: EngineBounds, lacks: Iterable[str] | None = None) -> Callable[..., Any]:
    """Return what uvicorn makes for each socket; its own where ours cannot stand on it.

    Args:
        lacks: What is missing; looked up unless told.
    """
    gone = sorted(missing() if lacks is None else lacks)
    if gone:
        warnings.warn(
            f"this uvicorn has no {', '.join(gone)}, so its own engine serves sockets: frames "
            "are written one by one, fragments and control frames are not bounded\n"
            "  fix: install a version that pyproject.toml allows",
            RuntimeWarning,
            stacklevel=2,
        )
        return WebSocketsSansIOProtocol
    return partial(SocketProtocol, bounds=bounds)


def _deflating() -> ServerPerMessageDeflateFactory:
    # Without a context of its own every message can be read by every peer.
    return ServerPerMessageDeflateFactory(
        server_no_context_takeover=True,
        server_max_window_bits=WINDOW_BITS,
        client_max_window_bits=WINDOW_BITS,
        compress_settings={"memLevel": MEMORY},
    )


def _shares(extensions: Sequence[Extension]) -> bool:
    """Tell whether a peer reads what is compressed for all: it was promised no smaller window."""
    return len(extensions) == 1 and all(
        isinstance(one, PerMessageDeflate)
        and one.local_no_context_takeover
        and one.local_max_window_bits >= WINDOW_BITS
        for one in extensions
    )
