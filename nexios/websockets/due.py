"""One message in one form, for all the sockets that get it in this form."""

from nexios.adapters.asgi.frames import BINARY, SQUEEZED_FROM, TEXT, frame, squeezed
from nexios.adapters.asgi.types import Message
from nexios.application.backplane import Topic
from nexios.websockets.options import Overflow


class Due:
    """A message on its way to sockets, and what counts where it has to wait."""

    __slots__ = ("_squeezed", "_wire", "key", "message", "policy", "size", "topic")

    def __init__(
        self, message: Message, size: int, topic: Topic, policy: Overflow, key: str | None
    ) -> None:
        self.message = message
        self.size = size
        self.topic = topic
        self.policy = policy
        self.key = key
        self._wire: bytes | None = None
        self._squeezed: bytes | None = None

    @property
    def wire(self) -> bytes:
        """The frame, made when it is first asked for."""
        if self._wire is None:
            self._wire = frame(*self._payload())
        return self._wire

    @property
    def squeezed(self) -> bytes:
        """The same for those who inflate; compressed once for all of them."""
        if self._squeezed is None:
            opcode, payload = self._payload()
            small = len(payload) < SQUEEZED_FROM
            self._squeezed = self.wire if small else squeezed(opcode, payload)
        return self._squeezed

    def _payload(self) -> tuple[int, bytes]:
        text = self.message.get("text")
        return (BINARY, self.message["bytes"]) if text is None else (TEXT, text.encode())
