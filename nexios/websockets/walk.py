"""Writes many sockets from one task; one that makes it wait keeps the task, and another goes on.

A server's ``send`` mostly returns without waiting, and then a task for each socket costs more than
the write. Figures: benchmarks/realtime.py.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from operator import length_hint
from typing import Protocol

import anyio

from nexios.adapters.asgi.types import Send
from nexios.websockets.due import Due
from nexios.websockets.waking import Wake


class Walked(Protocol):
    """A socket that is written on the way.

    Attributes:
        apart: It is written by others, or over: what comes its way it has to take.
        put: The server's ``send``.
    """

    apart: bool
    put: Send

    def take(self, dues: Sequence[Due]) -> None:
        """Queue what is due, or drop it when the socket is over; never raises."""
        ...

    def give_up(self, error: Exception) -> None:
        """Note that it cannot be written any more."""
        ...

    def held(self, scope: anyio.CancelScope, since: float, left: Sequence[Due]) -> None:
        """Note that its server makes us wait: to cancel ``scope`` ends the write.

        It stands apart until ``let_go``.

        Args:
            since: Clock when the write began.
            left: What else was due, for its queue.
        """
        ...

    def let_go(self) -> None:
        """Note that the write under that scope is over."""
        ...


class Route:
    """Sockets in the order in which they are written."""

    __slots__ = ("_places", "sockets")

    def __init__(self, sockets: tuple[Walked, ...]) -> None:
        self.sockets = sockets
        self._places: dict[Walked, int] | None = None

    def place(self, socket: Walked) -> int:
        """Return where a socket stands, -1 when it does not."""
        if self._places is None:
            self._places = {one: number for number, one in enumerate(self.sockets)}
        return self._places.get(socket, -1)


class _Batch:
    """Messages on their way along a route.

    Attributes:
        ahead: The sockets that do not have them yet.
        skipped: Those among them that took them before it was their turn.
    """

    __slots__ = ("ahead", "dues", "route", "skipped")

    def __init__(self, dues: Sequence[Due], route: Route) -> None:
        self.dues = dues
        self.route = route
        self.ahead: Iterator[Walked] = iter(route.sockets)
        self.skipped: set[Walked] | None = None

    def give(self, socket: Walked) -> None:
        """Have a socket take what is on its way, now."""
        gone = len(self.route.sockets) - length_hint(self.ahead)
        if self.route.place(socket) < gone:
            return
        if self.skipped is None:
            self.skipped = set()
        if socket not in self.skipped:
            self.skipped.add(socket)
            socket.take(self.dues)


class _Walker:
    """One task.

    Attributes:
        at: What it writes now.
        since: Clock when it began to.
        left: What it writes there next.
        held: It had to wait there, and was relieved.
    """

    __slots__ = ("at", "held", "left", "scope", "since", "wake")

    def __init__(self) -> None:
        self.at: Walked | None = None
        self.since = 0.0
        self.left: Iterator[Due] = iter(())
        self.held = False
        self.scope = anyio.CancelScope()
        self.wake = Wake()

    def go_on(self, socket: Walked) -> None:
        """Be at that socket no more."""
        self.at = None
        if self.held:
            self.held = False
            socket.let_go()


class Walk:
    """What waits to be written from one task, in order.

    While somebody walks, a second task stands by when there is more than one thing to write. It
    can only run once the first one waits, and walks on in its place then.
    """

    __slots__ = ("_ahead", "_begin", "_called", "_clock", "_idle", "_walker")

    def __init__(
        self,
        begin: Callable[[Callable[[], Awaitable[None]]], None],
        clock: Callable[[], float],
    ) -> None:
        """Walk in tasks that ``begin`` starts."""
        self._begin = begin
        self._clock = clock
        self._ahead: deque[_Batch] = deque()
        self._walker: _Walker | None = None
        self._called = False
        self._idle: list[_Walker] = []

    @property
    def waits(self) -> bool:
        """Whether something is on its way that was not written or queued yet."""
        return bool(self._ahead)

    def add(self, dues: Sequence[Due], route: Route) -> None:
        """Have messages written to sockets, behind what is on the way to them."""
        self._ahead.append(_Batch(dues, route))
        if not self._called:
            self._call()

    def part(self, socket: Walked) -> None:
        """Have a socket take what is on its way: it is about to write by itself."""
        walker = self._walker
        if walker is not None and walker.at is socket:
            self.look()
        for batch in self._ahead:
            batch.give(socket)

    def leave(self, socket: Walked) -> None:
        """End the write that waits at a socket, if one does."""
        walker = self._walker
        if walker is not None and walker.at is socket:
            self.look()
            walker.scope.cancel()

    def look(self) -> None:
        """Relieve who waits; for tasks that are none of the walkers."""
        self._relieve()
        if self._ahead and not self._called:
            self._call()

    def _call(self) -> None:
        self._called = True
        if self._idle:
            self._idle.pop().wake.rouse()
        else:
            walker = _Walker()
            self._begin(partial(self._live, walker))

    async def _live(self, walker: _Walker) -> None:
        with walker.scope:
            while True:
                self._called = False
                self._relieve()
                if self._ahead:
                    await self._go(walker)
                if walker.scope.cancel_called:
                    return  # just after the write that this was to end
                self._idle.append(walker)
                await walker.wake.sleep()

    def _relieve(self) -> None:
        """Take the place of who waits at a socket; whoever runs knows that all others wait."""
        other, self._walker = self._walker, None
        if other is not None and other.at is not None:
            other.held = True
            # Nothing is left for the one who waits: it ends with the message it writes.
            other.at.held(other.scope, other.since, tuple(other.left))

    async def _go(self, walker: _Walker) -> None:
        self._walker = walker
        ahead = self._ahead
        try:
            while ahead:
                batch = ahead[0]
                more = len(ahead) > 1 or len(batch.route.sockets) > 1 or len(batch.dues) > 1
                if more and not self._called:
                    self._call()
                walker.since = self._clock()
                if not await self._along(walker, batch):
                    return
                ahead.popleft()
        finally:
            walker.at = None
        self._walker = None

    async def _along(self, walker: _Walker, batch: _Batch) -> bool:
        """Write the sockets of a batch; False when it waited, and was relieved."""
        dues = batch.dues
        for socket in batch.ahead:
            if batch.skipped is not None and socket in batch.skipped:
                continue
            if socket.apart:
                walker.at = None  # what gives up a socket here must not take us for stuck at it
                socket.take(dues)
                continue
            walker.at = socket
            left = walker.left = iter(dues)
            put = socket.put
            try:
                for due in left:
                    await put(due.message)
            except Exception as broken:  # whatever a dead peer's send raises ends this one only
                walker.go_on(socket)
                socket.give_up(broken)
            finally:
                if walker.held:
                    walker.go_on(socket)
            if self._walker is not walker:
                return False
        return True
