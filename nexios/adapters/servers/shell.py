"""The shell around uvicorn's protocols: timers, bounds and one answer for what is no request."""

import asyncio
from enum import Enum
from typing import Any, Final

from nexios.adapters.servers.corking import CorkedTransport
from nexios.adapters.servers.refusals import (
    CHUNKS,
    HEADERS,
    SLOW_BODY,
    SLOW_HEAD,
    STOPPING,
    TARGET,
    Refusal,
)
from nexios.adapters.servers.watch import Watch, watch_of

_LINGER_S: Final = 1.0
_LINGER_BYTES: Final = 2**20
_RATE_AFTER_S: Final = 5.0
_TARGET_SLACK: Final = 1024  # an absolute target names scheme and host too; the gateway is exact


class _Phase(Enum):
    FRESH = 1
    HEAD = 2
    BODY = 3
    BUSY = 4
    IDLE = 5
    PARTING = 6


class _Wire(CorkedTransport):
    """The transport of a shell, which parts slowly from a peer that is still sending."""

    __slots__ = ("_shell",)

    def __init__(self, transport: asyncio.Transport, shell: "Shell") -> None:
        super().__init__(transport, shell.watch.turn)
        self._shell: Final = shell

    def close(self) -> None:
        """Close after what was written; a peer in the middle of a body can read it first."""
        if self._shell.is_sending():
            self._shell.part()
        else:
            super().close()

    def is_closing(self) -> bool:
        """Return whether nothing more should be written."""
        closing: bool = self._shell.parting or self.raw.is_closing()
        return closing


class Shell(asyncio.Protocol):
    """What our subclasses of uvicorn's two protocols share.

    Nothing here runs for a request that comes whole: times are read off uvicorn's own state by
    the watch, once a second.

    Attributes:
        parting: The last word is written; what still comes is not read.
        leaving: The connection ends with the answer to the request that is coming.
    """

    # uvicorn's, of types that its two engines do not share.
    app: Any
    config: Any
    cycle: Any
    flow: Any
    headers: Any
    loop: asyncio.AbstractEventLoop
    scope: Any
    server_state: Any
    transport: Any

    parting = False
    leaving = False
    url: bytes = b""
    _deaf = False
    _held: Refusal | None = None
    _counted: object = None
    _bytes = 0
    _carried = 0
    _received = 0
    _overheard = 0

    watch: Watch
    _phase = _Phase.FRESH
    _subject: object = None
    _age_s = 0.0
    _silent_s = 0.0
    _begun = 0
    _seen = 0
    _unsent = 0
    _stuck_s = 0.0

    def connection_made(self, transport: Any) -> None:
        """Take a connection."""
        self.watch = watch_of(self.server_state, self.app, self.loop)
        super().connection_made(_Wire(transport, self))  # type: ignore[arg-type]  # looks like one
        self.watch.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the connection go."""
        self.watch.discard(self)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close when the requests under way are answered, because the server stops."""
        drain = getattr(self.app, "drain", None)
        if drain is not None:
            drain()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
        elif cycle is not None and self.head_begun() is None:
            self.transport.close()
        else:
            self.leaving = True  # its first request is on the way

    # Saying no

    def refuse(self, refusal: Refusal, *, whole: bool = False) -> None:
        """Answer what cannot be served, once, and part.

        Requests before it are answered first; where its own answer has begun there is nothing
        left to say, and the connection ends.

        Args:
            whole: What is refused is the last request, although all of it has come.
        """
        if self._deaf:
            return
        self._deaf = True
        cycle, sending = self.cycle, whole or self.is_sending()
        if cycle is None or (cycle.response_complete and not sending):
            self._say(refusal)
        elif cycle.response_complete:
            self.part()  # the answer is out, and the peer still sends what nobody wants
        elif not sending or self._queued(cycle):
            self._held = refusal
        else:
            self._give_up(cycle, refusal)

    def give_up(self) -> None:
        """End a request that the server waits for no longer: 503 unless its answer has begun."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not self.parting:
            self._give_up(cycle, STOPPING)

    def _give_up(self, cycle: Any, refusal: Refusal) -> None:
        started = cycle.response_started
        cycle.disconnected = True  # what the application still says is not for the wire
        cycle.message_event.set()
        if started:
            self.part()
        else:
            self._say(refusal)

    def _queued(self, _cycle: Any) -> bool:
        """Take a request out of the line of pipelined ones; False when it is being served."""
        return False

    def say_held(self) -> None:
        """Say what had to wait for earlier answers."""
        refusal, self._held = self._held, None
        if refusal is not None:
            self._say(refusal)

    def _say(self, refusal: Refusal) -> None:
        if not self.transport.is_closing():
            self.transport.write(refusal.written(self.server_state.default_headers))
            self.part()

    def part(self) -> None:
        """End our side; the peer has a second to read, then the line is cut.

        A socket closed over unread bytes is reset, and a reset swallows the answer.
        """
        self._deaf = self.parting = True
        self.transport.flush()
        self.flow.resume_reading()
        raw = self.transport.raw
        if not raw.is_closing() and raw.can_write_eof():
            raw.write_eof()

    def overhear(self, size: int) -> None:
        """Throw away what a peer sends after its refusal, within bounds."""
        self._overheard += size
        if self._overheard > _LINGER_BYTES:
            self.flow.pause_reading()

    def is_sending(self) -> bool:
        """Return whether the peer is in the middle of a body."""
        cycle = self.cycle
        return cycle is not None and cycle.more_body and cycle.scope is self.scope

    # Counting what comes in pieces

    def count(self, size: int) -> None:
        """Take note of bytes that did not end with a request."""
        cycle, scope = self.cycle, self.scope
        if cycle is not None and cycle.scope is scope:
            self._count_body(cycle, size)
        elif scope is not None:
            if self._counted is not scope:
                # What came before it in the same read was another request's.
                self._counted, self._bytes = scope, 0
                size = min(size, len(self.url) + sum(len(n) + len(v) for n, v in self.headers))
            self._bytes += size
            limits = self.watch.limits
            if len(self.url) > limits.target + _TARGET_SLACK:
                self.refuse(TARGET)
            elif self._bytes > self.watch.head_bytes:
                self.refuse(HEADERS if self.headers else TARGET)

    def _count_body(self, cycle: Any, size: int) -> None:
        self._received += size
        if self._counted is cycle:
            self._bytes += size
        else:
            # The head came in the same read; how long it was is not known.
            self._counted, self._bytes, self._carried = cycle, 0, 0
        if not self.is_chunked():
            return
        if self.has_too_many_trailers():
            self.refuse(HEADERS, whole=True)
        elif self._bytes - self._carried > self.watch.limits.chunk_overhead:
            self.refuse(CHUNKS, whole=True)

    def is_chunked(self) -> bool:
        """Return whether the body that is read comes in chunks."""
        return False

    def has_too_many_trailers(self) -> bool:
        """Return whether those that have come so far are over the bounds."""
        return False

    def too_many(self, fields: Any) -> bool:
        """Return whether these header fields are over the bounds."""
        limits = self.watch.limits
        return (
            len(fields) > limits.headers
            or sum(len(name) + len(value) for name, value in fields) > limits.headers_bytes
            or any(max(len(name), len(value)) > limits.header_bytes for name, value in fields)
        )

    # Time

    def sweep(self, elapsed_s: float) -> None:
        """Note that so many seconds have passed, and end what took too long."""
        if self._is_stuck(elapsed_s) or self.transport.raw.is_closing():
            return
        phase, subject = self._now()
        if phase is not self._phase or subject is not self._subject:
            self._phase, self._subject = phase, subject
            self._age_s = self._silent_s = 0.0
            self._begun = self._seen = self._received
            return
        limits = self.watch.limits
        if phase is _Phase.BODY:
            self._sweep_body(elapsed_s)
            return
        self._age_s += elapsed_s
        if phase is _Phase.IDLE:
            if self._age_s >= limits.keep_alive_s:
                self.transport.close()
        elif phase is _Phase.FRESH:
            if self._age_s >= (_LINGER_S if self.leaving else limits.header_s):
                self.transport.close()
        elif phase is _Phase.HEAD:
            if self._age_s >= limits.header_s and self.url:
                self.refuse(SLOW_HEAD)
            elif self._age_s >= limits.header_s:
                self.transport.close()
        elif phase is _Phase.PARTING and self._age_s >= _LINGER_S:
            self.transport.abort()

    def _now(self) -> tuple[_Phase, object]:
        if self.parting:
            return _Phase.PARTING, None
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            return (_Phase.BODY if self.is_sending() else _Phase.BUSY), cycle
        begun = self.head_begun()
        if begun is not None:
            return _Phase.HEAD, begun
        if cycle is None:
            return _Phase.FRESH, None
        return (_Phase.BODY if cycle.more_body else _Phase.IDLE), cycle

    def head_begun(self) -> object:
        """Return what is the same until the head under way is whole; None where none is."""
        cycle, scope = self.cycle, self.scope
        return None if cycle is not None and cycle.scope is scope else scope

    def _sweep_body(self, elapsed_s: float) -> None:
        # Silence is the peer's fault only while we listen and have asked for the body.
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            return
        limits = self.watch.limits
        self._age_s += elapsed_s
        self._silent_s = 0.0 if self._received != self._seen else self._silent_s + elapsed_s
        self._seen = self._received
        rate = (self._received - self._begun) / self._age_s
        if (
            self._silent_s >= limits.body_idle_s
            or (self._age_s > _RATE_AFTER_S and rate < limits.body_rate)
            or (limits.body_total_s is not None and self._age_s >= limits.body_total_s)
        ):
            self.refuse(SLOW_BODY)

    def _is_stuck(self, elapsed_s: float) -> bool:
        """Cut the line of a peer that reads nothing of what was written for it."""
        unsent: int = self.transport.raw.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._stuck_s = unsent, 0.0
            return False
        self._stuck_s += elapsed_s
        if self._stuck_s < self.watch.limits.answer_idle_s:
            return False
        self.transport.abort()
        return True
