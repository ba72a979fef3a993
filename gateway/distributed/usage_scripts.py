"""Lua calls on the usage of one client key or task, each atomic; see gateway.distributed.scripts.

Beside the sums stands a hash with what gateways wrote back after a loss, and with a token by which one life of the sums
is told from another. It is not in the sums' own hash, which earlier versions read too.
"""

from gateway.distributed.scripts import Script, lua_list

USAGE_FIELDS = ("requests", "input", "output", "usd", "routed_baseline", "unpriced", "estimated", "routed_usd")
"""Names in Redis of a day's usage, in the order of the scripts' arguments."""

TOKEN = "life"  # noqa: S105 - the name of a field
_FIELDS = f"local fields, token = {lua_list(USAGE_FIELDS)}, '{TOKEN}'\n"


# Writers are forgotten after a day: a number that is sent again after that would count twice, and none is.
SPEND = Script(
    """#!lua
-- Adds to what a key or task spent, once however often it is sent.
-- KEYS: spent writers written-back  ARGV: writer, number, how long writers are remembered in s, a token to begin, then
--   (day, its numbers in the order of USAGE_FIELDS) with money in units of 1e-12 US dollars
-- Returns {token, the new sums of each of these days}, or {} for what was added before
"""
    + _FIELDS
    + """local last = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if tonumber(ARGV[2]) <= last then return {} end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('HSETNX', KEYS[3], token, ARGV[4])
local sums = {redis.call('HGET', KEYS[3], token)}
for at = 5, #ARGV, #fields + 1 do
  for place, what in ipairs(fields) do
    redis.call('HINCRBY', KEYS[1], ARGV[at] .. ' ' .. what, ARGV[at + place])
    -- As text: a Lua number holds nine thousand dollars exactly.
    sums[#sums + 1] = redis.call('HGET', KEYS[1], ARGV[at] .. ' ' .. what)
  end
end
return sums
"""
)


# Exact however many gateways write back, in whatever order: the sum is the greatest copy plus what was added since.
# What was added since a Redis became older cannot be told from what it had, and is lost: seconds, at most.
RESTORE_USAGE = Script(
    """#!lua
-- Writes back what a key or task had spent before Redis lost it.
-- KEYS: spent written-back  ARGV: 'emptied' or 'older', a token to begin, the copy's token, then (day, its numbers as
--   in SPEND)
-- Returns {token, the new sums of each of these days}
"""
    + _FIELDS
    + """local function less(a, b) return #a < #b or (#a == #b and a < b) end
redis.call('HSETNX', KEYS[2], token, ARGV[2])
local sums = {redis.call('HGET', KEYS[2], token)}
-- A copy of these very sums, made before its gateway noticed the loss, has nothing to add.
local is_lost = ARGV[1] == 'emptied' and ARGV[3] ~= sums[1]
for at = 4, #ARGV, #fields + 1 do
  for place, what in ipairs(fields) do
    local field, copy = ARGV[at] .. ' ' .. what, ARGV[at + place]
    redis.call('HINCRBY', KEYS[1], field, 0)
    if ARGV[1] == 'older' then
      if less(redis.call('HGET', KEYS[1], field), copy) then redis.call('HSET', KEYS[1], field, copy) end
    elseif is_lost then
      local before = redis.call('HGET', KEYS[2], field) or '0'
      if less(before, copy) then
        -- In two steps, since only HINCRBY counts in whole numbers of 64 bits.
        redis.call('HINCRBY', KEYS[1], field, copy)
        if before ~= '0' then redis.call('HINCRBY', KEYS[1], field, '-' .. before) end
        redis.call('HSET', KEYS[2], field, copy)
      end
    end
    sums[#sums + 1] = redis.call('HGET', KEYS[1], field)
  end
end
return sums
"""
)
