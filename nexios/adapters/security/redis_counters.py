"""Rates that processes share, in Redis or Valkey."""

from collections.abc import Sequence
from typing import Final

from nexios.adapters.security.redis import RedisLink
from nexios.application.rates import Decision, Hit

# All keys or none, by the server's clock, in microseconds. For each key three arguments:
# interval, burst, cost. The answer: allowed, then remaining, reset and wait of each.
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local out, after, allowed = {}, {}, 1
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[i * 3 - 2])
  local burst = tonumber(ARGV[i * 3 - 1])
  local known = math.max(tonumber(redis.call('GET', key) or '0'), now)
  after[i] = known + interval * tonumber(ARGV[i * 3])
  local wait = after[i] - interval * burst - now
  if wait > interval * 0.001 then allowed = 0 else wait = 0 end
  out[i] = {known, wait, interval, burst}
end
local answer = {allowed}
for i, key in ipairs(KEYS) do
  local known, wait, interval, burst = unpack(out[i])
  if allowed == 1 then
    known = after[i]
    redis.call('SET', key, string.format('%.0f', known),
      'PX', math.ceil((known - now) / 1000) + 1000)
  end
  local left = math.floor((now + interval * burst - known) / interval + 0.001)
  answer[#answer + 1] = math.max(0, left)
  answer[#answer + 1] = math.floor(known - now)
  answer[#answer + 1] = math.ceil(wait)
end
return answer
"""


class RedisCounters:
    """Keeps a number for each key, which expires by itself; one script, one round trip.

    Keys share a hash tag, so that a cluster keeps them on one node.

    Args:
        url: ``redis://host:6379/0``.
        prefix: Before every key; services with the same one share their rates.

    Raises:
        ImportError: The extra ``redis`` is not installed.
    """

    def __init__(self, url: str, *, prefix: str = "nexios:rates") -> None:
        self._prefix = prefix
        self._link = RedisLink(url, what="the store of rates", needed_by="RedisCounters")
        self._script = self._link.script(_SCRIPT)

    async def __aenter__(self) -> "RedisCounters":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.close()

    async def ping(self) -> None:
        """Ask the server for a sign of life, for readiness.

        Raises:
            Unavailable: There is none.
        """
        await self._link.ping()

    async def hit(self, hits: Sequence[Hit]) -> Sequence[Decision]:
        """Count these on the server."""
        keys = [f"{{{self._prefix}}}:{one.key}" for one in hits]
        values: list[object] = []
        for one in hits:
            values += [one.rate.interval_s * 1e6, one.rate.burst, one.cost]
        allowed, *told = await self._script(keys, *values)
        found = []
        for index in range(len(hits)):
            remaining, reset, wait = told[index * 3 : index * 3 + 3]
            passes = bool(allowed) or not wait
            found.append(Decision(passes, 0.0, remaining, reset / 1e6, wait / 1e6))
        return found
