"""Saying something in a room."""

from typing import Protocol

from examples.chat.domain.post import Nick, Post, RoomName
from nexios.domain import Clock


class RoomFeed(Protocol):
    """Tells everybody in a room, on whichever process they are."""

    async def tell(self, room: RoomName, post: Post, *, id: str) -> None:
        """Tell once: the same id again is heard by nobody."""
        ...


class Rooms:
    """The rooms; they need no opening and end with the last who leaves."""

    def __init__(self, feed: RoomFeed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock

    async def say(self, room: RoomName, nick: Nick, text: str, *, id: str) -> Post:
        """Say something.

        Args:
            id: Of this attempt: who repeats it after a cut line says nothing twice.

        Raises:
            InvalidValue: It is empty or too long.
        """
        post = Post(nick, text.strip(), self._clock.now())
        await self._feed.tell(room, post, id=id)
        return post
