"""The backplane over Redis or Valkey: a stream for each topic, and publish and subscribe."""

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio

from nexios.adapters.messaging.links import LinkBoard
from nexios.adapters.messaging.redis_cluster import SCHEME, ClusterEar, RedisCluster
from nexios.adapters.messaging.redis_ear import RedisEar
from nexios.adapters.messaging.redis_link import RedisLink
from nexios.application.backplane import (
    Arrived,
    Keep,
    Link,
    Position,
    Present,
    Slice,
    Stored,
    Topic,
)

DUPLICATE_WINDOW_S: Final = 120.0
_REMEMBERED_MS: Final = 30 * 86_400_000
_UNUSED_MS: Final = 86_400_000

# A topic is a hash (epoch, last, bytes), a stream of what is kept, and a key for each id. All
# have one hash tag. An offset is the number of a stream entry: "offset-0".
_OPEN: Final = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'last', 0, 'bytes', 0)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
"""
_PUBLISH: Final = (
    _OPEN
    + """
local id, key, payload, channel = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local count, size, age, window = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10]
local seen = redis.call('GET', KEYS[3])
if seen then
  local at = string.find(seen, ':', 1, true)
  if string.sub(seen, 1, at - 1) == epoch then
    return {epoch, tonumber(string.sub(seen, at + 1)), 1}
  end
end
local offset = redis.call('HINCRBY', KEYS[1], 'last', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[11])
redis.call('SET', KEYS[3], epoch .. ':' .. offset, 'PX', window)
local now = redis.call('TIME')
local stamp = now[1] .. string.sub('00000' .. now[2], -6, -4)
redis.call('XADD', KEYS[2], offset .. '-0', 'i', id, 'k', key, 'p', payload, 'a', stamp)
local bytes = redis.call('HINCRBY', KEYS[1], 'bytes', #payload)
local length = redis.call('XLEN', KEYS[2])
if length == 1 then
  bytes = #payload
  redis.call('HSET', KEYS[1], 'bytes', bytes)
end
while length > count or (bytes > size and length > 0) do
  local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  redis.call('XDEL', KEYS[2], first[1])
  bytes = redis.call('HINCRBY', KEYS[1], 'bytes', -#first[2][6])
  length = length - 1
end
redis.call('PEXPIRE', KEYS[2], age)
redis.call('HSET', KEYS[1], 'age', age)
local head = epoch .. ' ' .. offset .. ' ' .. #id .. ' ' .. #key .. ' '
redis.call('PUBLISH', channel, head .. id .. key .. payload)
return {epoch, offset, 0}
"""
)
_READ: Final = (
    _OPEN
    + """
local last = tonumber(redis.call('HGET', KEYS[1], 'last'))
local age = tonumber(redis.call('HGET', KEYS[1], 'age') or '0')
local now = redis.call('TIME')
local oldest = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - age
while true do
  local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  if not first or tonumber(first[2][8]) >= oldest then break end
  redis.call('XDEL', KEYS[2], first[1])
  redis.call('HINCRBY', KEYS[1], 'bytes', -#first[2][6])
end
if tonumber(ARGV[4]) == 0 then return {epoch, last, {}} end
local kept
if ARGV[3] == '' then
  kept = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[4])
else
  kept = redis.call('XRANGE', KEYS[2], '(' .. ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])
end
return {epoch, last, kept}
"""
)
_TOUCH: Final = """
for i = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], ARGV[1], ARGV[i])
end
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
redis.call('PEXPIREAT', KEYS[2], ARGV[2])
"""
_PRESENT: Final = """
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])
for _, socket in ipairs(gone) do
  redis.call('HDEL', KEYS[1], socket)
  redis.call('ZREM', KEYS[2], socket)
end
return redis.call('HVALS', KEYS[1])
"""


class RedisBackplane:
    """Carries topics over one server of Redis or Valkey, 5 or newer, or a cluster, 7 or newer.

    A message is as durable as the server: what it forgets with a restart is another epoch, and
    what a promoted replica never had is given out anew, which channels notice.
    Needs asyncio.

    Args:
        url: See `RedisLink`, and `RedisCluster` for ``redis+cluster://``.
        namespace: Before the names of all keys and channels; apps that share it share topics.
        duplicate_window_s: How long the id of a message is remembered.
    """

    shared = True

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "nexios",
        duplicate_window_s: float = DUPLICATE_WINDOW_S,
    ) -> None:
        sharded = url.startswith(f"{SCHEME}://")
        asks = RedisCluster if sharded else RedisLink
        self._link: RedisCluster | RedisLink = asks(url, needed_by="RedisBackplane")
        self._board = LinkBoard()
        self._ear: ClusterEar | RedisEar = self._link.ear(self._heard, self._board)
        self._namespace = namespace
        self._window_ms = int(duplicate_window_s * 1000)
        told = _PUBLISH.replace("'PUBLISH'", "'SPUBLISH'") if sharded else _PUBLISH
        self._publish = self._link.script(told)
        self._read = self._link.script(_READ)
        self._touch = self._link.script(_TOUCH)
        self._present = self._link.script(_PRESENT)
        self._followers: dict[bytes, tuple[Callable[[Arrived], None], ...]] = {}
        self._lock = anyio.Lock()

    async def start(self) -> None:
        """Connect, or raise ``Unavailable``."""
        await self._ear.start()

    async def close(self) -> None:
        """End the subscription and close all connections."""
        await self._ear.close()
        await self._link.close()

    def on_link(self, changed: Callable[[Link], None]) -> None:
        """Call ``changed`` when the server is lost or heard again."""
        self._board.listen(changed)

    @property
    def subscriptions(self) -> int:
        """How many topics this process follows."""
        return self._ear.subscriptions

    async def publish(
        self, topic: Topic, payload: bytes, *, id: str, key: str | None, keep: Keep
    ) -> Stored:
        """Store and publish by one script."""
        place = self._place(topic)
        epoch, offset, duplicate = await self._publish(
            [f"{place}:t", f"{place}:s", f"{place}:i:{id}"],
            secrets.token_hex(8),
            _UNUSED_MS,
            id,
            "" if key is None else f"={key}",
            payload,
            f"{place}:c",
            keep.count,
            keep.size,
            max(1, int(keep.age_s * 1000)),
            self._window_ms,
            _REMEMBERED_MS,
        )
        return Stored(Position(epoch.decode(), offset), duplicate=bool(duplicate))

    @asynccontextmanager
    async def follow(
        self, topic: Topic, arrived: Callable[[Arrived], None]
    ) -> AsyncIterator[Position]:
        """Subscribe, once for all followers of a topic here, then ask where it stands."""
        channel = f"{self._place(topic)}:c"
        name = channel.encode()
        try:
            async with self._lock:
                known = self._followers.get(name, ())
                self._followers[name] = (*known, arrived)
                if not known:
                    await self._ear.subscribe(channel)
            yield (await self.read(topic, None, 0)).head
        finally:
            with anyio.CancelScope(shield=True):
                async with self._lock:
                    left = [one for one in self._followers.get(name, ()) if one is not arrived]
                    self._followers[name] = tuple(left)
                    if not left:
                        del self._followers[name]
                        await self._ear.unsubscribe(channel)

    async def read(self, topic: Topic, after: Position | None, limit: int) -> Slice:
        """Read the stream; offsets are dense, so what is missing shows."""
        place = self._place(topic)
        epoch, last, kept = await self._read(
            [f"{place}:t", f"{place}:s"],
            secrets.token_hex(8),
            _UNUSED_MS,
            "" if after is None else after.offset,
            limit,
        )
        head = Position(epoch.decode(), last)
        if after is not None and (after.epoch != head.epoch or after.offset > last):
            return Slice((), head, complete=False)
        messages = [_message(head.epoch, entry, fields) for entry, fields in kept]
        if after is None:
            return Slice(tuple(reversed(messages)), head, complete=True)
        first = messages[0].previous if messages else last
        return Slice(tuple(messages), head, complete=first == after.offset)

    async def touch(self, entries: Sequence[Present], ttl_s: float) -> None:
        """Note them in a hash, and when each ends in a sorted set."""
        until = time.time() + ttl_s
        for topic, here in _by_topic(entries).items():
            place = self._place(topic)
            told = [part for one in here for part in (one.socket, _told(one))]
            keys = [f"{place}:p", f"{place}:e"]
            await self._touch(keys, until, int(until * 1000) + 1000, *told)

    async def forget(self, entries: Sequence[Present]) -> None:
        """Drop them at once."""
        for topic, here in _by_topic(entries).items():
            place = self._place(topic)
            sockets = [one.socket for one in here]
            await self._link.call("HDEL", f"{place}:p", *sockets)
            await self._link.call("ZREM", f"{place}:e", *sockets)

    async def present(self, topic: Topic) -> Sequence[Present]:
        """Return those whose time is not over."""
        place = self._place(topic)
        found = await self._present([f"{place}:p", f"{place}:e"], time.time())
        return sorted((_present(topic, told) for told in found), key=lambda one: one.since)

    def _place(self, topic: Topic) -> str:
        # A group may be named anything: its length says where it ends, braces make one slot.
        name = topic.channel if topic.group is None else f"{topic.channel}/{topic.group}"
        return f"{self._namespace}:{{{name.replace('}', '%7D')}}}"

    def _heard(self, channel: bytes, data: bytes) -> None:
        epoch, offset, ids, keys, rest = data.split(b" ", 4)
        cut, end = int(ids), int(ids) + int(keys)
        key = rest[cut:end].decode()
        place = Position(epoch.decode(), int(offset))
        message = Arrived(
            place, place.offset - 1, rest[:cut].decode(), key[1:] if key else None, rest[end:]
        )
        for arrived in self._followers.get(channel, ()):
            arrived(message)


def _message(epoch: str, entry: bytes, fields: list[bytes]) -> Arrived:
    offset = int(entry.partition(b"-")[0])
    key = fields[3].decode()
    return Arrived(
        Position(epoch, offset),
        offset - 1,
        fields[1].decode(),
        key[1:] if key else None,
        fields[5],
    )


def _by_topic(entries: Sequence[Present]) -> dict[Topic, list[Present]]:
    found: dict[Topic, list[Present]] = {}
    for entry in entries:
        found.setdefault(entry.topic, []).append(entry)
    return found


def _told(entry: Present) -> str:
    return json.dumps([entry.socket, entry.subject, entry.meta, entry.since])


def _present(topic: Topic, told: Any) -> Present:
    socket, subject, meta, since = json.loads(told)
    return Present(topic, socket, subject, meta, since)
