"""The line that hears what a server of Redis publishes."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from nexios.adapters.messaging.links import Backoff, LinkBoard, ended
from nexios.application.backplane import LinkState
from nexios.application.errors import Unavailable

AWAY: Final = "the message broker cannot be reached"

_PING_EVERY_S: Final = 1.0
_PONG_S: Final = 2.0


class RedisEar:
    """One connection that subscribes; it heals by itself and says UP when it hears again.

    Args:
        pool: Makes the connection; it never goes back there.
        lost: What the library raises when a line is gone.
        heard: Called with channel and message, on the loop, one at a time.
        board: Told of the state.
        sharded: It hears what is published on the node of a cluster that holds the channel.
    """

    def __init__(
        self,
        pool: Any,
        lost: tuple[type[BaseException], ...],
        heard: Callable[[bytes, bytes], None],
        board: LinkBoard,
        *,
        sharded: bool = False,
    ) -> None:
        self._verb = "S" if sharded else ""
        small = self._verb.lower()
        self._message = f"{small}message".encode()
        self._subscribed = f"{small}subscribe".encode()
        self._unsubscribed = f"{small}unsubscribe".encode()
        self._pool = pool
        self._lost = lost
        self._heard = heard
        self._board = board
        self._wanted: set[str] = set()
        self._confirmed: set[bytes] = set()
        self._leaving: list[str] = []
        self._change = asyncio.Event()
        self._connection: Any = None
        self._task: asyncio.Task[None] | None = None

    @property
    def subscriptions(self) -> int:
        """How many channels are followed."""
        return len(self._wanted)

    async def start(self) -> None:
        """Connect for the first time; from then on it is kept up.

        Raises:
            Unavailable: The server cannot be reached.
        """
        try:
            connection = await self._open()
        except self._lost as error:
            raise Unavailable(AWAY, retry_after_s=1.0) from error
        self._task = asyncio.create_task(self._keep(connection), name="nexios redis ear")
        self._board.tell(LinkState.UP)

    async def close(self) -> None:
        """End it."""
        await ended(self._task)
        self._task = None
        self._board.up = False

    async def subscribe(self, channel: str) -> None:
        """Hear a channel from now on.

        Raises:
            Unavailable: The line is down; it will hear it when it is up again.
        """
        self._wanted.add(channel)
        connection = self._connection
        if connection is None:
            raise Unavailable(AWAY, retry_after_s=1.0)
        try:
            await connection.send_command(f"{self._verb}SUBSCRIBE", channel)
            async with asyncio.timeout(_PONG_S):
                while channel.encode() not in self._confirmed:
                    if self._connection is not connection:
                        raise Unavailable(AWAY, retry_after_s=1.0)
                    await self._change.wait()
        except self._lost as error:
            raise Unavailable(AWAY, retry_after_s=1.0) from error

    def wants(self, channel: str) -> bool:
        """Return whether it hears a channel, or will as soon as it is up."""
        return channel in self._wanted

    def forget(self, channel: str) -> None:
        """Hear a channel no more, without a word to a server that has it no longer."""
        self._wanted.discard(channel)
        self._confirmed.discard(channel.encode())

    async def unsubscribe(self, channel: str) -> None:
        """Hear a channel no more."""
        self._wanted.discard(channel)
        self._confirmed.discard(channel.encode())
        connection = self._connection
        if connection is not None:
            try:
                await connection.send_command(f"{self._verb}UNSUBSCRIBE", channel)
                if self._verb:
                    self._leaving.append(channel)
            except self._lost:
                return  # a new connection subscribes to what is wanted only

    async def _open(self) -> Any:
        connection = self._pool.make_connection()
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection
        self._leaving.clear()
        return connection

    async def _keep(self, connection: Any) -> None:
        backoff = Backoff()
        while True:
            reason = "the connection was closed"
            try:
                if connection is None:
                    connection = await self._open()
                await self._listen(connection, backoff)
            except self._lost as error:
                reason = f"{type(error).__name__}: {error}"
            finally:
                self._connection = None
                self._confirmed.clear()
                self._changed()
                if connection is not None:
                    await connection.disconnect(nowait=True)
                    connection = None
            self._board.tell(LinkState.DEGRADED, reason)
            await backoff.wait()

    async def _listen(self, connection: Any, backoff: Backoff) -> None:
        wanted = {channel.encode() for channel in self._wanted}
        if self._verb:  # channels of several slots cannot be in one command
            for channel in wanted:
                await connection.send_command("SSUBSCRIBE", channel)
        elif wanted:
            await connection.send_command("SUBSCRIBE", *wanted)
        if not wanted and not self._board.up:
            await connection.send_command("PING")
        asked = not self._board.up
        while True:
            limit = _PONG_S if asked else _PING_EVERY_S
            answer = await connection.read_response(timeout=limit, disconnect_on_error=False)
            if answer is None:
                if asked:
                    raise TimeoutError("no answer to a ping")
                await connection.send_command("PING")
                asked = True
                continue
            asked = False
            self._take(answer)
            if not self._board.up and wanted <= self._confirmed:
                backoff.reset()
                self._board.tell(LinkState.UP)

    def _take(self, answer: Any) -> None:
        kind = answer[0] if isinstance(answer, list) else b""
        if kind == self._message:
            self._heard(answer[1], answer[2])
        elif kind == self._subscribed:
            self._confirmed.add(answer[1])
            self._changed()
        elif kind == self._unsubscribed and self._verb:
            self._parted(answer[1].decode())

    def _parted(self, channel: str) -> None:
        """Note the end of a subscription: that we asked for, or that the cluster ended."""
        if channel in self._leaving:
            self._leaving.remove(channel)
        elif channel in self._wanted:
            raise ConnectionError("another node of the cluster has the channel now")

    def _changed(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()
