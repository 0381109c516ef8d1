"""A topic as an event stream: what was missed, then what comes, each with its place as its id."""

import base64
from collections.abc import AsyncIterator, Hashable
from typing import Any, Final

from pydantic_core import to_json

from nexios.adapters.http.sse import ServerSentEvent
from nexios.application.backplane import Position, Topic
from nexios.application.limits import Limits
from nexios.websockets.declared import Spec
from nexios.websockets.hub import Hub
from nexios.websockets.options import Overflow
from nexios.websockets.overflow import Item, Verdict, Waiting
from nexios.websockets.resume import BadPosition, before, position_in
from nexios.websockets.waking import Wake
from nexios.websockets.wire import Delivery

_ELSEWHERE: Final = Position("", 0)
"""Where nobody stands: to go on from there is a reset."""


class Feed:
    """What waits for one event stream, under the limits and the policy of a member's queue.

    Attributes:
        topic: Whose stream it is.
        queue: What waits.
        policy: What gives way when it is full.
        over: It could not keep up, or the app stops: what waits is the last there is.
    """

    __slots__ = ("_dropped", "_last", "_wake", "over", "policy", "queue", "topic")

    def __init__(self, topic: Topic, policy: Overflow, limits: Limits) -> None:
        self.topic = topic
        self.queue = Waiting(max_count=limits.queue_out, max_bytes=limits.queue_out_bytes)
        self._wake = Wake()
        self._dropped = 0
        self._last: Position | None = None
        self.policy = policy
        self.over = False

    def heard(self, delivery: Delivery) -> None:
        """Keep a message of the topic for the stream."""
        if self.over:
            return
        event = _told(delivery)
        item = _Event(event, delivery.size, self.topic, delivery.key, delivery.position)
        if self.queue.offer(item, self.policy) is Verdict.FULL:
            self.end()
        self._dropped += self.queue.gave_way
        self._wake.rouse()

    def lost(self, head: Position, reason: str, /) -> None:
        """Say in the stream that messages were lost."""
        if not self.over:
            self.queue.put(_Event(_reset(head, reason), 0, None, None, None))
            self._wake.rouse()

    def end(self) -> None:
        """End the stream behind what waits; its client comes back with the last id it has."""
        self.over = True
        self._wake.rouse()

    def begin(self, last: Position | None) -> None:
        """Leave out what is not beyond a place: it was told already."""
        self._last = last

    async def next(self) -> ServerSentEvent[Any] | None:
        """Return what comes next, waiting for it; None at the end."""
        while True:
            if self._dropped:
                count, self._dropped = self._dropped, 0
                return ServerSentEvent(to_json({"count": count}).decode(), "dropped")
            item = self.queue.take()
            if isinstance(item, _Event):
                if item.topic is None:
                    self._last = None  # behind a reset, offsets may begin anew
                here = item.position
                if here is None or here.is_beyond(self._last):
                    return item.event
            elif self.over:
                return None
            else:
                await self._wake.sleep()


class _Event(Item):
    """One event that waits."""

    __slots__ = ("event", "position")

    def __init__(
        self,
        event: ServerSentEvent[Any],
        size: int,
        topic: Hashable | None,
        key: str | None,
        position: Position | None,
    ) -> None:
        super().__init__({}, size, topic, key)
        self.event = event
        self.position = position


async def events(
    hub: Hub, topic: Topic, spec: Spec, after: Position | str | None
) -> AsyncIterator[ServerSentEvent[Any]]:
    """Yield a topic's messages from a place on, or with None from now on."""
    live = hub.use_topic(topic)
    feed = Feed(topic, spec.overflow, hub.limits)
    try:
        await live.ready()
        live.listen(feed)
        hub.feeds.add(feed)
        place = live.last
        asked = _place(after)
        told = await before(hub.backplane, topic, place, asked, 0)
        # With its id a client that is cut before the first message goes on from here.
        yield _joined(told.at, recovered=told.recovered)
        if told.lost:
            yield _reset(told.at, told.lost)
        for arrived in told.messages:
            yield _told(Delivery(arrived))
        feed.begin(told.end)
        while (event := await feed.next()) is not None:
            yield event
    finally:
        live.unlisten(feed)
        hub.feeds.discard(feed)
        hub.leave_topic(live)


def _place(after: Position | str | None) -> Position | None:
    if not isinstance(after, str):
        return after
    try:
        return position_in(after)
    except BadPosition:
        return _ELSEWHERE  # an id of somebody else's: nothing is known of what was missed


def _told(delivery: Delivery) -> ServerSentEvent[Any]:
    place = None if delivery.position is None else str(delivery.position)
    if delivery.binary:
        return ServerSentEvent(base64.b64encode(delivery.body).decode(), "bytes", place)
    return ServerSentEvent(delivery.body.decode("utf-8"), id=place)


def _joined(at: Position | None, *, recovered: bool) -> ServerSentEvent[Any]:
    told = to_json({"recovered": recovered}).decode()
    return ServerSentEvent(told, "joined", None if at is None else str(at))


def _reset(at: Position | None, reason: str) -> ServerSentEvent[Any]:
    told = to_json({"reason": reason}).decode()
    return ServerSentEvent(told, "reset", None if at is None else str(at))
