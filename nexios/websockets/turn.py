"""What is due to sockets in one turn of the event loop: each frame encoded once, one write each.

Sockets whose server takes prepared frames (adapters/asgi/frames.py) are written on the spot, for
the others a task is woken. Figures: benchmarks/realtime.py.
"""

from typing import Final, Protocol

from nexios.adapters.asgi.frames import BINARY, TEXT, frame
from nexios.adapters.asgi.types import Message
from nexios.application.backplane import Topic
from nexios.websockets.options import Overflow
from nexios.websockets.waking import Wake

FRAMES: Final = 16
"""So many messages in one turn are not kept for its end."""

BYTES: Final = 64 * 1024


class Due:
    """One message for all the sockets of a turn that get it."""

    __slots__ = ("_wire", "key", "message", "policy", "size", "topic")

    def __init__(
        self, message: Message, size: int, topic: Topic, policy: Overflow, key: str | None
    ) -> None:
        self.message = message
        self.size = size
        self.topic = topic
        self.policy = policy
        self.key = key
        self._wire: bytes | None = None

    @property
    def wire(self) -> bytes:
        """The frame, made when it is first asked for."""
        if self._wire is None:
            text = self.message.get("text")
            if text is None:
                self._wire = frame(BINARY, self.message["bytes"])
            else:
                self._wire = frame(TEXT, text.encode())
        return self._wire


class Written(Protocol):
    """A socket that is written at the end of the turn."""

    def write_due(self, turn: "Turn") -> None:
        """Write what is due, or queue it where it is not taken."""
        ...

    def give_up(self, error: Exception) -> None:
        """Note that it cannot be written any more."""
        ...


class Turn:
    """Gathers what is due and writes it at the end of the loop's turn.

    Attributes:
        waits: Whether anything is due that was not written yet.
    """

    __slots__ = ("_bytes", "_data", "_dues", "_joined", "_sockets", "_wake", "waits")

    def __init__(self) -> None:
        self._wake = Wake()
        self._dues: dict[int, Due] = {}
        self._sockets: list[Written] = []
        self._bytes = 0
        self._joined: list[Due] = []
        self._data = b""
        self.waits = False

    @property
    def full(self) -> bool:
        """Whether it is time to write before the turn ends."""
        return len(self._dues) >= FRAMES or self._bytes >= BYTES

    def due(
        self, message: Message, size: int, topic: Topic, policy: Overflow, key: str | None
    ) -> Due:
        """Return a message ready for the wire: the same object for all who get the same one."""
        # A message is kept by its Due until the end of the turn, so no other has its id.
        found = self._dues.get(id(message))
        if found is None:
            found = self._dues[id(message)] = Due(message, size, topic, policy, key)
            self._bytes += size
        return found

    def add(self, socket: Written) -> None:
        """Have a socket written at the end of the turn; once until then."""
        self._sockets.append(socket)
        if not self.waits:
            self.waits = True
            self._wake.rouse()

    async def run(self) -> None:
        """Write at the end of each turn; a task, since giving up a socket needs one."""
        while True:
            if self.waits:
                self.flush()
            await self._wake.sleep()

    def flush(self) -> None:
        """Write everything now."""
        sockets, self._sockets = self._sockets, []
        self.waits = False
        for socket in sockets:
            try:
                socket.write_due(self)
            except Exception as broken:  # whatever a dead peer's server raises ends this socket
                socket.give_up(broken)
        self._dues.clear()
        self._joined, self._data = [], b""
        self._bytes = 0

    def joined(self, dues: list[Due]) -> bytes:
        """Return the frames of some messages as one; members in step have the same ones."""
        if len(dues) == 1:
            return dues[0].wire
        if dues != self._joined:
            self._joined = dues
            self._data = b"".join([due.wire for due in dues])
        return self._data
