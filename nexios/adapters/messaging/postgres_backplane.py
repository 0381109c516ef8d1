"""The backplane over PostgreSQL: rows are what counts, NOTIFY only wakes."""

import asyncio
import contextvars
import json
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final, Protocol, TypeVar

from nexios.adapters.messaging import postgres_statements as sql
from nexios.adapters.messaging.links import LinkBoard, ended
from nexios.application.backplane import (
    Arrived,
    Keep,
    Link,
    LinkState,
    Position,
    Present,
    Slice,
    Stored,
    Topic,
)
from nexios.application.errors import OutcomeUnknown, TimedOut, Unavailable
from nexios.domain.errors import AlreadyExists

T = TypeVar("T")

DUPLICATE_WINDOW_S: Final = 120.0
_POLL_S: Final = 2.0
_POLL_DOWN_S: Final = 0.5
_SWEEP_S: Final = 30.0
_QUIET_S: Final = 0.005
_NOTIFIED: Final = 7000
_TRIM_EVERY: Final = 64
_READ: Final = 256
_AT_ONCE: Final = 8
_TRIES: Final = 5


class Rows(Protocol):
    """What is needed of a database; `nexios.adapters.persistence.database.Database` is one."""

    async def fetch_all(self, sql: str, args: Sequence[object] = ()) -> Sequence[Any]:
        """Return all rows."""
        ...

    async def fetch_one(self, sql: str, args: Sequence[object] = ()) -> Any:
        """Return the first row, or None."""
        ...

    async def execute(self, sql: str, args: Sequence[object] = ()) -> int:
        """Return how many rows were touched."""
        ...

    def listen(
        self, channel: str, woken: Callable[[str], None]
    ) -> AbstractAsyncContextManager[None]:
        """Call ``woken`` with what others NOTIFY."""
        ...


class PostgresBackplane:
    """Carries topics over tables of PostgreSQL (`nexios.adapters.persistence.tables`).

    A message travels as a row, so its size is not that of a notification. What is published is
    never part of the transaction the caller runs in. Needs asyncio.

    Args:
        database: Opened by somebody else, who closes it after this.
        namespace: Before the names of topics; apps that share it share topics.
        duplicate_window_s: How long the id of a message is remembered.
        poll_s: How often is looked without being woken.
    """

    shared = True

    def __init__(
        self,
        database: Rows,
        *,
        namespace: str = "nexios",
        duplicate_window_s: float = DUPLICATE_WINDOW_S,
        poll_s: float = _POLL_S,
    ) -> None:
        self._database = database
        self._namespace = namespace
        self._channel = f"nx_{namespace}"[:63]
        self._window_s = duplicate_window_s
        self._poll_s = poll_s
        self._board = LinkBoard()
        self._following: dict[str, _Following] = {}
        self._due: dict[int, int] = {}
        self._published: dict[str, int] = {}
        self._full: set[int] = set()
        self._looking = asyncio.Event()
        self._saying = asyncio.Event()
        self._poll_now = False
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Look whether the tables are there, and listen.

        Raises:
            Unavailable: The database cannot be reached.
        """
        await self._apart(self._database.fetch_all(sql.HEADS, [[]]))
        self._looking, self._saying = asyncio.Event(), asyncio.Event()
        await self._stack.enter_async_context(self._database.listen(self._channel, self._woken))
        for name, work in (("look", self._look), ("say", self._say), ("sweep", self._sweep)):
            # A context of its own: it must not see the transaction of who starts it.
            task = asyncio.get_running_loop().create_task(
                work(), name=f"nexios backplane {name}", context=contextvars.Context()
            )
            self._stack.push_async_callback(ended, task)
        self._board.tell(LinkState.UP)

    async def close(self) -> None:
        """Stop listening; the database stays open."""
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        self._board.up = False

    def on_link(self, changed: Callable[[Link], None]) -> None:
        """Call ``changed`` when the database is lost or found again."""
        self._board.listen(changed)

    @property
    def subscriptions(self) -> int:
        """How many topics this process follows."""
        return len(self._following)

    async def publish(
        self, topic: Topic, payload: bytes, *, id: str, key: str | None, keep: Keep
    ) -> Stored:
        """Store it by one statement, whose lock on the topic is the order; then wake others."""
        name = self._name(topic)
        window = self._window_s
        about = [name, id, window, name, secrets.token_hex(8), keep.count, keep.size, keep.age_s]
        args = [*about, id, id, key, payload, name]
        row = await self._apart(self._store(args, name, id))
        stored = Stored(Position(row["epoch"], row["place"]), duplicate=row["duplicate"])
        if not stored.duplicate:
            self._due[row["topic"]] = stored.position.offset
            self._saying.set()
            following = self._following.get(name)
            if following is not None:
                following.dirty = True
                self._looking.set()
        return stored

    async def _store(self, args: list[object], name: str, id: str) -> Any:
        for _ in range(_TRIES):
            try:
                row = await self._database.fetch_one(sql.PUBLISH, args)
            except AlreadyExists:
                # The same id at the same moment, or one that was remembered for long enough.
                await self._database.execute(sql.FORGET_ID, [name, id, self._window_s])
                continue
            except TimedOut as error:
                raise Unavailable("the database took too long", retry_after_s=1.0) from error
            except Unavailable as error:
                self._wake_poll()
                if error.code != "connection-lost":
                    raise
                # It broke after the statement was sent: that commits by itself.
                raise OutcomeUnknown("the database did not answer") from error
            count = self._published[name] = self._published.get(name, 0) + 1
            if count >= _TRIM_EVERY:
                del self._published[name]
                self._full.add(row["topic"])
            return row
        raise Unavailable("too many messages of one id at once", retry_after_s=1.0)

    @asynccontextmanager
    async def follow(
        self, topic: Topic, arrived: Callable[[Arrived], None]
    ) -> AsyncIterator[Position]:
        """Read what comes after the head of now, each time somebody says or polls so."""
        name = self._name(topic)
        head = (await self.read(topic, None, 0)).head
        following = self._following.get(name)
        if following is None:
            following = self._following[name] = _Following(head.epoch, head.offset)
        # Others have followed since before this head: none of them is told anything twice.
        own = _Follower(arrived, head)
        following.followers = (*following.followers, own)
        following.dirty = True
        self._looking.set()
        try:
            yield head
        finally:
            left = tuple(one for one in following.followers if one is not own)
            following.followers = left
            if not left and self._following.get(name) is following:
                del self._following[name]

    async def read(self, topic: Topic, after: Position | None, limit: int) -> Slice:
        """Read rows; offsets are dense, so what is missing shows."""
        name = self._name(topic)
        text = sql.LAST if after is None else sql.AFTER
        args = [0 if after is None else after.offset, limit, name]
        rows = await self._apart(self._database.fetch_all(text, args))
        if not rows:
            made = [name, secrets.token_hex(8)]
            await self._apart(self._database.execute(sql.OPEN, made))
            rows = await self._apart(self._database.fetch_all(text, args))
        head = Position(rows[0]["epoch"], rows[0]["last"])
        if after is not None and (after.epoch != head.epoch or after.offset > head.offset):
            return Slice((), head, complete=False)
        found = [_message(row) for row in rows if row["place"] is not None]
        messages = tuple(sorted(found, key=lambda one: one.position.offset))
        if after is None:
            return Slice(messages, head, complete=True)
        first = messages[0].previous if messages else head.offset
        return Slice(messages, head, complete=first == after.offset)

    async def touch(self, entries: Sequence[Present], ttl_s: float) -> None:
        """Write a row for each."""
        for entry in entries:
            told = json.dumps([entry.socket, entry.subject, entry.meta, entry.since])
            args = [self._name(entry.topic), entry.socket, told, ttl_s]
            await self._apart(self._database.execute(sql.TOUCH, args))

    async def forget(self, entries: Sequence[Present]) -> None:
        """Delete their rows."""
        for entry in entries:
            args = [self._name(entry.topic), entry.socket]
            await self._apart(self._database.execute(sql.FORGET, args))

    async def present(self, topic: Topic) -> Sequence[Present]:
        """Return those whose time is not over."""
        rows = await self._apart(self._database.fetch_all(sql.PRESENT, [self._name(topic)]))
        found = []
        for row in rows:
            socket, subject, meta, since = json.loads(row["told"])
            found.append(Present(topic, socket, subject, meta, since))
        return sorted(found, key=lambda one: one.since)

    def _name(self, topic: Topic) -> str:
        return f"{self._namespace}:{topic}"

    async def _apart(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it outside of the caller's transaction."""
        loop = asyncio.get_running_loop()
        return await loop.create_task(work, context=contextvars.Context())

    def _wake_poll(self) -> None:
        self._poll_now = True
        self._looking.set()

    def _woken(self, said: str) -> None:
        """Hear ``topic:head`` of others, or nothing: then anything may have been missed."""
        if not said:
            self._wake_poll()
            return
        heads = dict(part.split(":") for part in said.split(","))
        for following in self._following.values():
            head = heads.get(str(following.id))
            if following.id is None or (head is not None and int(head) > following.last):
                following.dirty = True
                self._looking.set()

    async def _say(self) -> None:
        """Tell other processes of new heads: at once, then at most every 5 ms."""
        while True:
            await self._saying.wait()
            self._saying.clear()
            due, self._due = self._due, {}
            said = ",".join(f"{topic}:{head}" for topic, head in due.items())
            # They poll, too: what cannot be said is found two seconds later.
            with suppress(Unavailable, OutcomeUnknown, TimedOut):
                told = said if len(said) < _NOTIFIED else ""
                await self._database.fetch_one(sql.NOTIFY, [self._channel, told])
                while self._full:
                    await self._database.execute(sql.TRIM, [self._full.pop(), self._window_s])
            await asyncio.sleep(_QUIET_S)

    async def _look(self) -> None:
        """Read what is new of the followed topics, when woken and every now and then."""
        while True:
            due = self._poll_s if self._board.up else _POLL_DOWN_S
            try:
                async with asyncio.timeout(due):
                    await self._looking.wait()
            except TimeoutError:
                self._poll_now = True
            self._looking.clear()
            try:
                if self._poll_now:
                    self._poll_now = False
                    await self._poll()
                await self._read_new()
            except (Unavailable, OutcomeUnknown, TimedOut) as error:
                self._poll_now = True
                self._board.tell(LinkState.DEGRADED, str(error.__cause__ or error))
                await asyncio.sleep(_POLL_DOWN_S)
            else:
                self._board.tell(LinkState.UP)

    async def _poll(self) -> None:
        rows = await self._database.fetch_all(sql.HEADS, [list(self._following)])
        heads = {row["name"]: row for row in rows}
        for name, following in tuple(self._following.items()):
            row = heads.get(name)
            if row is None:
                continue
            following.id = row["id"]
            if row["epoch"] != following.epoch:
                following.epoch, following.last = row["epoch"], 0
            if row["last"] > following.last:
                following.dirty = True

    async def _read_new(self) -> None:
        names = [name for name, following in self._following.items() if following.dirty]
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            done = await asyncio.gather(
                *(self._catch_up(name) for name in part), return_exceptions=True
            )
            for one in done:
                if isinstance(one, BaseException):
                    raise one

    async def _catch_up(self, name: str) -> None:
        following = self._following.get(name)
        while following is not None and following.dirty:
            following.dirty = False
            args = [name, following.last, _READ]
            try:
                rows = await self._database.fetch_all(sql.NEW, args)
            except BaseException:
                following.dirty = True
                raise
            for row in rows:
                following.deliver(row["topic"], _message(row))
            following.dirty = following.dirty or len(rows) == _READ

    async def _sweep(self) -> None:
        """Trim the rows of topics that are silent now."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            with suppress(Unavailable, OutcomeUnknown, TimedOut):
                await self._database.execute(sql.SWEEP, [f"{self._namespace}:", self._window_s])
                await self._database.execute(sql.FORGET_GONE)


class _Follower:
    """One of those who follow a topic here, and where it began."""

    __slots__ = ("arrived", "head")

    def __init__(self, arrived: Callable[[Arrived], None], head: Position) -> None:
        self.arrived = arrived
        self.head = head


class _Following:
    """A followed topic; ``last`` is the offset that was told last."""

    def __init__(self, epoch: str, last: int) -> None:
        self.id: int | None = None
        self.epoch = epoch
        self.last = last
        self.dirty = False
        self.followers: tuple[_Follower, ...] = ()

    def deliver(self, topic: int, message: Arrived) -> None:
        """Tell the followers, each from its head on."""
        self.id = topic
        here = message.position
        if here.epoch != self.epoch:
            self.epoch, self.last = here.epoch, 0
        if here.offset <= self.last:
            return
        self.last = here.offset
        for one in self.followers:
            if one.head.epoch != here.epoch or here.offset > one.head.offset:
                one.arrived(message)


def _message(row: Mapping[str, Any]) -> Arrived:
    place = Position(row["epoch"], row["place"])
    return Arrived(place, place.offset - 1, row["message"], row["key"], bytes(row["payload"]))
