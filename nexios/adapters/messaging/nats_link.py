"""The door of nats-py: one connection that heals by itself, and what its errors mean."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import anyio

from nexios.application.errors import OutcomeUnknown, Unavailable

T = TypeVar("T")

_CONNECT_S: Final = 2
_RECONNECT_S: Final = 0.5
_REPLY_S: Final = 2.0


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
    """

    def __init__(self, url: str | list[str], *, reply_s: float = _REPLY_S) -> None:
        self._url = url
        self.reply_s = reply_s
        self._connection: Any = None  # nats-py is loaded when it is opened
        self._stream: Any = None

    async def __aenter__(self) -> Self:
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
                error_cb=_ignore,
            )
        if limit.cancelled_caught:
            await connection.close()
            raise Unavailable("the message broker cannot be reached")
        self._connection = connection
        self._stream = connection.jetstream(timeout=self.reply_s)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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

    async def ask(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """Return what ``call(jetstream)`` gives.

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
