"""The members of a topic as they stand now, and what is due to them in this turn."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from nexios.adapters.asgi.types import Message
from nexios.application.backplane import Topic
from nexios.websockets.due import Due
from nexios.websockets.options import Overflow
from nexios.websockets.row import Row, Seat
from nexios.websockets.turn import Turn
from nexios.websockets.walk import Walk
from nexios.websockets.wire import Delivery


class Crowd:
    """The members of a topic: one row for each form.

    Members that come and go make a new crowd: what is due stays with those it is due to.
    """

    __slots__ = ("_bare", "_most", "_policy", "_tagged", "_topic", "_turn", "_waiting")

    def __init__(
        self, sockets: Sequence[Seat], topic: Topic, policy: Overflow, turn: Turn
    ) -> None:
        """Hold sockets, of which there is at least one.

        Args:
            topic: What messages count as.
            turn: At its end they are written.
        """
        self._bare = Row(one for one in sockets if not one.tagged)
        self._tagged = Row(one for one in sockets if one.tagged)
        self._most = min(one.most for one in sockets)
        self._topic = topic
        self._policy = policy
        self._turn = turn
        self._waiting: list[tuple[Delivery, Collection[str]]] = []

    def offer(self, delivery: Delivery, exclude: Collection[str]) -> None:
        """Have a message written to all but some."""
        if not self._waiting:
            self._turn.add(self)
        self._waiting.append((delivery, exclude))
        self._turn.count(delivery.size, self._most)

    def hand_out(self, walk: Walk) -> None:
        """Write what is due."""
        waiting, self._waiting = self._waiting, []
        for deliveries, exclude in _runs(waiting):
            bare, tagged = self._bare.without(exclude), self._tagged.without(exclude)
            if bare:
                dues = [self._due(one, one.frame) for one in deliveries if not one.presence]
                if dues:
                    bare.hand_out(dues, walk)
            if tagged:
                dues = [self._due(one, one.tagged(self._topic)) for one in deliveries]
                tagged.hand_out(dues, walk)

    def _due(self, delivery: Delivery, frame: Message) -> Due:
        return Due(frame, delivery.size, self._topic, self._policy, delivery.key)


def _runs(
    waiting: Iterable[tuple[Delivery, Collection[str]]],
) -> Iterator[tuple[list[Delivery], Collection[str]]]:
    """Yield messages that follow each other and are for the same sockets."""
    for exclude, run in groupby(waiting, key=itemgetter(1)):
        yield [delivery for delivery, _ in run], exclude
