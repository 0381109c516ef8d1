"""The door of redis: a client that answers soon or is unavailable."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from nexios.application.errors import Unavailable

_CONNECT_S: Final = 0.25
_ANSWER_S: Final = 0.1
_CONNECTIONS: Final = 50


class RedisLink:
    """Connections to one server of Redis or Valkey, for stores that run scripts.

    Nothing is tried twice, and nothing waits longer than 100 ms for an answer or a free
    connection, 250 ms for a new one: whoever asks has a request that waits. Whatever goes wrong
    is `Unavailable`. After an outage the next call connects again.

    Args:
        url: ``redis://host:6379/0``, ``rediss://`` for TLS, ``unix://``. What its query says holds
            instead of the limits here: ``?socket_timeout=0.5``.
        what: What is kept there, for texts: "the store of rates".
        needed_by: The class that asks, for the text of a missing library.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        ValueError: The URL is none.
    """

    def __init__(self, url: str, *, what: str, needed_by: str) -> None:
        try:
            import redis.asyncio as library
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ImportError as missing:
            raise ImportError(
                f"{needed_by} needs redis; fix: pip install 'nexios[redis]'"
            ) from missing
        self._what = what
        self._errors: tuple[type[BaseException], ...] = (RedisError, OSError, asyncio.TimeoutError)
        pool: Any = library.BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_ANSWER_S,
            socket_connect_timeout=_CONNECT_S,
            socket_timeout=_ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._client: Any = library.Redis(connection_pool=pool)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def ping(self) -> None:
        """Ask the server for a sign of life.

        Raises:
            Unavailable: There is none.
        """
        await self._answered(self._client.ping())

    def script(self, text: str) -> "RedisScript":
        """Return a script in Lua to be run; it is sent to the server when that lacks it."""
        return RedisScript(self, self._client.register_script(text))

    async def _answered(self, call: Any) -> Any:
        try:
            return await call
        except self._errors as error:
            raise Unavailable(f"{self._what} does not answer") from error


class RedisScript:
    """Lua that runs on the server as one step, nothing in between."""

    __slots__ = ("_link", "_script")

    def __init__(self, link: RedisLink, script: Any) -> None:
        self._link = link
        self._script = script

    async def __call__(self, keys: Sequence[str], *values: object) -> Any:
        """Run it; what comes back is as the server says it, text as bytes.

        Args:
            keys: Its ``KEYS``; of one hash tag, for clusters.
            values: Its ``ARGV``: text, bytes or numbers.

        Raises:
            Unavailable: The server does not answer, or refuses.
        """
        return await self._link._answered(self._script(keys=keys, args=values))  # noqa: SLF001
