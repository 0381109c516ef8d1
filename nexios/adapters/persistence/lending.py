"""A connection in somebody's hands, and who holds one for too long."""

import asyncio
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from nexios.adapters.persistence.drivers import Wire
from nexios.adapters.persistence.places import Place
from nexios.adapters.persistence.told import StoreTold

_log: Final = logging.getLogger("nexios.persistence")


@dataclass(eq=False, slots=True)
class Lent:
    """One connection in somebody's hands."""

    fairy: PoolProxiedConnection
    wire: Wire
    engine: AsyncEngine
    gate: asyncio.Semaphore
    place: Place
    pool: object
    told: StoreTold
    warned: bool = False
    since: float = field(default_factory=time.monotonic)
    _core: Connection | None = None

    @property
    def core(self) -> Connection:
        """SQLAlchemy's view of the same connection; it begins and ends nothing itself."""
        if self._core is None:
            self._core = Connection(self.engine.sync_engine, connection=self.fairy)
        return self._core


class HeldWatch:
    """Logs the stack that took a connection when that is held for long, once each.

    A timer runs only while connections are lent; nothing is done at a loan but to see that it
    does.

    Args:
        lent: Live: those that are lent now.
        limit_s: For so long nobody cares; 0 for never.
        masked: The database's URL, for the log.
    """

    def __init__(self, lent: Collection[Lent], limit_s: float, masked: str) -> None:
        self.found = 0
        self._lent = lent
        self._limit_s = limit_s
        self._masked = masked
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Look after connections from now on."""
        if self._timer is None and self._limit_s:
            self._later(self._limit_s)

    def end(self) -> None:
        """Look after nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _later(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        for lent in self._lent:
            if not lent.warned and now - lent.since >= self._limit_s:
                lent.warned = True
                self.found += 1
                _log.warning(
                    "a connection to %s is held for %.1f s by %s, which took it at\n%s",
                    self._masked,
                    now - lent.since,
                    lent.place.who,
                    lent.place.stack,
                )
        waiting = [lent.since for lent in self._lent if not lent.warned]
        if waiting:
            self._later(max(0.01, min(waiting) + self._limit_s - now))
