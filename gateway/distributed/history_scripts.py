"""Lua calls on the history of one minute or hour, each atomic; see gateway.distributed.scripts.

A minute or hour is one hash: a field per series with its counts as gateway.usage.history_counts encodes them, `+kind`
with the number of names of a kind, and `#writer` with the last number that a gateway's life has written.
"""

from gateway.distributed.scripts import Script
from gateway.usage.history_counts import MONEY_SLOTS, PICO_USD

_MONEY = "{" + ", ".join(str(int(slot)) for slot in MONEY_SLOTS) + "}"

# Lua numbers are exact up to 2^53: enough for every sum here but money, whose dollars are a number of their own.
_ADD = f"""
local function add(key, kind, name, counts, most, others)
  local field = kind .. ' ' .. name
  local stored = redis.call('HGET', key, field)
  if not stored and name ~= others then
    if tonumber(redis.call('HGET', key, '+' .. kind) or '0') < most then
      redis.call('HINCRBY', key, '+' .. kind, 1)
    else
      field = kind .. ' ' .. others
      stored = redis.call('HGET', key, field)
    end
  end
  if not stored then
    redis.call('HSET', key, field, counts)
    return
  end
  local sums, slots = {{}}, {{}}
  local function put(slot, number)
    if not sums[slot] then
      sums[slot] = 0
      slots[#slots + 1] = slot
    end
    sums[slot] = sums[slot] + number
  end
  for _, packed in ipairs({{stored, counts}}) do
    local words, slot = cmsgpack.unpack(packed), 0
    for at = 1, #words, 2 do
      slot = slot + words[at]
      put(slot, words[at + 1])
    end
  end
  for _, slot in ipairs({_MONEY}) do
    if sums[slot] and sums[slot] >= {PICO_USD} then
      local dollars = math.floor(sums[slot] / {PICO_USD})
      sums[slot] = sums[slot] - dollars * {PICO_USD}
      put(slot + 1, dollars)
    end
  end
  table.sort(slots)
  local words, last = {{}}, 0
  for _, slot in ipairs(slots) do
    words[#words + 1] = slot - last
    words[#words + 1] = sums[slot]
    last = slot
  end
  redis.call('HSET', key, field, cmsgpack.pack(words))
end
"""

ADD_HISTORY = Script(
    """#!lua
-- Adds counts to the series of a minute or hour, once however often the call is sent.
-- KEYS: bucket  ARGV: writer, number, seconds that the bucket is stored, most names of a kind, name of the others,
--   then (kind, name, counts)
-- Returns 1, or 0 for a number that was added before
"""
    + _ADD
    + """
local writer = '#' .. ARGV[1]
if tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[1], writer) or '0') then return 0 end
redis.call('HSET', KEYS[1], writer, ARGV[2])
for at = 6, #ARGV, 3 do
  add(KEYS[1], ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[4]), ARGV[5])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
)

# Every gateway sees every change. Their identities are remembered until the last gateway has sent them.
ADD_CHANGES = Script(
    """#!lua
-- Counts changes of tasks' models in a minute or hour, each once however many gateways send it.
-- KEYS: bucket seen  ARGV: seconds that the bucket is stored, seconds that changes are remembered, most names of a
--   kind, name of the others, counts of one change, then (identity, name of the series)
-- Returns how many were new
"""
    + _ADD
    + """
local new = 0
for at = 6, #ARGV, 2 do
  if redis.call('SADD', KEYS[2], ARGV[at]) == 1 then
    new = new + 1
    add(KEYS[1], 'gateway', '', ARGV[5], tonumber(ARGV[3]), ARGV[4])
    add(KEYS[1], 'task', ARGV[at + 1], ARGV[5], tonumber(ARGV[3]), ARGV[4])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return new
"""
)
