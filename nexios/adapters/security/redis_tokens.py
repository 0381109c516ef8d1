"""Refresh tokens and revocations that processes share, in Redis or Valkey."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nexios.adapters.security.redis import RedisLink
from nexios.application.refresh_tokens import Outcome, RefreshFamily, Turn, Turned
from nexios.application.revocations import SUBJECT_KEPT, Deltas, Kind, Revoked

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# A family is a hash that expires when it is idle: d the good digest, p the one before, r when it
# was replaced, i and e its ends, c the client, b what else there is, s the key of its actor's
# set. That holds families by their absolute ends. Moments are microseconds since 1970.
_OPEN: Final = """
redis.call('HSET', KEYS[1], 'd', ARGV[1], 'p', '', 'r', '0', 'i', ARGV[2], 'e', ARGV[3],
  'c', ARGV[4], 'b', ARGV[5], 's', KEYS[2])
redis.call('PEXPIREAT', KEYS[1], math.ceil(ARGV[2] / 1000))
local time = redis.call('TIME')
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', time[1] * 1000000 + time[2])
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
if last[2] then redis.call('PEXPIREAT', KEYS[2], math.ceil(last[2] / 1000)) end
return 1
"""
_ROTATE: Final = """
local good, before, at, idle, ends, client, body, set =
  unpack(redis.call('HMGET', KEYS[1], 'd', 'p', 'r', 'i', 'e', 'c', 'b', 's'))
local spent, fresh, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not good or tonumber(idle) <= now then return {'unknown'} end
if ARGV[6] ~= '' and ARGV[6] ~= client then return {'unknown'} end
local first = good == spent
if not first and not (before == spent and now < tonumber(at) + tonumber(ARGV[5])) then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', set, ARGV[7])
  return {'reused', good, idle, ends, body}
end
if tonumber(ARGV[4]) < tonumber(ends) then idle = ARGV[4] else idle = ends end
redis.call('HSET', KEYS[1], 'd', fresh, 'p', first and spent or '', 'r', ARGV[3], 'i', idle)
redis.call('PEXPIREAT', KEYS[1], math.ceil(idle / 1000))
return {'rotated', fresh, idle, ends, body}
"""
_CLOSE: Final = """
local good, idle, ends, body, set = unpack(redis.call('HMGET', KEYS[1], 'd', 'i', 'e', 'b', 's'))
if not good then return false end
redis.call('DEL', KEYS[1])
redis.call('ZREM', set, ARGV[1])
return {good, idle, ends, body}
"""
_CLOSE_ALL: Final = """
local gone = 0
for _, family in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  gone = gone + redis.call('DEL', ARGV[1] .. family)
end
redis.call('DEL', KEYS[1])
return gone
"""

# Numbers go on from the time, so that a server that was emptied hands out none a second time.
_ADD: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
local number = string.format('%.0f', math.max(last + 1, now))
redis.call('SET', KEYS[1], number)
redis.call('ZADD', KEYS[2], number, ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[2], entry)
  redis.call('ZREM', KEYS[3], entry)
end
return 1
"""
_SINCE: Final = """
return {redis.call('GET', KEYS[1]) or '0',
  redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf')}
"""


class RedisRefreshTokens:
    """Keeps each family until it ends; each call is one script.

    Keys share a hash tag, so that a cluster keeps them on one node. A server that evicts keys
    logs people out: let it have ``noeviction``.

    Args:
        url: ``redis://host:6379/0``.
        prefix: Before every key; services with the same one share their logins.

    Raises:
        ImportError: The extra ``redis`` is not installed.
    """

    def __init__(self, url: str, *, prefix: str = "nexios:refresh") -> None:
        self._families = f"{{{prefix}}}:f:"
        self._actors = f"{{{prefix}}}:a:"
        self._link = RedisLink(
            url, what="the store of refresh tokens", needed_by="RedisRefreshTokens"
        )
        self._open = self._link.script(_OPEN)
        self._rotate = self._link.script(_ROTATE)
        self._close = self._link.script(_CLOSE)
        self._close_all = self._link.script(_CLOSE_ALL)

    async def __aenter__(self) -> "RedisRefreshTokens":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def ping(self) -> None:
        """Ask the server for a sign of life, for readiness.

        Raises:
            Unavailable: There is none.
        """
        await self._link.ping()

    async def open(self, family: RefreshFamily) -> None:
        """Keep a new family."""
        held = {
            "actor": family.actor,
            "client": family.client,
            "opened_at": _micros(family.opened_at),
            "scopes": list(family.scopes),
            "claims": dict(family.claims),
        }
        await self._open(
            [self._key(family.id), self._set(family.actor)],
            family.digest.hex(),
            _micros(family.idle_ends_at),
            _micros(family.ends_at),
            _named(family.client),
            json.dumps(held, allow_nan=False),
            family.id.hex(),
        )

    async def rotate(self, turn: Turn) -> Turned:
        """Replace the good token; the server does one thing at a time."""
        outcome, *told = await self._rotate(
            [self._key(turn.family)],
            turn.spent.hex(),
            turn.fresh.hex(),
            _micros(turn.now),
            _micros(turn.idle_ends_at),
            turn.grace // _MICROSECOND,
            _named(turn.client),
            turn.family.hex(),
        )
        return Turned(Outcome(outcome.decode()), _family(turn.family, told) if told else None)

    async def close_family(self, family: bytes) -> RefreshFamily | None:
        """Forget a family."""
        told = await self._close([self._key(family)], family.hex())
        return _family(family, told) if told else None

    async def close_all(self, actor: str) -> int:
        """Forget every family of an actor."""
        return int(await self._close_all([self._set(actor)], self._families))

    def _key(self, family: bytes) -> str:
        return self._families + family.hex()

    def _set(self, actor: str) -> str:
        return self._actors + hashlib.sha256(actor.encode()).hexdigest()


class RedisRevocations:
    """Keeps revocations by their number until they end; each call is one script.

    A server that evicts keys forgets what is revoked: let it have ``noeviction``.

    Args:
        url: ``redis://host:6379/0``.
        prefix: Before every key; services with the same one share their revocations.

    Raises:
        ImportError: The extra ``redis`` is not installed.
    """

    def __init__(self, url: str, *, prefix: str = "nexios:revoked") -> None:
        self._keys = [f"{{{prefix}}}:{part}" for part in ("number", "log", "ends")]
        self._link = RedisLink(url, what="the store of revocations", needed_by="RedisRevocations")
        self._add_one = self._link.script(_ADD)
        self._since = self._link.script(_SINCE)

    async def __aenter__(self) -> "RedisRevocations":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def ping(self) -> None:
        """Ask the server for a sign of life, for readiness.

        Raises:
            Unavailable: There is none.
        """
        await self._link.ping()

    async def token(self, jti: str, until: datetime) -> None:
        """Refuse one token."""
        await self._add(Kind.TOKEN, jti, until, None)

    async def subject(
        self, actor: str, before: datetime, *, until: datetime | None = None
    ) -> None:
        """Refuse what an actor was given before a moment."""
        await self._add(Kind.SUBJECT, actor, until or before + SUBJECT_KEPT, before)

    async def session(self, id: str, until: datetime) -> None:
        """Refuse one session."""
        await self._add(Kind.SESSION, id, until, None)

    async def since(self, sequence: int) -> Deltas:
        """Return what was noted since."""
        number, told = await self._since(self._keys[:2], sequence)
        now = datetime.now(UTC)
        found = [_entry(text) for text in told]
        return Deltas([one for one in found if one.until > now], int(number))

    async def _add(self, kind: Kind, key: str, until: datetime, before: datetime | None) -> None:
        ends = _micros(until)
        held = [kind.value, key, ends, None if before is None else _micros(before)]
        await self._add_one(self._keys, json.dumps(held), ends)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(micros: Any) -> datetime:
    return _EPOCH + int(micros) * _MICROSECOND


def _named(client: str | None) -> str:
    # '' is for none: a client's name may be anything.
    return "" if client is None else f"={client}"


def _family(id: bytes, told: list[bytes]) -> RefreshFamily:
    digest, idle, ends, body = told
    held: dict[str, Any] = json.loads(body)
    return RefreshFamily(
        id=id,
        digest=bytes.fromhex(digest.decode()),
        actor=held["actor"],
        client=held["client"],
        opened_at=_moment(held["opened_at"]),
        idle_ends_at=_moment(idle),
        ends_at=_moment(ends),
        scopes=tuple(held["scopes"]),
        claims=held["claims"],
    )


def _entry(text: bytes) -> Revoked:
    kind, key, until, before = json.loads(text)
    return Revoked(Kind(kind), key, _moment(until), None if before is None else _moment(before))
