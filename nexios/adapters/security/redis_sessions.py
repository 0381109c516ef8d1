"""Sessions that processes share, in Redis or Valkey."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nexios.adapters.security.redis import RedisLink
from nexios.application.sessions import StoredSession

# A session is a hash that expires: v its version, b its text, s the key of its actor's set, or ''.
# That set holds the digests of an actor's sessions by their ends, and expires with the last.
_COMMON: Final = """
local function forget(key, digest)
  local set = redis.call('HGET', key, 's')
  if not set then return 0 end
  redis.call('DEL', key)
  if set ~= '' then redis.call('ZREM', set, digest) end
  return 1
end
local function keep(key, digest, version, body, set, ends)
  redis.call('HSET', key, 'v', version, 'b', body, 's', set)
  redis.call('PEXPIREAT', key, ends)
  if set == '' then return end
  local time = redis.call('TIME')
  redis.call('ZADD', set, ends, digest)
  redis.call('ZREMRANGEBYSCORE', set, '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
  local last = redis.call('ZRANGE', set, -1, -1, 'WITHSCORES')
  if last[2] then redis.call('PEXPIREAT', set, last[2]) end
end
"""
_LOAD: Final = "return redis.call('HMGET', KEYS[1], 'v', 'b')"
_CREATE: Final = _COMMON + "keep(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])\nreturn 1"
# The first key, with its digest as the last value, is what is there; the second takes its place.
_RENEW: Final = (
    _COMMON
    + """
local version, set = unpack(redis.call('HMGET', KEYS[1], 'v', 's'))
if not version or tonumber(version) ~= tonumber(ARGV[2]) - 1 then return 0 end
if KEYS[1] ~= KEYS[2] or set ~= ARGV[4] then forget(KEYS[1], ARGV[6]) end
keep(KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1
"""
)
_END: Final = _COMMON + "return forget(KEYS[1], ARGV[1])"
_END_ALL: Final = """
local gone = 0
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if digest ~= ARGV[2] then
    gone = gone + redis.call('DEL', ARGV[1] .. digest)
    redis.call('ZREM', KEYS[1], digest)
  end
end
return gone
"""
_OF: Final = """
local found = {}
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local version, body = unpack(redis.call('HMGET', ARGV[1] .. digest, 'v', 'b'))
  if version then found[#found + 1] = {digest, version, body} end
end
return found
"""


class RedisSessions:
    """Keeps each session under the digest of its id until it ends; each call is one script.

    Keys share a hash tag, so that a cluster keeps them on one node. A server that evicts keys
    logs people out, and may forget which sessions an actor has: let it have ``noeviction``.

    Args:
        url: ``redis://host:6379/0``.
        prefix: Before every key; services with the same one share their sessions.
        now: The time of day, in UTC; what has ended by it is not loaded, whatever the server says.

    Raises:
        ImportError: The extra ``redis`` is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "nexios:sessions",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sessions = f"{{{prefix}}}:s:"
        self._actors = f"{{{prefix}}}:a:"
        self._now = now
        self._link = RedisLink(url, what="the store of sessions", needed_by="RedisSessions")
        self._load = self._link.script(_LOAD)
        self._create = self._link.script(_CREATE)
        self._renew = self._link.script(_RENEW)
        self._end = self._link.script(_END)
        self._end_all = self._link.script(_END_ALL)
        self._of = self._link.script(_OF)

    async def __aenter__(self) -> "RedisSessions":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def ping(self) -> None:
        """Ask the server for a sign of life, for readiness.

        Raises:
            Unavailable: There is none.
        """
        await self._link.ping()

    async def load(self, digest: bytes) -> StoredSession | None:
        """Return a session that has not ended."""
        version, body = await self._load([self._key(digest)])
        return None if version is None else self._lasting(version, body)

    async def create(self, digest: bytes, session: StoredSession) -> None:
        """Keep a new session."""
        await self._create([self._key(digest)], *self._values(digest, session))

    async def save(self, digest: bytes, session: StoredSession) -> bool:
        """Replace a session of the version before."""
        return await self.renew(digest, digest, session)

    async def renew(self, digest: bytes, new: bytes, session: StoredSession) -> bool:
        """Replace as `save` does, under another digest."""
        keys = [self._key(digest), self._key(new)]
        return bool(await self._renew(keys, *self._values(new, session), digest.hex()))

    async def end(self, digest: bytes) -> None:
        """Forget a session."""
        await self._end([self._key(digest)], digest.hex())

    async def end_all(self, actor: str, *, keep: bytes | None = None) -> int:
        """Forget every session of an actor, but for one."""
        kept = "" if keep is None else keep.hex()
        return int(await self._end_all([self._set(actor)], self._sessions, kept))

    async def of(self, actor: str) -> Mapping[bytes, StoredSession]:
        """Return the sessions of an actor."""
        found = {}
        for digest, version, body in await self._of([self._set(actor)], self._sessions):
            session = self._lasting(version, body)
            if session is not None:
                found[bytes.fromhex(digest.decode())] = session
        return found

    def _key(self, digest: bytes) -> str:
        return self._sessions + digest.hex()

    def _set(self, actor: str | None) -> str:
        if actor is None:
            return ""
        return self._actors + hashlib.sha256(actor.encode()).hexdigest()

    def _values(self, digest: bytes, session: StoredSession) -> tuple[object, ...]:
        held = {
            "data": session.data,
            "actor": session.actor,
            "created_at": _text(session.created_at),
            "seen_at": _text(session.seen_at),
            "ends_at": _text(session.ends_at),
        }
        body = json.dumps(held, allow_nan=False)
        ends = math.ceil(session.ends_at.timestamp() * 1000)
        return digest.hex(), session.version, body, self._set(session.actor), ends

    def _lasting(self, version: bytes, body: bytes) -> StoredSession | None:
        held: dict[str, Any] = json.loads(body)
        ends = datetime.fromisoformat(held["ends_at"])
        if ends <= self._now():
            return None
        return StoredSession(
            data=held["data"],
            actor=held["actor"],
            created_at=datetime.fromisoformat(held["created_at"]),
            seen_at=datetime.fromisoformat(held["seen_at"]),
            ends_at=ends,
            version=int(version),
        )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
