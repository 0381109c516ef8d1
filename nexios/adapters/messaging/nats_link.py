"""The door of nats-py: one connection that heals by itself, and what its errors mean."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import anyio

from nexios.application.errors import OutcomeUnknown, Unavailable

T = TypeVar("T")

_CONNECT_S: Final = 2
_RECONNECT_S: Final = 0.5
_REPLY_S: Final = 2.0
_PING_S: Final = 120
_GONE: Final = ("NoStreamResponseError", "NotFoundError")


class MissingExtra(ImportError):
    """A library that an adapter needs is not installed."""

    def __init__(self, adapter: str, extra: str) -> None:
        self.adapter = adapter
        self.extra = extra
        super().__init__(adapter, extra)

    def __str__(self) -> str:
        return f"{self.adapter} needs a library\n  fix: pip install 'nexios[{self.extra}]'"


class NatsLink:
    """One connection to a NATS server, for as long as its ``async with`` lasts.

    It reconnects for ever. While it is away nothing is kept to be sent later: whoever asks is
    told `Unavailable` at once.

    Args:
        url: ``nats://user:password@host:4222``, or several.
        reply_s: How long the server may take to answer.
        moved: Awaited when the server is lost (False, with the reason) and found again (True).
        ping_s: How often the server is asked for a sign of life; two missed ones lose it.
    """

    def __init__(
        self,
        url: str | list[str],
        *,
        reply_s: float = _REPLY_S,
        moved: Callable[[bool, str], Awaitable[None]] | None = None,
        ping_s: int = _PING_S,
    ) -> None:
        self._url = url
        self.reply_s = reply_s
        self._moved = moved
        self._ping_s = ping_s
        self._connection: Any = None  # nats-py is loaded when it is opened
        self._stream: Any = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def open(self) -> None:
        """Connect.

        Raises:
            MissingExtra: nats-py is not installed.
            Unavailable: No server answers.
        """
        library = _library()
        connection = library.NATS()
        # Whoever reconnects for ever also tries for ever to connect at all.
        with anyio.move_on_after(_CONNECT_S) as limit:
            await connection.connect(
                self._url,
                connect_timeout=_CONNECT_S,
                max_reconnect_attempts=-1,
                reconnect_time_wait=_RECONNECT_S,
                ping_interval=self._ping_s,
                error_cb=_ignore,
                disconnected_cb=partial(self._tell, False),
                reconnected_cb=partial(self._tell, True),
            )
        if limit.cancelled_caught:
            await connection.close()
            raise Unavailable("the message broker cannot be reached")
        self._connection = connection
        self._stream = connection.jetstream(timeout=self.reply_s)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close; what was sent is flushed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def ping(self) -> None:
        """Ask the server for a sign of life, for readiness.

        Raises:
            Unavailable: There is none.
        """
        await self.ask(lambda _: self._connection.flush(timeout=1))

    async def subscribe(self, subject: str, heard: Callable[[Any], Awaitable[None]]) -> Any:
        """Hear a subject from now on, over reconnects too.

        Raises:
            Unavailable: The server is away.
        """

        async def begin(_stream: Any) -> Any:
            subscription = await self._connection.subscribe(subject, cb=heard)
            await self._connection.flush(timeout=max(1, round(self.reply_s)))
            return subscription

        try:
            return await self.ask(begin)
        except OutcomeUnknown as silent:
            raise Unavailable("the message broker cannot be reached") from silent

    async def unsubscribe(self, subscription: Any) -> None:
        """Hear it no more."""
        errors = _library().errors
        if self._connection is not None:
            with suppress(errors.Error, OSError):  # a lost line hears nothing
                await subscription.unsubscribe()

    async def _tell(self, up: bool) -> None:
        # Closing says "disconnected" too.
        if self._moved is not None and self._connection is not None:
            await self._moved(up, "" if up else "the connection was lost")

    async def ask(
        self, call: Callable[[Any], Awaitable[T]], *, gone: Callable[[], object] | None = None
    ) -> T:
        """Return what ``call(jetstream)`` gives.

        Args:
            call: What is asked.
            gone: Told when the stream that is asked for is not there.

        Raises:
            Unavailable: It was not done.
            OutcomeUnknown: The server was asked and did not answer in time.
        """
        errors = _library().errors
        if self._connection is None or not self._connection.is_connected:
            raise Unavailable("the message broker cannot be reached", retry_after_s=1.0)
        try:
            return await call(self._stream)
        except errors.TimeoutError as error:
            raise OutcomeUnknown("the message broker did not answer", retry_after_s=1.0) from error
        except (errors.Error, OSError) as error:
            if gone is not None and type(error).__name__ in _GONE:
                gone()
            raise Unavailable("the message broker refused", retry_after_s=1.0) from error


def _library() -> Any:
    try:
        import nats
        import nats.errors
        import nats.js.api
        import nats.js.errors
    except ImportError as missing:
        raise MissingExtra("the adapter for NATS", "nats") from missing
    return nats


async def _ignore(_error: Exception) -> None:
    """Stay quiet: nats-py would print what whoever asks is told anyway."""
