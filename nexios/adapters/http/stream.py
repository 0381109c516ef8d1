"""Bodies that are sent while they are made."""

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, Final

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.types import Message, RawHeader, Receive, Scope, Send
from nexios.adapters.http.errors import Unencodable
from nexios.adapters.http.response import BaseResponse, has_no_body

Chunks = AsyncIterable[Any] | AsyncIterator[Any] | Iterable[Any]
"""What a stream is made of: ``str`` and ``bytes``, one after the other; checked as they come."""

CLOSE_S: Final = 10.0
"""How long an iterator that is left early has for its clean-up."""

_OF_A_BODY: Final = frozenset((b"content-length", b"content-type", b"content-encoding"))
_END: Final[Any] = object()


class StreamingResponse(BaseResponse):
    """An answer whose body is sent chunk by chunk, each when it is there.

    The head goes out with the first chunk, so an error before it still becomes an answer of its
    own. `send` is awaited for each chunk: a slow reader slows the iterator and nothing piles up.
    When the peer leaves, the iterator is cancelled where it waits, or closed where it stands.
    """

    __slots__ = ("content",)

    def __init__(
        self,
        content: Chunks,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str = "text/plain",
    ) -> None:
        """Make an answer that may be sent once, since an iterator can be run once.

        Args:
            content: Sync or async; a sync iterator is run in a worker thread.
            content_type: Text is written in UTF-8 and says so.
        """
        super().__init__(b"", status_code, None, with_charset(content_type))
        self.content = content
        if headers:
            self.headers.update(headers)

    @property
    def raw_headers(self) -> list[RawHeader]:
        """What goes out; a length only where one was set, since nobody knows it here."""
        fields = list(self.headers.raw)
        if has_no_body(self.status_code):
            return [field for field in fields if field[0] not in _OF_A_BODY]
        return fields

    def start(self) -> Message:
        """Return the message that begins the answer."""
        headers = self.raw_headers
        return {"type": "http.response.start", "status": self.status_code, "headers": headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as an ASGI application; to HEAD without running the iterator.

        Raises:
            ClientDisconnect: The peer left before the end.
            Exception: What the iterator raised, the server's head being out or not.
        """
        if scope.get("method") == "HEAD" or has_no_body(self.status_code):
            await close(self.content)
            await send(self.start())
            await send({"type": "http.response.body", "body": b""})
            return
        await until_gone(lambda: self._pump(send), receive)

    async def _pump(self, send: Send) -> None:
        begun = False
        source = iterate(self.content)
        try:
            async for item in source:
                chunk = encoded(item)
                if not begun:
                    begun = True
                    await send(self.start())
                if chunk:
                    await send(body(chunk))
                # A server takes what it can without waiting, and all of it once the peer has
                # left. An iterator that never waits either would keep everybody else, also the
                # one who tells of it, from running. 0.4 -> 4.7 us a chunk (CPython 3.11).
                await checkpoint()
        finally:
            await close(source)
        if not begun:
            await send(self.start())
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def body(chunk: bytes) -> Message:
    """Return the message of a chunk that is not the last."""
    return {"type": "http.response.body", "body": chunk, "more_body": True}


def with_charset(content_type: str) -> str:
    """Return a content type that says how its text is encoded."""
    if content_type.startswith("text/") and "charset" not in content_type:
        return f"{content_type}; charset=utf-8"
    return content_type


def encoded(item: object) -> bytes:
    """Return a chunk as bytes.

    Raises:
        Unencodable: It is neither text nor bytes.
    """
    if type(item) is bytes:
        return item
    if isinstance(item, str):
        return item.encode("utf-8")
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    kind = f"{type(item).__module__}.{type(item).__qualname__}".removeprefix("builtins.")
    raise Unencodable("$[]", kind, reason="the chunks of a stream are str or bytes")


def iterate(content: Chunks) -> AsyncIterator[Any]:
    """Return an iterator over the chunks; those of a sync one are made in a worker thread."""
    if isinstance(content, AsyncIterable):
        return aiter(content)
    return _Threaded([content] if isinstance(content, (str, bytes)) else content)


class _Threaded:
    """A sync iterable, taken step by step. No generator: leaving early leaves nothing behind."""

    __slots__ = ("_iterator", "_ready")

    def __init__(self, content: Iterable[Any]) -> None:
        self._iterator: Iterator[Any] = iter(content)
        # Going over what is there already needs no thread.
        self._ready = isinstance(content, (list, tuple))

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._ready:
            item = next(self._iterator, _END)
        else:
            item = await to_thread.run_sync(next, self._iterator, _END)
        if item is _END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        stop = getattr(self._iterator, "close", None)
        if stop is not None:
            await to_thread.run_sync(stop)


async def close(content: Chunks) -> None:
    """Close an iterator that may stand in the middle; its clean-up is shielded for a while."""
    leave: Callable[[], Awaitable[None]] | None = getattr(content, "aclose", None)
    stop: Callable[[], None] | None = getattr(content, "close", None)
    if leave is None and stop is None:
        return
    with anyio.CancelScope(shield=True) as limit:
        limit.deadline = anyio.current_time() + CLOSE_S
        if leave is not None:
            await leave()
        elif stop is not None:
            await to_thread.run_sync(stop)


async def until_gone(work: Callable[[], Awaitable[None]], receive: Receive) -> None:
    """Run ``work``, and cancel it when the peer leaves.

    Args:
        work: Sends an answer.
        receive: Of the ASGI call; what is left of the body is dropped.

    Raises:
        ClientDisconnect: The peer left before ``work`` was done.
        Exception: What ``work`` raised.
    """
    done = False
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            nonlocal failure
            try:
                while (await receive())["type"] != "http.disconnect":
                    continue
            except Exception as error:
                failure = error
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch, name="nexios peer")
        try:
            await work()
            done = True
        except Exception as error:  # raised below: a task group would wrap it
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not done:
        raise ClientDisconnect
