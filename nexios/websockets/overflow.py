"""What waits for one socket, within bounds, and what gives way when it is full. No I/O."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Final

from nexios.adapters.asgi.types import Message
from nexios.websockets.options import Overflow, OverflowKind

_KEYS: Final = Overflow.KEYS


class Verdict(Enum):
    """What became of a message that was offered."""

    QUEUED = "queued"
    REPLACED = "replaced"
    DROPPED_OLDEST = "dropped_oldest"
    FULL = "full"


class Item:
    """One queued frame: of a topic, or with ``topic=None`` sent by the handler itself."""

    __slots__ = ("frame", "key", "size", "topic")

    def __init__(
        self, frame: Message, size: int, topic: Hashable | None = None, key: str | None = None
    ) -> None:
        self.frame = frame
        self.size = size
        self.topic = topic
        self.key = key


class Waiting:
    """The queue of one socket, first in first out.

    Only channel messages count against the bounds: a handler waits for its own sends anyway.

    Attributes:
        gave_way: How many messages the last offer dropped.
    """

    __slots__ = (
        "_bytes",
        "_count",
        "_freed",
        "_items",
        "_keys",
        "_max_bytes",
        "_max_count",
        "_next",
        "gave_way",
    )

    def __init__(self, *, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._items: OrderedDict[int, Item] = OrderedDict()
        self._keys: dict[tuple[Hashable, str], int] = {}
        self._next = 0
        self._count = 0
        self._bytes = 0
        self.gave_way = 0
        self._freed: tuple[Callable[[], object], ...] = ()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size(self) -> int:
        """Bytes of channel messages that wait."""
        return self._bytes

    def tell(self, freed: Callable[[], object]) -> None:
        """Have something called whenever there is more room."""
        self._freed = (*self._freed, freed)

    def untell(self, freed: Callable[[], object]) -> None:
        """Have it called no more."""
        self._freed = tuple(one for one in self._freed if one != freed)

    def put(self, item: Item) -> None:
        """Queue what a handler sends itself; it is never dropped."""
        self._items[self._next] = item
        self._next += 1

    def offer(self, item: Item, policy: Overflow) -> Verdict:
        """Queue a channel message, or say that there is no room under its topic's policy.

        A message that is larger than the whole bound still goes into an empty queue: otherwise
        nobody could ever get it.
        """
        verdict = Verdict.QUEUED
        self.gave_way = 0
        kind = policy.kind
        if kind is OverflowKind.LATEST_BY_KEY and item.key is not None and item.topic is not None:
            place = (item.topic, item.key)
            old = self._keys.pop(place, None)
            if old is not None:
                self._remove(old)
                verdict = Verdict.REPLACED
            elif len(self._keys) >= _KEYS:
                return Verdict.FULL
        while not self.has_room(item.size):
            if kind is not OverflowKind.DROP_OLDEST or not self._drop_oldest(item.topic):
                return Verdict.FULL
            verdict = Verdict.DROPPED_OLDEST
            self.gave_way += 1
        number = self._next
        self._next += 1
        self._items[number] = item
        self._count += 1
        self._bytes += item.size
        if kind is OverflowKind.LATEST_BY_KEY and item.key is not None and item.topic is not None:
            self._keys[item.topic, item.key] = number
        return verdict

    def take(self) -> Item | None:
        """Return the next item, or None."""
        if not self._items:
            return None
        number, item = self._items.popitem(last=False)
        self._account(number, item)
        for tell in self._freed:
            tell()
        return item

    def discard(self, item: Item) -> bool:
        """Take out an item that was not sent yet; False when it is gone already."""
        for number, waiting in self._items.items():
            if waiting is item:
                self._remove(number)
                return True
        return False

    def clear(self) -> list[Item]:
        """Empty the queue and return what a handler still waits for."""
        direct = [item for item in self._items.values() if item.topic is None]
        self._items.clear()
        self._keys.clear()
        self._count = self._bytes = 0
        for tell in self._freed:
            tell()
        return direct

    def has_room(self, size: int) -> bool:
        """Return whether a message of so many bytes goes in."""
        if self._count == 0:
            return True
        return self._count < self._max_count and self._bytes + size <= self._max_bytes

    def _drop_oldest(self, topic: Hashable | None) -> bool:
        for number, item in self._items.items():
            if item.topic == topic:
                self._remove(number)
                return True
        return False

    def _remove(self, number: int) -> None:
        self._account(number, self._items.pop(number))

    def _account(self, number: int, item: Item) -> None:
        if item.topic is None:
            return
        self._count -= 1
        self._bytes -= item.size
        if item.key is not None and self._keys.get((item.topic, item.key)) == number:
            del self._keys[item.topic, item.key]
