"""Sockets that get the same messages, written one after the other.

Nothing is made or noted for each socket and message: those in step are written, those that stand
apart are told. Figures: benchmarks/realtime.py.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from nexios.websockets.due import Due
from nexios.websockets.walk import Route, Walk, Walked


class Seat(Walked, Protocol):
    """A socket in a row.

    Attributes:
        id: Its name.
        framed: Its server takes prepared frames.
        inflates: Those may be compressed.
        tagged: It gets the frames of ``nexios.v1``.
        most: How many messages of one turn it can queue without being pressed.
        write: Takes frames at once; False when it has not.
    """

    id: str
    framed: bool
    inflates: bool
    tagged: bool
    most: int
    write: Callable[[bytes], bool]


class Row:
    """Sockets in order of joining, told apart by how they are written."""

    __slots__ = ("_framed", "_inflating", "_plain", "_sockets")

    def __init__(self, sockets: Iterable[Seat]) -> None:
        self._sockets = tuple(sockets)
        framed = [one for one in self._sockets if one.framed]
        self._framed = tuple(one for one in framed if not one.inflates)
        self._inflating = tuple(one for one in framed if one.inflates)
        self._plain = Route(tuple(one for one in self._sockets if not one.framed))

    def __len__(self) -> int:
        return len(self._sockets)

    def hand_out(self, dues: Sequence[Due], walk: Walk) -> None:
        """Write messages to all; what is not taken waits in the queues."""
        if self._plain.sockets:
            walk.add(dues, self._plain)
        if self._framed:
            _write(self._framed, b"".join([due.wire for due in dues]), dues)
        if self._inflating:
            _write(self._inflating, b"".join([due.squeezed for due in dues]), dues)

    def without(self, ids: Collection[str]) -> "Row":
        """Return the row with some left out."""
        return Row(one for one in self._sockets if one.id not in ids) if ids else self


def _write(sockets: Iterable[Seat], data: bytes, dues: Sequence[Due]) -> None:
    for socket in sockets:
        if not socket.apart:
            try:
                if socket.write(data):
                    continue
            except Exception as broken:  # whatever a server raises ends this socket only
                socket.give_up(broken)
        socket.take(dues)
