"""Writes many sockets from one task; one that makes it wait keeps the task, and another goes on.

A server's ``send`` mostly returns without waiting, and then a task for each socket costs more than
the write. Figures: benchmarks/realtime.py.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import anyio

from nexios.websockets.waking import Wake


class Walked(Protocol):
    """A socket that is written on the way."""

    async def write_ready(self) -> None:
        """Write what is ready; never raises for the socket's state."""
        ...

    def held(self, scope: anyio.CancelScope) -> None:
        """Note that its server makes us wait: to cancel ``scope`` ends the write.

        It is not walked again until it is put on the way anew.
        """
        ...

    def let_go(self) -> None:
        """Note that the write under that scope is over."""
        ...


class _Walker:
    """One task.

    Attributes:
        at: What it writes now.
        held: It had to wait there, and was relieved.
    """

    __slots__ = ("at", "held", "scope", "wake")

    def __init__(self) -> None:
        self.at: Walked | None = None
        self.held = False
        self.scope = anyio.CancelScope()
        self.wake = Wake()


class Walk:
    """The sockets that wait to be written from one task, in order.

    While somebody walks, a second task stands by when more sockets are on the way. It can only
    run once the first one waits, and walks on in its place then.
    """

    __slots__ = ("_ahead", "_begin", "_called", "_idle", "_walker")

    def __init__(self, begin: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        """Walk in tasks that ``begin`` starts."""
        self._begin = begin
        self._ahead: deque[Walked] = deque()
        self._walker: _Walker | None = None
        self._called = False
        self._idle: list[_Walker] = []

    def add(self, socket: Walked) -> None:
        """Have a socket written; once until it is."""
        self._ahead.append(socket)
        if not self._called:
            self._call()

    def leave(self, socket: Walked) -> None:
        """End the write that waits at a socket, if one does."""
        walker = self._walker
        if walker is not None and walker.at is socket:
            self._relieve()
            walker.scope.cancel()

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
            other.at.held(other.scope)

    async def _go(self, walker: _Walker) -> None:
        self._walker = walker
        ahead = self._ahead
        while ahead:
            socket = walker.at = ahead.popleft()
            if ahead and not self._called:
                self._call()
            try:
                await socket.write_ready()
            finally:
                walker.at = None
                if walker.held:
                    walker.held = False
                    socket.let_go()
            if self._walker is not walker:
                return
        self._walker = None
