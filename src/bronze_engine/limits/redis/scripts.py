"""What Redis does for us, each in one step and by its own clock.

Instants are microseconds since November 2023 (so doubles hold them to a fiftieth of one). The
keys of one limit group have one hash tag, and all expire by themselves.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LEASE_OF_MINUTE", "LEASE_OF_SECOND", "MINUTE_SECONDS", "PAUSE"]

MINUTE_SECONDS: Final = 60.1
"""A token may be used a tenth of a second after it was due, and any 60 s have to hold."""

_NOW: Final = """
local time = redis.call('TIME')
local now = (time[1] - 1700000000) * 1000000 + time[2]
"""

_TELL: Final = """
redis.call('ZADD', KEYS[2], due + 30000000, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
keep = math.ceil((due - now) / 1000) + 60000
if redis.call('PTTL', KEYS[2]) < keep then
  redis.call('PEXPIRE', KEYS[2], keep)
end
local paused = math.max(0, redis.call('PTTL', KEYS[3]))
table.insert(found, 1, redis.call('ZCARD', KEYS[2]))
table.insert(found, 2, paused)
return found
"""
"""A process counts for half a minute after its last token is due."""

LEASE_OF_SECOND: Final = f"""
-- KEYS: the bucket, the processes, the pause
-- ARGV: process, count, microseconds a token, capacity, "1" where a new bucket is empty, the
--       largest count
{_NOW}
local count, interval, capacity = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local full = tonumber(redis.call('GET', KEYS[1]) or nil)
if not full then
  full = ARGV[5] == '1' and now + capacity * interval or now
end
-- No more can be reserved than this, unless the clock was put back.
local most = capacity + (redis.call('ZCARD', KEYS[2]) + 1) * 2 * tonumber(ARGV[6])
full = math.min(full, now + most * interval)
local found = {{}}
local due = now
for i = 1, count do
  full = math.max(full, now)
  due = math.max(now, full - (capacity - 1) * interval)
  found[i] = math.ceil(due - now)
  full = full + interval
end
local keep = math.ceil((full - now) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.17g', full), 'PX', keep)
table.insert(found, 1, string.format('%.6f', capacity - (full - now) / interval))
{_TELL}
"""
"""A token bucket as one instant, at which it will be full: the generic cell rate algorithm
(ITU-T I.371), which here reserves also what is not yet due. How long until each token is due
comes back in microseconds, after how many processes there are, how many milliseconds are left
of a pause, and what is left in the bucket."""

LEASE_OF_MINUTE: Final = f"""
-- KEYS: the instants of the last tokens, the processes, the pause
-- ARGV: process, count, microseconds of a minute, capacity
{_NOW}
local count, minute, capacity = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local newest = tonumber(redis.call('LINDEX', KEYS[1], -1) or nil)
local tokens = capacity + 2 * redis.call('ZCARD', KEYS[2])
if newest and newest > now + (1 + tokens / capacity) * minute then
  redis.call('DEL', KEYS[1])  -- the clock was put back
end
local found = {{}}
local due = now
for i = 1, count do
  due = now
  if redis.call('LLEN', KEYS[1]) >= capacity then
    due = math.max(now, tonumber(redis.call('LINDEX', KEYS[1], -capacity)) + minute)
  end
  found[i] = math.ceil(due - now)
  redis.call('RPUSH', KEYS[1], string.format('%.17g', due))
  redis.call('LTRIM', KEYS[1], -capacity, -1)
end
local keep = math.ceil((due - now + minute) / 1000) + 1000
redis.call('PEXPIRE', KEYS[1], keep)
local left = capacity - redis.call('LLEN', KEYS[1])
if left == 0 and tonumber(redis.call('LINDEX', KEYS[1], 0)) + minute <= now then
  left = 1
end
table.insert(found, 1, tostring(left))
{_TELL}
"""
"""At most `capacity` tokens in any minute, as early as that allows."""

PAUSE: Final = """
-- KEYS: the pause    ARGV: milliseconds
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
"""
