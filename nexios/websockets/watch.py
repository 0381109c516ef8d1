"""Looks at all member sockets once a second: ends stuck writes, breaks long silences."""

from collections.abc import Callable, Mapping
from typing import Final

import anyio

from nexios.application.backplane import Topic
from nexios.websockets.frames import TICK
from nexios.websockets.outgoing import Outgoing
from nexios.websockets.topic import LiveTopic
from nexios.websockets.walk import Walk

WATCH_S: Final = 1.0
TICK_S: Final = 25.0


class Watch:
    """The one timer over the sockets of a hub: none of them has its own."""

    def __init__(
        self,
        sockets: Mapping[str, Outgoing],
        topics: Mapping[Topic, LiveTopic],
        walk: Walk,
        clock: Callable[[], float],
    ) -> None:
        """Watch what the hub has in its tables; ``clock`` is that of the writes."""
        self._sockets = sockets
        self._topics = topics
        self._walk = walk
        self._clock = clock

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await anyio.sleep(WATCH_S)
            self.look()

    def look(self) -> None:
        """Do one round."""
        now = self._clock()
        self._walk.look()
        for outgoing in tuple(self._sockets.values()):
            since = outgoing.writing_since
            if since is not None and now - since >= outgoing.limits.write_idle_s:
                outgoing.evict(1013, "slow reader")
            elif outgoing.tagged:
                self._tick(outgoing, now)

    def _tick(self, outgoing: Outgoing, now: float) -> None:
        """Say something to a socket whose topics were silent for long."""
        topics = [self._topics[topic] for topic in outgoing.members if topic in self._topics]
        told = sum(topic.told for topic in topics)
        if told != outgoing.told:
            outgoing.told, outgoing.silent_since = told, now
        elif now - outgoing.silent_since >= TICK_S and outgoing.members:
            outgoing.silent_since = now
            next(iter(outgoing.members.values())).tell(TICK)
