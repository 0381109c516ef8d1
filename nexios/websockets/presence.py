"""Tells all processes who is in the topics here, in batches, and again before it is forgotten."""

import secrets
from typing import Final

import anyio
from pydantic_core import to_json

from nexios.application.backplane import Backplane, Keep, Present, Topic
from nexios.websockets.resume import AWAY
from nexios.websockets.wire import PRESENCE, pack

GATHER_S: Final = 0.25
REFRESH_S: Final = 20.0
TTL_S: Final = 60.0

_MARK: Final = "\x1fpresence"  # no channel of a user has a control character
_NOTHING: Final = Keep(0, 0, 0.0)


def presence_topic(topic: Topic) -> Topic:
    """Return where joins and leaves of a topic are told.

    It keeps no history, so it is of another channel: what is kept holds for a whole channel.
    """
    return Topic(topic.channel + _MARK, topic.group)


class Presence:
    """Who is here, as all processes are to know it.

    Joins and leaves are gathered for 250 ms; what could not be told is told with the next.
    """

    def __init__(self, backplane: Backplane) -> None:
        self._backplane = backplane
        self._here: dict[tuple[Topic, str], Present] = {}
        self._joined: dict[tuple[Topic, str], Present] = {}
        self._left: dict[tuple[Topic, str], Present] = {}
        self._change = anyio.Event()

    def joined(self, entry: Present) -> None:
        """Note somebody who came."""
        place = (entry.topic, entry.socket)
        self._here[place] = self._joined[place] = entry
        self._left.pop(place, None)
        self._change.set()

    def left(self, entry: Present) -> None:
        """Note somebody who went."""
        place = (entry.topic, entry.socket)
        self._here.pop(place, None)
        self._joined.pop(place, None)
        self._left[place] = entry
        self._change.set()

    async def run(self) -> None:
        """Tell, as long as the hub runs."""
        noted_at = anyio.current_time()
        while True:
            if not self._change.is_set():
                with anyio.move_on_after(REFRESH_S):
                    await self._change.wait()
            self._change = anyio.Event()
            await anyio.sleep(GATHER_S)
            joined, self._joined = self._joined, {}
            left, self._left = self._left, {}
            again = anyio.current_time() - noted_at >= REFRESH_S
            try:
                due = self._here if again else joined
                await self._backplane.touch(tuple(due.values()), TTL_S)
                await self._backplane.forget(tuple(left.values()))
                await self._announce(tuple(joined.values()), tuple(left.values()))
                if again:
                    noted_at = anyio.current_time()
            except AWAY:
                self._joined = {**joined, **self._joined}
                self._left = {**left, **self._left}

    async def withdraw(self) -> None:
        """Forget all who were here; at the end, when the time to live would do it too."""
        gone = (*self._here.values(), *self._left.values())
        self._here.clear()
        try:
            if gone:
                await self._backplane.forget(gone)
        except AWAY:
            return

    async def _announce(self, joined: tuple[Present, ...], left: tuple[Present, ...]) -> None:
        for topic in dict.fromkeys(entry.topic for entry in (*joined, *left)):
            told = {
                "joined": [_told(one) for one in joined if one.topic == topic],
                "left": [_told(one) for one in left if one.topic == topic],
            }
            payload = pack(PRESENCE, to_json(told))
            name = secrets.token_urlsafe(12)
            await self._backplane.publish(
                presence_topic(topic), payload, id=name, key=None, keep=_NOTHING
            )


def _told(entry: Present) -> dict[str, object]:
    return {
        "socket": entry.socket,
        "subject": entry.subject,
        "meta": entry.meta,
        "since": entry.since,
    }
