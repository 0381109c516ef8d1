"""One message in one form, for all the sockets that get it in this form."""

from collections.abc import Sequence

from nexios.adapters.asgi.frames import BINARY, TEXT, frame
from nexios.adapters.asgi.types import Message
from nexios.application.backplane import Topic
from nexios.websockets.options import Overflow


class Due:
    """A message on its way to sockets, and what counts where it has to wait."""

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


def joined(dues: Sequence[Due]) -> bytes:
    """Return the frames of some messages as one."""
    return dues[0].wire if len(dues) == 1 else b"".join([due.wire for due in dues])
