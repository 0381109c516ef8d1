"""Reads a request's body within its limits."""

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Final

import anyio

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.types import Message, RawHeader, Receive
from nexios.adapters.http.errors import (
    BodyConsumed,
    BodyStalled,
    BodyTooLarge,
    MalformedBody,
)
from nexios.adapters.http.idle import ANY_LOOP, Begun, Elapsed, Waits
from nexios.application.limits import Limits

# What a stream has handed out is kept up to here, so that the body can still be read after it.
KEPT_BYTES: Final = 2 * 2**20


class BodyReader:
    """The body of one request. The wire is read once, whatever is asked for and how often."""

    __slots__ = (
        "_begun",
        "_chunks",
        "_dropped",
        "_finished",
        "_idle_s",
        "_kept",
        "_length",
        "_limit",
        "_reading",
        "_receive",
        "_refused",
        "_total",
        "_waiting",
        "_waits",
        "_whole",
    )

    def __init__(
        self,
        receive: Receive,
        headers: Iterable[RawHeader],
        limits: Limits,
        waits: Waits = ANY_LOOP,
    ) -> None:
        self._receive = receive
        self._waits = waits
        self._limit = limits.body
        self._kept = KEPT_BYTES
        self._idle_s = limits.body_idle_s
        self._length = content_length(headers)
        self._chunks: list[bytes] = []
        self._total = 0
        self._finished = False
        self._dropped = False
        self._whole: bytes | None = None
        self._reading = False
        self._refused: BodyTooLarge | None = None
        self._waiting: anyio.Event | None = None
        self._begun: Begun | None = None

    def hold(self, body: bytes) -> None:
        """Take the whole body, which somebody has received who needed no reader for it."""
        self._chunks.append(body)
        self._total = len(body)
        self._finished = True
        self._whole = body

    def take_first(self, message: Message) -> None:
        """Take the first message, received by somebody who saw that there are more.

        Raises:
            BodyTooLarge: It is over the limit.
            ClientDisconnect: The peer has left.
        """
        self._take(message, keep=True)

    def go_on(self, begun: Begun) -> None:
        """Wait for the first message with a ``receive`` that has been called already."""
        self._begun = begun

    async def read(self) -> bytes:
        """Return the whole body.

        Raises:
            BodyTooLarge: It is over the limit: by its declared length before a byte is read, else
                at the chunk that crosses.
            BodyStalled: No byte came for ``limits.body_idle_s``.
            ClientDisconnect: The peer left before the end.
            BodyConsumed: It was streamed and too long to be kept.
        """
        if self._whole is None:
            while not self._finished:
                await self._advance()
            if self._dropped:
                raise BodyConsumed
            chunks = self._chunks
            self._whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return self._whole

    def stream(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it arrives; what was read before comes first.

        Raises:
            BodyConsumed: Parts of it have been handed out before and were not kept.
            HttpError: While iterating, what ``read`` raises.
        """
        if self._dropped:
            raise BodyConsumed
        return _Chunks(self)

    def widen(self, limit: int | None, kept: int) -> None:
        """Read on under the limit of multipart forms, and keep less of what is streamed."""
        self._limit = limit
        self._kept = min(kept, KEPT_BYTES)

    async def chunk(self, position: int) -> bytes | None:
        """Return the chunk at ``position``, waiting for it; None behind the last.

        Chunks beyond what is kept are returned once, to the one who waited for them.
        """
        while position >= len(self._chunks):
            if self._finished:
                return None
            fresh = await self._advance(keep=self._total <= self._kept)
            if self._dropped and fresh:
                return fresh
        return self._chunks[position]

    def again(self) -> Receive:
        """Return a ``receive`` that plays what was read so far, then goes on with the wire.

        Raises:
            BodyConsumed: It was streamed and too long to be kept.
        """
        if self._dropped:
            raise BodyConsumed
        kept, more = list(reversed(self._chunks)), not self._finished

        async def receive() -> Message:
            if not kept:
                return await self._receive()
            chunk = kept.pop()
            return {"type": "http.request", "body": chunk, "more_body": more or bool(kept)}

        return receive

    async def left(self) -> bool:
        """Return whether the peer has gone, without waiting; a part of the body is kept."""
        if self._reading:
            return False
        message: Message | None = None
        with self._waits.open() as scope:
            scope.cancel()
            message = await self._receive()
        if message is None:
            return False
        if message["type"] == "http.disconnect":
            return True
        self._take(message, keep=True)
        return False

    async def departed(self) -> None:
        """Wait until the peer has left, while an answer is sent.

        Whoever reads the body meanwhile is not robbed of it: what comes is kept, and past the
        limit the wait goes on only when somebody has read further.
        """
        while True:
            if self._reading or (self._total >= KEPT_BYTES and not self._finished):
                await self._other_reader()
                continue
            self._reading = True
            try:
                message = await self._receive()
            finally:
                self._read_on()
            if message["type"] == "http.disconnect":
                return
            if not self._finished and not self._refused:
                # Being too long is for the reader to hear; what comes now is dropped.
                with suppress(BodyTooLarge):
                    self._take(message, keep=True)

    async def _other_reader(self) -> None:
        if self._waiting is None:
            self._waiting = anyio.Event()
        await self._waiting.wait()

    def _read_on(self) -> None:
        self._reading = False
        if self._waiting is not None:
            self._waiting.set()
            self._waiting = None

    async def _advance(self, *, keep: bool = True) -> bytes:
        """Read one message, or wait until another reader has read one."""
        if self._refused is not None:
            raise self._refused
        if self._reading:
            await self._other_reader()
            return b""
        limit, length = self._limit, self._length
        if limit is not None and length is not None and length > limit:
            raise BodyTooLarge(limit)
        self._reading = True
        begun, self._begun = self._begun, None
        try:
            message = await self._waits.within(begun or self._receive(), self._idle_s)
            return self._take(message, keep=keep)
        except Elapsed:
            raise BodyStalled(self._idle_s) from None
        finally:
            self._read_on()

    def _take(self, message: Message, *, keep: bool) -> bytes:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        total = self._total + len(chunk)
        if self._limit is not None and total > self._limit:
            # The chunk is gone: whoever asks again is told so at once, and waits for no more.
            self._refused = BodyTooLarge(self._limit)
            raise self._refused
        self._total = total
        self._finished = not message.get("more_body", False)
        if not keep and total > self._kept:
            self._dropped = True
            self._chunks.clear()
        else:
            self._chunks.append(chunk)
        return chunk


class _Chunks:
    """Goes over the chunks. No generator: leaving a loop early leaves nothing to close."""

    __slots__ = ("_position", "_reader")

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._position = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            chunk = await self._reader.chunk(self._position)
            if chunk is None:
                raise StopAsyncIteration
            self._position += 1
            if chunk:
                return chunk


def content_length(headers: Iterable[RawHeader]) -> int | None:
    """Return the declared length, or None when there is none.

    Raises:
        MalformedBody: It is no number, or is given twice and differs (RFC 9110, 8.6).
    """
    told: bytes | None = None
    for name, value in headers:
        if name == b"content-length":
            if told is not None and told != value:
                raise MalformedBody("the content length is given twice")
            told = value
    if told is None:
        return None
    if not told.isdigit() or len(told) > 19:
        raise MalformedBody("the content length is no number")
    return int(told)
