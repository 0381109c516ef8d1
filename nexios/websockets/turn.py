"""What is due to sockets in one turn of the event loop: each frame encoded once, one write each.

Sockets whose server takes prepared frames (adapters/asgi/frames.py) are written on the spot, the
others by a task that walks over them. Figures: benchmarks/realtime.py.
"""

from typing import Final, Protocol

from nexios.adapters.asgi.types import Message
from nexios.application.backplane import Topic
from nexios.websockets.due import Due
from nexios.websockets.options import Overflow
from nexios.websockets.row import Row, Seat
from nexios.websockets.waking import Wake
from nexios.websockets.walk import Walk

FRAMES: Final = 16
"""So many messages in one turn are not kept for its end."""

BYTES: Final = 64 * 1024


class Told(Protocol):
    """A topic whose members have something due."""

    def hand_out(self, walk: Walk) -> None:
        """Write it, or put it on the way."""
        ...


class Turn:
    """Gathers what is due and writes it at the end of the loop's turn.

    What is due to one socket alone goes before what is due to whole topics, so it is only taken
    after what the topics had before was written.

    Attributes:
        waits: Whether anything is due that was not written yet.
    """

    __slots__ = (
        "_alone",
        "_bytes",
        "_count",
        "_dues",
        "_most",
        "_topics",
        "_wake",
        "_walk",
        "waits",
    )

    def __init__(self, walk: Walk) -> None:
        """Write sockets that take no prepared frames by way of ``walk``."""
        self._walk = walk
        self._wake = Wake()
        self._dues: dict[tuple[int, Topic], Due] = {}
        self._alone: dict[Seat, list[Due]] = {}
        self._topics: list[Told] = []
        self._bytes = 0
        self._count = 0
        self._most = FRAMES
        self.waits = False

    def offer(
        self,
        socket: Seat,
        message: Message,
        size: int,
        topic: Topic,
        policy: Overflow,
        key: str | None,
    ) -> None:
        """Have a message written to one socket; whoever else gets the same one shares its form."""
        if self._topics:
            self.flush()
        # A message is kept by its Due until the end of the turn, so no other has its id.
        due = self._dues.get((id(message), topic))
        if due is None:
            due = self._dues[id(message), topic] = Due(message, size, topic, policy, key)
        self._alone.setdefault(socket, []).append(due)
        self._rouse()

    def add(self, topic: Told) -> None:
        """Have a topic hand out what is due at the end of the turn; once until then."""
        self._topics.append(topic)
        self._rouse()

    def count(self, size: int, most: int) -> None:
        """Count a message of a topic, of which ``most`` are kept; write when there are enough."""
        self._count += 1
        self._bytes += size
        if most < self._most:
            self._most = most
        if self._count >= self._most or self._bytes >= BYTES:
            self.flush()

    async def run(self) -> None:
        """Write at the end of each turn; a task, since giving up a socket needs one."""
        while True:
            if self.waits:
                self.flush()
            await self._wake.sleep()

    def flush(self) -> None:
        """Write everything now."""
        alone, self._alone = self._alone, {}
        topics, self._topics = self._topics, []
        self._dues = {}
        self._bytes = self._count = 0
        self._most = FRAMES
        self.waits = False
        for socket, dues in alone.items():
            Row((socket,)).hand_out(dues, self._walk)
        for topic in topics:
            topic.hand_out(self._walk)

    def _rouse(self) -> None:
        if not self.waits:
            self.waits = True
            self._wake.rouse()
