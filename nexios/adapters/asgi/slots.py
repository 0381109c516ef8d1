"""A bounded number of places, and a bounded line before them: first come, first served."""

from collections import deque

import anyio


class Slots:
    """So many at once; who finds no place waits in line, where there is one.

    Attributes:
        taken: How many have a place.
    """

    __slots__ = ("_line", "_places", "_waiting", "taken")

    def __init__(self, places: int | None, waiting: int = 0) -> None:
        """Begin empty.

        Args:
            places: How many at once; None counts them only.
            waiting: How many may stand in line.
        """
        self._places = places
        self._waiting = waiting
        self._line: deque[anyio.Event] = deque()
        self.taken = 0

    @property
    def free(self) -> bool:
        """Whether a place can be had at once; those in line come first."""
        return self._places is None or (self.taken < self._places and not self._line)

    async def take(self, wait_s: float) -> bool:
        """Take a place, or stand in line for one; return whether there was one in time."""
        if self.free:
            self.taken += 1
            return True
        if len(self._line) >= self._waiting:
            return False
        turn = anyio.Event()
        self._line.append(turn)
        try:
            with anyio.move_on_after(wait_s):
                await turn.wait()
        except BaseException:
            if not self._step_out(turn):
                self.give_back()  # it was given a place at the very moment it left
            raise
        # Given a place and out of time at once is: given a place.
        return not self._step_out(turn)

    def take_anyway(self) -> None:
        """Take a place though there may be none: for what must never wait."""
        self.taken += 1

    def give_back(self) -> None:
        """Leave a place to the first in line."""
        self.taken -= 1
        if self._line and (self._places is None or self.taken < self._places):
            self.taken += 1
            self._line.popleft().set()

    def _step_out(self, turn: anyio.Event) -> bool:
        """Leave the line; return whether one still stood in it."""
        if turn.is_set():
            return False
        self._line.remove(turn)
        return True
