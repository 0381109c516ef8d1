"""The Lua of the event broker over Redis; each runs as one step."""

from typing import Final

PUBLISH: Final = """
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[5]) then return 0 end
local now = redis.call('TIME')
local oldest = math.max(0, tonumber(now[1]) * 1000 - tonumber(ARGV[4]))
redis.call('XADD', KEYS[1], 'MINID', '~', string.format('%.0f', oldest), '*',
  'name', ARGV[1], 'headers', ARGV[2], 'body', ARGV[3])
redis.call('PUBLISH', ARGV[6], '')
return 1
"""

# Of each stream the oldest message that is pending goes first: while it waits for another try,
# or somebody works on it, nothing behind it is given out. The last key holds when to try again.
# Answers {1, stream, entry, delivery, fields}, or {0, milliseconds to wait or -1}.
TAKE: Final = """
local group, token, visible = ARGV[1], ARGV[2], tonumber(ARGV[3])
local held = KEYS[#KEYS]
local wanted = {}
for i = 4, #ARGV do wanted[ARGV[i]] = true end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local soonest = -1
local function later(ms)
  if soonest < 0 or ms < soonest then soonest = ms end
end
for i = 1, #KEYS - 1 do
  local stream = KEYS[i]
  local going = true
  while going do
    going = false
    local pending = redis.call('XPENDING', stream, group, '-', '+', 1)[1]
    if pending then
      local id, idle, count = pending[1], pending[3], pending[4]
      local place = stream .. ' ' .. id
      local due = redis.call('HGET', held, place)
      local wait = due and tonumber(due) - now or visible - idle
      if wait > 0 then
        later(wait)
      else
        redis.call('HDEL', held, place)
        local claimed = redis.call('XCLAIM', stream, group, token, 0, id)[1]
        if claimed and claimed[2] then return {1, stream, id, count + 1, claimed[2]} end
        redis.call('XACK', stream, group, id)
        going = true
      end
    else
      local read = redis.call('XREADGROUP', 'GROUP', group, token, 'COUNT', 1,
        'STREAMS', stream, '>')
      local entry = read and read[1][2][1]
      if entry then
        local fields = entry[2]
        if fields[1] ~= 'name' or wanted[fields[2]] then
          return {1, stream, entry[1], 1, fields}
        end
        redis.call('XACK', stream, group, entry[1])
        going = true
      end
    end
  end
end
return {0, soonest}
"""

# Only the delivery that is the last one may be settled: another has it otherwise.
_MINE: Final = """
local group, token, id, delivery = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local place = KEYS[1] .. ' ' .. id
local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
if not pending or pending[2] ~= token or pending[4] ~= delivery then return 0 end
if redis.call('HEXISTS', KEYS[2], place) == 1 then return 0 end
"""
SETTLE: Final = (
    _MINE
    + """
if ARGV[5] == '' then return redis.call('XACK', KEYS[1], group, id) end
local time = redis.call('TIME')
local due = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[5])
redis.call('HSET', KEYS[2], place, string.format('%.0f', due))
return 1
"""
)
BURY: Final = (
    _MINE
    + """
local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
if entry then
  local fields = entry[2]
  fields[#fields + 1] = 'reason'
  fields[#fields + 1] = ARGV[5]
  redis.call('XADD', KEYS[3], '*', unpack(fields))
end
return redis.call('XACK', KEYS[1], group, id)
"""
)

REDRIVE: Final = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
local fields = entry[2]
fields[#fields] = nil
fields[#fields] = nil
redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], '')
return 1
"""
