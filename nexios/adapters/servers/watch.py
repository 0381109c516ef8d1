"""One clock for all connections of a server: what took too long is told so, without timers."""

import asyncio
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from nexios.adapters.servers.corking import Turn
from nexios.application.limits import Limits

_LOOK_S: Final = 1.0
_FIELD_BYTES: Final = 4  # a colon, a space and the end of the line
_LINE_BYTES: Final = 64  # method and version


class Watched(Protocol):
    """A connection that can tell how long it has been waiting for its peer."""

    def sweep(self, elapsed_s: float) -> None:
        """Note that time has passed, and act when it was too much."""
        ...


class Watch:
    """Looks at every connection about once a second.

    A timer for each request would cost each of them a microsecond and more; this costs half a
    microsecond for each connection and second. Bounds are kept to within two looks.

    Attributes:
        turn: Ends what the wires of these connections hold.
        limits: The bounds of the application that is served.
        head_bytes: More than this is no head within them.
    """

    __slots__ = (
        "_connections",
        "_handle",
        "_last",
        "_look_s",
        "_loop",
        "head_bytes",
        "limits",
        "turn",
    )

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        """Look at nothing yet."""
        self.limits = limits
        self.head_bytes = (
            limits.target + limits.headers_bytes + _FIELD_BYTES * limits.headers + _LINE_BYTES
        )
        times = (
            limits.header_s,
            limits.keep_alive_s,
            limits.body_idle_s,
            limits.body_total_s or _LOOK_S * 4,
            limits.answer_idle_s,
        )
        self._look_s = min(_LOOK_S, *(max(seconds, 0.04) / 4 for seconds in times))
        self._loop = loop
        self.turn = Turn(loop)
        self._connections: set[Watched] = set()
        self._handle: asyncio.TimerHandle | None = None
        self._last = 0.0

    def add(self, connection: Watched) -> None:
        """Look after a connection."""
        self._connections.add(connection)
        if self._handle is None:
            self._last = self._loop.time()
            self._handle = self._loop.call_later(self._look_s, self._look)

    def discard(self, connection: Watched) -> None:
        """Let go of a connection that is gone, or another protocol's."""
        self._connections.discard(connection)

    def _look(self) -> None:
        now = self._loop.time()
        # While the loop stood nobody was heard: that is not the peers' fault.
        elapsed = min(now - self._last, 2 * self._look_s)
        self._last = now
        for connection in tuple(self._connections):
            connection.sweep(elapsed)
        more = bool(self._connections)
        self._handle = self._loop.call_later(self._look_s, self._look) if more else None


# By the state that all connections of one server share.
_watches: Final[WeakKeyDictionary[Any, Watch]] = WeakKeyDictionary()


def watch_of(state: Any, app: object, loop: asyncio.AbstractEventLoop) -> Watch:
    """Return the watch of a server, made for its first connection.

    Args:
        state: uvicorn's ``ServerState``.
        app: What it serves; an application of ours brings its bounds.
        loop: The loop it runs in.
    """
    watch = _watches.get(state)
    if watch is None:
        limits = getattr(app, "limits", None)
        watch = Watch(limits if isinstance(limits, Limits) else Limits(), loop)
        _watches[state] = watch
    return watch
