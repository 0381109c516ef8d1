"""What may be used once, shared by processes, in Redis or Valkey."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from nexios.adapters.security.redis import RedisLink

_PUT: Final = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])"
_TAKE: Final = """
local value = redis.call('GET', KEYS[1])
if value then redis.call('DEL', KEYS[1]) end
return value
"""


class RedisOneTime:
    """Keeps each value under a key of its own that expires; taking is one step on the server.

    Args:
        url: ``redis://host:6379/0``.
        prefix: Before every key; services with the same one share their values.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        ValueError: The URL is none.
    """

    def __init__(self, url: str, *, prefix: str = "nexios:once") -> None:
        self._link = RedisLink(
            url, what="the store of what is used once", needed_by="RedisOneTime"
        )
        self._prefix = prefix
        self._put = self._link.script(_PUT)
        self._take = self._link.script(_TAKE)

    async def __aenter__(self) -> "RedisOneTime":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def ping(self) -> None:
        """Ask the server for a sign of life, for readiness.

        Raises:
            Unavailable: There is none.
        """
        await self._link.ping()

    async def put(
        self, purpose: str, key_digest: bytes, value: Mapping[str, Any], ttl_s: float
    ) -> None:
        """Keep a value."""
        text = json.dumps(value, allow_nan=False)
        await self._put([self._key(purpose, key_digest)], text, max(1, math.ceil(ttl_s * 1000)))

    async def take(self, purpose: str, key_digest: bytes) -> dict[str, Any] | None:
        """Return a value and forget it.

        An answer that is lost on the way has taken it: it is not given out again.
        """
        text = await self._take([self._key(purpose, key_digest)])
        if text is None:
            return None
        value: dict[str, Any] = json.loads(text)
        return value

    def _key(self, purpose: str, key_digest: bytes) -> str:
        return f"{self._prefix}:{purpose}:{key_digest.hex()}"
