"""Reads on for a handler that stays away, so that leaving is noticed all the same."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from nexios.adapters.asgi.types import Message

INBOX: Final = 16
"""How many messages may wait; then reading stops, and TCP pushes back."""


class Inbox:
    """What came while the handler was away, in order.

    One task at a time runs ``read``; it stops when the inbox is full, when a handler that waits
    has its message, and at the end of the socket.
    """

    __slots__ = ("_error", "_messages", "_read", "_reading", "_wanted")

    def __init__(self, read: Callable[[], Awaitable[Message]]) -> None:
        """Hold messages of ``read``, whose exception is handed on behind them."""
        self._read = read
        self._messages: deque[Message] = deque()
        self._reading = False
        self._wanted: anyio.Event | None = None
        self._error: Exception | None = None

    @property
    def reading(self) -> bool:
        """Whether a task reads."""
        return self._reading

    def begin(self) -> bool:
        """Note that ``read`` will be run; False when it must not: full, over, or running."""
        if self._reading or self._error is not None or len(self._messages) >= INBOX:
            return False
        self._reading = True
        return True

    async def read(self) -> None:
        """Fill the inbox, after ``begin`` was True."""
        try:
            while self._wanted is None and len(self._messages) < INBOX:
                self._messages.append(await self._read())
        except Exception as error:  # the end, or the server's fault: for whoever takes next
            self._error = error
        finally:
            self._reading = False
            if self._wanted is not None:
                self._wanted.set()

    async def take(self) -> Message | None:
        """Return the next message, or None when the handler has to read by itself again.

        Raises:
            Exception: What ended the reading, once, behind the last message.
        """
        while not self._messages:
            error, self._error = self._error, None
            if error is not None:
                raise error
            if not self._reading:
                return None
            if self._wanted is None:
                self._wanted = anyio.Event()
            wanted = self._wanted
            await wanted.wait()
            if self._wanted is wanted:
                self._wanted = None
        return self._messages.popleft()
