"""Lends connections: never more than the pool has, never a dead one knowingly, one loop only."""

import asyncio
import logging
import math
import time
import warnings
from dataclasses import dataclass
from typing import Final

import anyio
from sqlalchemy.pool import PoolProxiedConnection

from nexios.adapters.persistence.drivers import Wire
from nexios.adapters.persistence.engines import make_engine, make_wire
from nexios.adapters.persistence.errors import (
    DatabaseRefused,
    DatabaseUnavailable,
    WrongEventLoop,
)
from nexios.adapters.persistence.finishing import to_the_end
from nexios.adapters.persistence.lending import HeldWatch, Lent
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.places import Place, asking_place
from nexios.adapters.persistence.told import StoreTold
from nexios.adapters.persistence.url import DatabaseUrl, Options

RELEASE_TIMEOUT_S: Final = 2.0
_CLOSE_TIMEOUT_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_DRIVER_INFO: Final = "nexios.wire"
_WAITING_EACH: Final = 4
_STACK: Final = 12

_log: Final = logging.getLogger("nexios.persistence")


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """Numbers of one moment; asking costs no I/O.

    Attributes:
        size: Connections the pool may have.
        in_use: Lent now.
        waiting: Tasks that wait for one.
        replaced: Dead connections that were replaced since the start.
        held_long: Those that were held beyond ``held_warning_s`` since the start.
    """

    size: int
    in_use: int
    waiting: int
    replaced: int
    held_long: int = 0


class Pool:
    """SQLAlchemy's pool behind a gate that waits fairly, in time, and knows who holds what."""

    def __init__(self, url: DatabaseUrl, options: Options) -> None:
        self.url = url
        self.options = options
        self.engine = make_engine(url, options)
        self.size = 1 if url.in_memory else options.pool_size
        self.told = StoreTold(url.store.value)
        self._gate = asyncio.Semaphore(self.size)
        self._lent: set[Lent] = set()
        self._watch = HeldWatch(self._lent, options.held_warning_s, url.masked)
        self._most_waiting = _most_waiting(url, options, self.size)
        # At rest here and not in SQLAlchemy's queue: its way in and out needs a task and a
        # greenlet each time. 2.1 -> 0.9 times asyncpg's pool, benchmarks/persistence.py.
        self._idle: list[PoolProxiedConnection] = []
        self._waiting = 0
        self._replaced = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened_at: Place | None = None

    @property
    def statement_limit_s(self) -> float | None:
        """What a statement may take where no server counts its time."""
        counted = self.url.store is Store.POSTGRESQL
        return None if counted else self.options.statement_timeout_s or None

    @property
    def status(self) -> PoolStatus:
        return PoolStatus(
            self.size, len(self._lent), self._waiting, self._replaced, self._watch.found
        )

    async def borrow(self, *, probe: bool) -> Lent:
        """Return a connection that was alive when it was last seen.

        Args:
            probe: Ask one that was idle for long whether it is; a BEGIN asks for itself.

        Raises:
            DatabaseUnavailable: None came free in time, too many wait already, or the server
                cannot be reached.
            WrongEventLoop: The pool is at work in another loop.
        """
        self._enter_loop()
        place = asking_place(_STACK)
        gate = self._gate
        if gate.locked():
            await self._wait(gate)
        else:
            await gate.acquire()
        try:
            return await self._check_out(place, probe=probe)
        except BaseException:
            gate.release()
            raise

    async def give_back(self, lent: Lent) -> None:
        """Take a connection back, its transaction rolled back if one is open.

        One that does not come to rest in time is closed.
        """
        wire = lent.wire
        outdated = lent.pool is not self.engine.sync_engine.pool
        try:
            if not wire.closed and (wire.in_transaction or wire.unsettled or wire.read_only):
                with anyio.CancelScope(shield=True):
                    await self._calm(wire)
            if outdated or wire.unfit or wire.closed:
                with anyio.CancelScope(shield=True):
                    await self._close(wire)
        except BaseException:
            wire.cut()
            raise
        finally:
            self._return(lent)

    def discard(self, lent: Lent) -> None:
        """Close a connection that is in a state nobody knows."""
        lent.wire.cut()
        self._return(lent)

    async def start(self) -> None:
        """Open one connection, trying until ``start_timeout_s``.

        Raises:
            DatabaseUnavailable: With the reason, and how often was tried.
        """
        began = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                await self.give_back(await self.borrow(probe=True))
            except DatabaseRefused:
                raise
            except DatabaseUnavailable as error:
                spent = time.monotonic() - began
                pause = min(_FIRST_PAUSE_S * 2**tries, _LONGEST_PAUSE_S)
                if spent + pause > self.options.start_timeout_s:
                    raise DatabaseUnavailable(
                        f"{error}, tried {tries} times in {spent:.1f} s"
                    ) from error.__cause__
                _log.warning("%s; trying again", error)
                await asyncio.sleep(pause)
            else:
                return

    async def stop(self) -> None:
        """Close what is not lent; what is lent is closed when it comes back."""
        self._watch.end()
        if self._loop is None:
            return
        if self._loop is not asyncio.get_running_loop():
            self._drop()
            return
        self._hand_back()
        with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True):
            await self.engine.dispose()
        self._loop = None

    async def _wait(self, gate: asyncio.Semaphore) -> None:
        if self._waiting >= self._most_waiting:
            # Whoever stood at the end of this queue would be refused when its time is up.
            raise DatabaseUnavailable(
                f"{self._waiting} wait for a connection already; {self._held()}"
            )
        self._waiting += 1
        begun, given = time.perf_counter(), False
        try:
            async with asyncio.timeout(self.options.pool_timeout_s or None):
                await gate.acquire()
            given = True
        except TimeoutError:
            raise DatabaseUnavailable(self._exhausted()) from None
        finally:
            self._waiting -= 1
            if self.told.waited:
                self.told.wait(begun, given=given)

    def _exhausted(self) -> str:
        limit = self.options.pool_timeout_s
        return f"no connection came free within {limit:g} s: {self._held()}"

    def _held(self) -> str:
        held = self._lent
        text = f"{len(held)} of {self.size} in use"
        if not held:
            return text
        oldest = min(held, key=lambda lent: lent.since)
        age = time.monotonic() - oldest.since
        return f"{text}, oldest by {oldest.place.who} for {age:.1f} s ({oldest.place})"

    async def _check_out(self, place: Place, *, probe: bool) -> Lent:
        for _ in range(self.size + 1):
            fairy = await self._connected()
            wire = self._wire_of(fairy)
            sync_pool = self.engine.sync_engine.pool
            lent = Lent(fairy, wire, self.engine, self._gate, place, sync_pool, self.told)
            try:
                alive = not wire.closed and (not probe or await self._answers(wire))
            except BaseException:
                wire.cut()
                fairy.invalidate()
                raise
            if alive:
                self._lent.add(lent)
                self._watch.begin()
                return lent
            self._replaced += 1
            fairy.invalidate()
        raise DatabaseUnavailable(f"every connection to {self.url.masked} broke when it was used")

    async def _connected(self) -> PoolProxiedConnection:
        if self._idle:
            return self._idle.pop()
        # A connection that is half open when its asker is cancelled would be nobody's.
        opening, cancelled = await to_the_end(self.engine.raw_connection())
        error = opening.exception()
        if cancelled is not None:
            if error is None:
                opening.result().close()
            raise cancelled
        if error is None:
            return opening.result()
        if isinstance(error, DatabaseUnavailable) or not isinstance(error, Exception):
            raise error
        raise _cannot_connect(error, self.url) from error

    def _wire_of(self, fairy: PoolProxiedConnection) -> Wire:
        known = fairy.info.get(_DRIVER_INFO)
        if isinstance(known, Wire):
            return known
        wire = make_wire(fairy.driver_connection, self.options)
        fairy.info[_DRIVER_INFO] = wire
        return wire

    async def _answers(self, wire: Wire) -> bool:
        """Ask a connection that was idle for long; SQLite's cannot die."""
        limit = self.options.probe_after_s
        if not limit or time.monotonic() - wire.used_at < limit or self.url.store is Store.SQLITE:
            return True
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await wire.rollback()
        except Exception:  # asyncpg raises several undocumented ones for a dead backend
            wire.cut()
            return False
        return True

    async def _calm(self, wire: Wire) -> None:
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await wire.rollback()
        except Exception as error:  # whatever the driver says, it is not fit for reuse
            _log.warning("a connection was closed, it did not come to rest: %r", error)
            wire.cut()
            return
        wire.unsettled = False
        if wire.in_transaction:
            wire.cut()

    async def _close(self, wire: Wire) -> None:
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await wire.close()
        except Exception as error:  # it is thrown away, however it takes that
            _log.warning("a connection did not close: %r", error)
        wire.cut()

    def _return(self, lent: Lent) -> None:
        lent.wire.used_at = time.monotonic()
        self._lent.discard(lent)
        if lent.wire.closed:
            self._replaced += lent.pool is self.engine.sync_engine.pool
            lent.fairy.invalidate()
        else:
            self._idle.append(lent.fairy)
        lent.gate.release()

    def _enter_loop(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise WrongEventLoop(
                "Database was used outside of an asyncio event loop",
                fix="asyncio.run(main()), or anyio.run(main, backend='asyncio')",
            ) from None
        if self._loop is running:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise WrongEventLoop(
                f"the pool of {self.url.masked} was opened at {self._opened_at} "
                f"in {self._loop!r}, and is used now in {running!r}",
                fix="one Database for each event loop, or stop() it in the first one",
            )
        if self._loop is not None:
            self._drop()
        self._loop = running
        self._opened_at = asking_place()

    def _hand_back(self) -> None:
        """Give what is at rest to SQLAlchemy's queue, which closes or forgets it."""
        idle, self._idle = self._idle, []
        for fairy in idle:
            fairy.close()

    def _drop(self) -> None:
        """Forget a pool whose loop is closed: nothing of it can be awaited any more."""
        self._hand_back()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            self.engine.sync_engine.dispose(close=False)
        self._gate = asyncio.Semaphore(self.size)
        self._lent.clear()
        self._watch.end()
        self._loop = None


def _most_waiting(url: DatabaseUrl, options: Options, size: int) -> float:
    if options.max_waiting is not None:
        return options.max_waiting
    # The one connection of a database in memory is no server's: there everybody takes a turn.
    return math.inf if url.in_memory else _WAITING_EACH * size


def _cannot_connect(error: Exception, url: DatabaseUrl) -> DatabaseUnavailable:
    state = getattr(error, "sqlstate", None) or ""
    if getattr(error, "sqlite_errorname", "") in ("SQLITE_CANTOPEN", "SQLITE_NOTADB"):
        return DatabaseRefused(
            f"cannot open {url.masked}: {error}\n"
            "  fix: the folder must be there and writable, the file a SQLite database or none"
        )
    if state[:2] in ("28", "3D"):
        return DatabaseRefused(f"{url.masked} refused the connection: {error}")
    if isinstance(error, TimeoutError):
        return DatabaseUnavailable(f"cannot reach {url.masked}: no answer in time")
    if isinstance(error, ConnectionRefusedError):
        return DatabaseUnavailable(f"cannot reach {url.masked}: connection refused")
    return DatabaseUnavailable(f"cannot reach {url.masked}: {error}")
