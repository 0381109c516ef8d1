"""One connection beside the pool: hears what other processes say, and tells them of commits."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from nexios.adapters.persistence.engines import postgres_opener
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.url import DatabaseUrl, Options

Woken = Callable[[str], None]

_WINDOW_S: Final = 0.02
"""The shortest time between two announcements: inside a busy commit they would cost too much."""
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
# A peer that vanished without a word is noticed after so long.
_SIGN_OF_LIFE_S: Final = 30.0
_ANSWER_S: Final = 5.0

_log: Final = logging.getLogger("nexios.persistence")


class Line:
    """PostgreSQL's LISTEN and NOTIFY for one Database. A hint only: what counts is polled for.

    It is opened by the first who listens or has something to announce, outside of the pool, and
    opened again when it breaks. SQLite and a pooler have no such line: there it does nothing.
    """

    def __init__(self, url: DatabaseUrl, options: Options) -> None:
        self._open = postgres_opener(url, options)
        self._silent = url.store is not Store.POSTGRESQL or options.pooler
        self._heard: dict[str, list[Woken]] = {}
        self._due: set[str] = set()
        self._poked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listen(self, channel: str, woken: Woken) -> AsyncIterator[None]:
        """Call ``woken`` with each payload other connections send, for the body of the block.

        Also with ``""`` whenever listening begins (again): something may have been missed.
        """
        if self._silent:
            yield
            return
        self._heard.setdefault(channel, []).append(woken)
        self._poke()
        try:
            yield
        finally:
            listeners = self._heard[channel]
            listeners.remove(woken)
            if not listeners:
                del self._heard[channel]
                self._poke()

    def announce(self, channel: str) -> None:
        """Tell the listeners of other processes soon; several calls become one message."""
        if not self._silent:
            self._due.add(channel)
            self._poke()

    async def stop(self) -> None:
        """Close the line; the next use opens it again."""
        task, self._task = self._task, None
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            return
        task.cancel()
        await asyncio.wait((task,))

    def _poke(self) -> None:
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or task.done() or task.get_loop() is not loop:
            self._poked = asyncio.Event()
            # A context of its own: it must not see the transaction of who came first.
            self._task = loop.create_task(
                self._run(self._poked), name="nexios line", context=contextvars.Context()
            )
        self._poked.set()

    async def _run(self, poked: asyncio.Event) -> None:
        pause_s = _FIRST_PAUSE_S
        while self._heard or self._due:
            connection = None
            try:
                connection = await self._open()
                pause_s = _FIRST_PAUSE_S
                await self._serve(connection, poked)
            except Exception as error:  # asyncpg raises several undocumented ones
                _log.debug("no line to other processes: %r", error)
            finally:
                if connection is not None:
                    connection.terminate()
            # What could not be said in time is found by those who poll.
            self._due.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _serve(self, connection: Any, poked: asyncio.Event) -> None:  # asyncpg has no types
        connection.add_termination_listener(lambda _: poked.set())
        listening: set[str] = set()
        while not connection.is_closed():
            poked.clear()
            for channel in set(self._heard) - listening:
                await connection.add_listener(channel, self._hear)
                listening.add(channel)
                self._tell(channel, "")
            for channel in listening - set(self._heard):
                await connection.remove_listener(channel, self._hear)
                listening.discard(channel)
            due, self._due = self._due, set()
            if due:
                text = "; ".join(f"NOTIFY {_quoted(channel)}" for channel in sorted(due))
                await connection.execute(text, timeout=_ANSWER_S)
                await asyncio.sleep(_WINDOW_S)
            try:
                async with asyncio.timeout(_SIGN_OF_LIFE_S):
                    await poked.wait()
            except TimeoutError:
                await connection.execute("SELECT 1", timeout=_ANSWER_S)

    def _hear(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        if pid != connection.get_server_pid():
            self._tell(channel, str(payload))

    def _tell(self, channel: str, payload: str) -> None:
        for woken in tuple(self._heard.get(channel, ())):
            woken(payload)


def _quoted(channel: str) -> str:
    return '"' + channel.replace('"', '""') + '"'
