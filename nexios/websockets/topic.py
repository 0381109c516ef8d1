"""One topic on one process: its members, and the subscription that feeds them."""

import anyio

from nexios.application.backplane import Arrived, Backplane, Position, Topic
from nexios.websockets.member import Member
from nexios.websockets.wire import Delivery


class LiveTopic:
    """The members of one topic here; lives from its first member to its last.

    Attributes:
        topic: Its name.
        users: Members, and joins that are still on the way.
    """

    __slots__ = ("_error", "_members", "_ready", "_row", "_stop", "last", "topic", "users")

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.users = 0
        self.last: Position | None = None
        self._members: dict[str, Member] = {}
        self._row: tuple[Member, ...] | None = None
        self._ready = anyio.Event()
        self._stop = anyio.Event()
        self._error: Exception | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        """Who is in it now, in order of joining. Changes make a new tuple, so it can be walked."""
        if self._row is None:
            self._row = tuple(self._members.values())
        return self._row

    def add(self, member: Member) -> None:
        """Take a member in; it gets what arrives from now on."""
        self._members[member.socket] = member
        self._row = None

    def remove(self, member: Member) -> None:
        """Let a member go."""
        if self._members.pop(member.socket, None) is not None:
            self._row = None

    def deliver(self, arrived: Arrived) -> None:
        """Give a message to every member. Never waits and never raises for one."""
        last, here = self.last, arrived.position
        if last is not None and last.epoch == here.epoch and here.offset <= last.offset:
            return
        self.last = here
        delivery = Delivery(arrived)
        if delivery.exclude:
            for member in self.members:
                if member.socket not in delivery.exclude:
                    member.offer(delivery)
        else:
            for member in self.members:
                member.offer(delivery)

    async def run(self, backplane: Backplane) -> None:
        """Follow the topic until ``stop``; one task owns the subscription."""
        try:
            async with backplane.follow(self.topic, self.deliver) as head:
                if self.last is None:
                    self.last = head
                self._ready.set()
                await self._stop.wait()
        except Exception as error:
            if self._ready.is_set():
                raise
            self._error = error
        finally:
            self._ready.set()

    async def ready(self) -> None:
        """Return when following has begun.

        Raises:
            Exception: What following failed with, ``Unavailable`` for one.
        """
        if not self._ready.is_set():
            await self._ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the subscription."""
        self._stop.set()
