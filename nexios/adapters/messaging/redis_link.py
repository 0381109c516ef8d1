"""The door of redis for what carries messages: calls that answer soon, and a line that hears."""

import asyncio
from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import anyio

from nexios.adapters.messaging.links import LinkBoard
from nexios.adapters.messaging.redis_ear import AWAY, RedisEar
from nexios.application.errors import OutcomeUnknown, Unavailable

CONNECTIONS: Final = 8
_CONNECT_S: Final = 0.25
_ANSWER_S: Final = 0.1
_SENTINEL: Final = "redis+sentinel://"
_SENTINEL_PORT: Final = 26379


class RedisLink:
    """Connections to one server of Redis or Valkey.

    A call waits 250 ms for a connection and 100 ms for an answer, and nothing is tried twice.

    Args:
        url: ``redis://host:6379/0``, ``rediss://`` for TLS, ``unix://``, or
            ``redis+sentinel://host:26379,host:26379/mymaster/0``: each connection goes to whom
            these sentinels name as master then. What its query says holds instead of the limits
            here: ``?socket_timeout=0.5``; ``sentinel_username`` and ``sentinel_password`` are
            for the sentinels.
        needed_by: The class that asks, for the text of a missing library.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        ValueError: The URL is none.
    """

    def __init__(self, url: str, *, needed_by: str) -> None:
        try:
            import redis.asyncio as library
            import redis.exceptions as errors
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError as missing:
            raise ImportError(
                f"{needed_by} needs redis\n  fix: pip install 'nexios[redis]'"
            ) from missing
        self._errors = errors
        self._lost = (errors.RedisError, OSError, asyncio.TimeoutError)
        options: dict[str, Any] = {  # the library's own
            "max_connections": CONNECTIONS,
            "timeout": _CONNECT_S,
            "socket_connect_timeout": _CONNECT_S,
            "socket_timeout": _ANSWER_S,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        self._master: _Master | None = None
        if url.startswith(_SENTINEL):
            self._master, told = _Master.of(url, options)
            options = {**options, **told, "connection_pool": self._master}
            self._pool: Any = library.BlockingConnectionPool(
                connection_class=library.sentinel.SentinelManagedConnection, **options
            )
        else:
            self._pool = library.BlockingConnectionPool.from_url(url, **options)

    async def call(self, *command: object, wait_s: float = 0.0, asking: bool = False) -> Any:
        """Return the server's answer to a command; text comes as bytes.

        A call that is cancelled or not answered takes its connection with it, so that no later
        one reads its answer.

        Args:
            command: Its words.
            wait_s: How long the command itself may wait on the server, beside the limit here.
            asking: A node of a cluster is asked for what it is being given just now.

        Raises:
            Unavailable: Nothing was done.
            OutcomeUnknown: The server was asked and did not answer.
        """
        try:
            # The pool loses a connection when it is cancelled; its own limits are short.
            with anyio.CancelScope(shield=True):
                connection = await self._pool.get_connection()
        except self._lost as error:
            raise Unavailable(AWAY, retry_after_s=1.0) from error
        clean = False
        try:
            if asking:
                await self._answer(connection, ("ASKING",), 0.0)
            answer = await self._answer(connection, command, wait_s)
            clean = True
        except self._errors.ResponseError as error:
            clean = True
            raise self._refused(error) from error
        except self._lost as error:
            raise OutcomeUnknown("the message broker did not answer") from error
        finally:
            with anyio.CancelScope(shield=True):
                if not clean:
                    await connection.disconnect(nowait=True)
                await self._pool.release(connection)
        return answer

    async def _answer(self, connection: Any, command: tuple[object, ...], wait_s: float) -> Any:
        await connection.send_command(*command)
        if not wait_s:
            return await connection.read_response()
        limit = wait_s + (connection.socket_timeout or _ANSWER_S)
        async with asyncio.timeout(limit):
            return await connection.read_response(timeout=float("inf"))

    def _refused(self, error: Exception) -> Exception:
        if isinstance(error, self._errors.NoScriptError):
            return NoScript()
        if isinstance(error, self._errors.AskError):  # MovedError is one of these
            moved = isinstance(error, self._errors.MovedError)
            return Moved(place_of(error.host, error.port), only_asked=not moved)
        if str(error).startswith(("BUSYGROUP", "NOGROUP")):
            return Refused(str(error).partition(" ")[0])
        return Unavailable("the message broker refused", retry_after_s=1.0)

    def script(self, text: str) -> "LinkScript":
        """Return Lua that runs on the server as one step."""
        return LinkScript(self, text)

    async def ping(self) -> None:
        """Ask the server for a sign of life.

        Raises:
            Unavailable: There is none.
        """
        try:
            await self.call("PING")
        except OutcomeUnknown as silent:
            raise Unavailable(AWAY, retry_after_s=1.0) from silent

    def ear(
        self, heard: Callable[[bytes, bytes], None], board: LinkBoard, *, sharded: bool = False
    ) -> RedisEar:
        """Return a line of its own that hears published messages."""
        return RedisEar(self._pool, self._lost, heard, board, sharded=sharded)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.disconnect()
        if self._master is not None:
            await self._master.close()


class _Master:
    """Who is master now: what a connection of the library by way of sentinels asks.

    Attributes:
        is_master: Connections want the master, not a replica.
        check_connection: They are not tried before use; a call tells what is lost.
    """

    is_master = True
    check_connection = False

    def __init__(self, sentinels: Any, name: str) -> None:
        self._sentinels = sentinels
        self._name = name

    @classmethod
    def of(cls, url: str, options: dict[str, Any]) -> "tuple[_Master, dict[str, Any]]":
        """Return it, and what the URL says of connections: account, database, its query.

        Raises:
            ValueError: The URL names no sentinel or no master.
        """
        from redis.asyncio.connection import parse_url
        from redis.asyncio.sentinel import Sentinel

        place, _, query = url.removeprefix(_SENTINEL).partition("?")
        names, _, path = place.partition("/")
        account, at, hosts = names.rpartition("@")
        name, _, database = path.partition("/")
        if not hosts or not name:
            raise ValueError(
                "a URL of sentinels names them and their master:"
                " redis+sentinel://host:26379,host:26379/mymaster/0"
            )
        told: dict[str, Any] = dict(parse_url(f"redis://{account}{at}_/{database or 0}?{query}"))
        del told["host"]
        asking = {
            key: value
            for key, value in {**options, **told}.items()
            if key.startswith("socket_") or key in ("retry", "protocol")
        }
        for key in ("username", "password"):
            if f"sentinel_{key}" in told:
                asking[key] = told.pop(f"sentinel_{key}")
        parts = [urlsplit(f"//{host}") for host in hosts.split(",")]
        places = [(part.hostname, part.port or _SENTINEL_PORT) for part in parts]
        sentinels = Sentinel(places, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
        return cls(sentinels, name), told

    async def get_master_address(self) -> tuple[str, int]:
        """Return host and port; raises the library's error where no sentinel knows."""
        address: tuple[str, int] = await self._sentinels.discover_master(self._name)
        return address

    async def close(self) -> None:
        """Close the connections to the sentinels."""
        for one in self._sentinels.sentinels:
            await one.aclose()


class NoScript(Exception):
    """The server has not the script, after a restart for one."""


class Moved(Exception):
    """Another node of the cluster has what was asked for; nothing was done.

    Attributes:
        address: Host and port of that node.
        only_asked: It is being given it just now.
    """

    def __init__(self, address: str, *, only_asked: bool) -> None:
        self.address = address
        self.only_asked = only_asked
        super().__init__(address)


class Caller(Protocol):
    """What sends commands: one server, or the one of many that has the key."""

    async def call(self, *command: object, wait_s: float = 0.0) -> Any:
        """Return the answer to a command."""
        ...


def place_of(host: str, port: int) -> str:
    """Return host and port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def slot_of(name: str) -> int:
    """Return the slot of a cluster in which a key or channel is."""
    from redis.crc import key_slot

    return key_slot(name.encode())


class Refused(Exception):
    """The server refused with a word of its own: ``BUSYGROUP``, ``NOGROUP``."""


class LinkScript:
    """Lua that is sent as a whole only to a server that has not seen it."""

    __slots__ = ("_digest", "_link", "_text")

    def __init__(self, link: Caller, text: str) -> None:
        self._link = link
        self._text = text
        self._digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: list[str], *values: object) -> Any:
        """Run it; raises as `RedisLink.call` does."""
        rest = (len(keys), *keys, *values)
        try:
            return await self._link.call("EVALSHA", self._digest, *rest)
        except NoScript:
            return await self._link.call("EVAL", self._text, *rest)
