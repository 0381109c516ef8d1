"""Server-sent events: an answer that goes on, in the format of the HTML standard (9.2)."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

import anyio

from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.http.response import encode_json, has_no_body
from nexios.adapters.http.stream import (
    Chunks,
    StreamingResponse,
    body,
    close,
    iterate,
    until_gone,
)
from nexios.records import dataclass

T = TypeVar("T")
ToJson = Callable[[Any], bytes]

# The standard knows three line ends; str.splitlines() knows many more.
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_BAD: Final = re.compile(r"[\r\n\0]")
_PING: Final = b":\n\n"
_HEAD: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    # nginx would collect the events otherwise.
    "x-accel-buffering": "no",
}
# At a restart clients come back one after the other, not all at once.
_BACK_MS: Final = (1000, 5000)


@dataclass(frozen=True, slots=True)
class ServerSentEvent(Generic[T]):
    """One event.

    Attributes:
        data: Text goes out as it is, split into lines; anything else as JSON.
        event: Its type; ``message`` for the browser unless given.
        id: What the browser sends back as ``Last-Event-ID`` when it returns.
        retry: Milliseconds the browser waits before it returns, from now on.
    """

    data: T
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would break out of its line.

        Raises:
            ValueError: ``event`` or ``id`` holds CR, LF or NUL, or ``retry`` is below zero.
        """
        for name, text in (("event", self.event), ("id", self.id)):
            if text is not None and _BAD.search(text) is not None:
                raise ValueError(f"the {name} of an event holds no CR, LF or NUL")
        if self.retry is not None and self.retry < 0:
            raise ValueError("the retry of an event is a number of milliseconds from 0")


def event_bytes(item: object, to_json: ToJson = encode_json) -> bytes:
    """Return an item of a stream as it goes out; what is no event is the data of one.

    Raises:
        Unencodable: Its data is no JSON.
    """
    event = item if isinstance(item, ServerSentEvent) else ServerSentEvent(item)
    lines = []
    if event.event is not None:
        lines.append(f"event: {event.event}")
    if event.id is not None:
        lines.append(f"id: {event.id}")
    if event.retry is not None:
        lines.append(f"retry: {event.retry}")
    data = event.data if isinstance(event.data, str) else to_json(event.data).decode("utf-8")
    lines += [f"data: {line}" for line in _LINE_END.split(data)]
    return ("\n".join(lines) + "\n\n").encode("utf-8")


class OpenStreams:
    """The event streams of one app that are under way; they end when the app stops.

    A server waits for its connections before it stops an app, and these never end of themselves.
    """

    __slots__ = ("_ends", "ending")

    def __init__(self) -> None:
        self._ends: set[Callable[[], None]] = set()
        self.ending = False

    def begin(self) -> None:
        """Let streams go on, at the start of the app."""
        self.ending = False

    def end(self) -> None:
        """End those under way and each that comes; may be called twice."""
        self.ending = True
        for end in tuple(self._ends):
            end()

    @contextmanager
    def open(self, end: Callable[[], None]) -> Iterator[None]:
        """Have ``end`` called when the app stops while the body runs."""
        self._ends.add(end)
        try:
            if self.ending:
                end()
            yield
        finally:
            self._ends.discard(end)


class EventStream(StreamingResponse):
    """``text/event-stream``: the head at once, events as they come, comments in silence."""

    __slots__ = ("_ping_s", "_retry_ms", "_to_json")

    def __init__(
        self,
        events: Chunks,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        ping_s: float = 15,
        retry_ms: int = 2000,
        to_json: ToJson = encode_json,
    ) -> None:
        """Make an answer of events, to be sent once.

        Args:
            events: `ServerSentEvent`, text, models, dicts; sync or async.
            ping_s: Seconds of silence after which a comment is sent, so that proxies and the
                client know the connection lives.
            retry_ms: What the browser waits before it comes back.
            to_json: Writes data that is no text.

        Raises:
            ValueError: ``ping_s`` is not above zero or ``retry_ms`` below it.
        """
        if ping_s <= 0 or retry_ms < 0:
            raise ValueError("ping_s is above zero, and retry_ms zero or more")
        super().__init__(events, status_code, {**_HEAD, **(headers or {})}, "text/event-stream")
        # The format is UTF-8 by definition and has no parameter.
        self.headers["content-type"] = "text/event-stream"
        self._ping_s = ping_s
        self._retry_ms = retry_ms
        self._to_json = to_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as an ASGI application; it ends with its events or its peer alone."""
        await self.send_until(OpenStreams(), scope, receive, send)

    async def send_until(
        self, streams: OpenStreams, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send it, and end it with a ``retry:`` of its own when ``streams`` end.

        Raises:
            ClientDisconnect: The peer left before the end.
            Exception: What the events raised.
        """
        if scope.get("method") == "HEAD" or has_no_body(self.status_code):
            await super().__call__(scope, receive, send)
            return
        await until_gone(lambda: self._run(streams, _Line(send)), receive)

    async def _run(self, streams: OpenStreams, line: "_Line") -> None:
        source = iterate(self.content)
        failure: Exception | None = None
        over = False
        try:
            await line.start(self, b"retry: %d\n\n" % self._retry_ms)
            async with anyio.create_task_group() as tasks:

                async def ping() -> None:
                    nonlocal failure
                    try:
                        await line.ping(self._ping_s)
                    except Exception as error:
                        failure = error
                        tasks.cancel_scope.cancel()

                tasks.start_soon(ping, name="nexios ping")
                try:
                    with streams.open(tasks.cancel_scope.cancel):
                        async for item in source:
                            await line.write(event_bytes(item, self._to_json))
                        over = True
                except Exception as error:  # raised below: a task group would wrap it
                    failure = error
                tasks.cancel_scope.cancel()
        finally:
            await close(source)
        if failure is not None:
            raise failure
        if not over:
            low, high = _BACK_MS
            await line.write(b"retry: %d\n\n" % (low + secrets.randbelow(high - low + 1)))
        await line.end()


class _Line:
    """Where events and comments meet: one is sent at a time."""

    __slots__ = ("_last", "_lock", "_send")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lock = anyio.Lock()
        self._last = 0.0

    async def start(self, answer: StreamingResponse, first: bytes) -> None:
        await self._send(answer.start())
        await self.write(first)

    async def write(self, chunk: bytes) -> None:
        async with self._lock:
            await self._send(body(chunk))
            self._last = anyio.current_time()

    async def ping(self, after_s: float) -> None:
        while True:
            wait = self._last + after_s - anyio.current_time()
            if wait > 0:
                await anyio.sleep(wait)
            else:
                await self.write(_PING)

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
