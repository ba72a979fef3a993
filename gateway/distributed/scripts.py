"""Lua calls. Each runs atomically on the server, on keys of one shard.

Time comes from Redis' own clock, and only for leases and heartbeats. A lease that ends too early or too late does no
harm: its fencing token makes the server refuse the calls of the old holder.

`allow-oom` stands where a call frees more than it takes, or where its refusal would stop everything else: a Redis that
is full must still give up what is scored.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

SCORED_FIELDS = ("observed", "faults", "skipped")
"""Names in Redis of the fields of gateway.scorer.messages.BatchCounts, in their order."""

DELIVERY_FIELDS = ("done", "dropped", "parked", *SCORED_FIELDS)
"""Names in Redis, behind a gateway's, of what became of its observations; done: the highest acknowledged number."""


def lua_list(names: Sequence[str]) -> str:
    """Return names as a Lua table."""
    return "{" + ", ".join(f"'{name}'" for name in names) + "}"


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua text and its SHA-1, by which a server finds it. SCORED and DELIVERY in it stand for the lists above."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        text = self.text.replace("SCORED", lua_list(SCORED_FIELDS)).replace("DELIVERY", lua_list(DELIVERY_FIELDS))
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


# The only call that adds much, and so without allow-oom: a full Redis refuses observations, and gateways queue them.
ADD = Script("""#!lua
-- A gateway's observations into a shard's stream, each once however often it is sent.
-- KEYS: stream about producers seen counts
-- ARGV: known epoch, epoch to begin, producer, number of the first, whether a gap is meant, most that wait;
--   then task, body
-- Returns {0 added | 1 another epoch | 2 a gap, epoch, last number, dropped}
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch then
  epoch = ARGV[2]
  redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local producer, first = ARGV[3], tonumber(ARGV[4])
local last = tonumber(redis.call('HGET', KEYS[3], producer) or '0')
if ARGV[1] ~= epoch then return {1, epoch, last, 0} end
if first > last + 1 and ARGV[5] == '0' then return {2, epoch, last, 0} end
local number, new = first - 1, 0
for place = 7, #ARGV, 2 do
  number = number + 1
  if number > last then
    redis.call('XADD', KEYS[1], '*', 't', ARGV[place], 'b', ARGV[place + 1], 'p', producer, 'c', number)
    new = new + 1
  end
end
if number > last then
  redis.call('HSET', KEYS[3], producer, number)
  last = number
end
local waiting = redis.call('HINCRBY', KEYS[2], 'waiting', new)
local place = redis.call('HINCRBY', KEYS[2], 'added', 1)
redis.call('ZADD', KEYS[4], place, producer)
if redis.call('ZCARD', KEYS[4]) > 512 then
  local gone = redis.call('ZPOPMIN', KEYS[4])[1]
  redis.call('HDEL', KEYS[3], gone)
  for _, what in ipairs(DELIVERY) do redis.call('HDEL', KEYS[5], gone .. ':' .. what) end
end
local dropped = 0
local over = waiting - tonumber(ARGV[6])
if over > 0 then
  -- The oldest that no scorer has in hand.
  local taken = redis.call('HGET', KEYS[2], 'taken') or '0-0'
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. taken, '+', 'COUNT', over)) do
    redis.call('XDEL', KEYS[1], entry[1])
    redis.call('HINCRBY', KEYS[2], 'waiting', -1)
    local told = {}
    for at = 1, #entry[2], 2 do told[entry[2][at]] = entry[2][at + 1] end
    if told['p'] then
      redis.call('HINCRBY', KEYS[5], told['p'] .. ':dropped', 1)
      redis.call('HINCRBY', KEYS[2], 'dropped', 1)
      dropped = dropped + 1
    end
  end
end
return {0, epoch, last, dropped}
""")


# Through the stream, not beside it: a reply must count the observations that came before its question.
ASK = Script("""#!lua
-- A question that only the scorer of a shard can answer, behind the observations that came before it.
-- KEYS: stream about  ARGV: task, body, how many may wait.  Returns its id, or false where too many wait
if tonumber(redis.call('HGET', KEYS[2], 'waiting') or '0') >= tonumber(ARGV[3]) then return false end
redis.call('HINCRBY', KEYS[2], 'waiting', 1)
return redis.call('XADD', KEYS[1], '*', 't', ARGV[1], 'q', ARGV[2])
""")


# The fencing token rises with every new holder (Kleppmann, "How to do distributed locking", 2016). The same holder by
# another process, restarted under its name, is a new holder: what the old one still sends is refused.
ACQUIRE_LEASE = Script("""#!lua flags=allow-oom
-- Takes a shard, or keeps it. A new holder has a new fence.
-- KEYS: lease about stream  ARGV: holder, its lease or '', how long in ms, epoch to begin, group
-- Returns {lease or false, pack, basis}
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[2] and string.match(held, '^(.*) %d+$') ~= ARGV[1] then return {false, '', ''} end
if not held or held ~= ARGV[2] then
  held = ARGV[1] .. ' ' .. redis.call('HINCRBY', KEYS[2], 'fence', 1)
end
redis.call('SET', KEYS[1], held, 'PX', ARGV[3])
redis.call('HSETNX', KEYS[2], 'epoch', ARGV[4])
redis.pcall('XGROUP', 'CREATE', KEYS[3], ARGV[5], '0', 'MKSTREAM')
return {held, redis.call('HGET', KEYS[2], 'pack') or '0', redis.call('HGET', KEYS[2], 'basis') or ''}
""")


# Compared and extended in one call: between two, another scorer could acquire the shard.
RENEW_LEASE = Script("""#!lua flags=allow-oom
-- KEYS: lease  ARGV: lease, how long in ms
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
""")


# Refused for an older pack: a scorer that has not seen the latest activation yet must not take its sums back.
MARK_CURRENT = Script("""#!lua flags=allow-oom
-- All of a shard's sums are made with this pack and these settings now.
-- KEYS: lease about  ARGV: lease, pack's version, basis
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if tonumber(redis.call('HGET', KEYS[2], 'pack') or '0') > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[2], 'pack', ARGV[2], 'basis', ARGV[3])
return 1
""")


# One sorted set, since keys with an expiry would have to be looked for on every node of a Cluster.
HEARTBEAT = Script("""#!lua flags=allow-oom
-- Says that one is there, and who else is.  KEYS: who is there  ARGV: name or '', how long a word counts in ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[1], now, ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. (now + ARGV[2]), '+inf')
return redis.call('ZRANGE', KEYS[1], 0, -1)
""")


# Compared and deleted in one call, for the same reason as RENEW_LEASE.
RELEASE_LEASE = Script("""#!lua flags=allow-oom
-- KEYS: lease  ARGV: lease
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


# What was delivered and not acknowledged comes one by one: it may have ended its scorer, and only the one that did so
# shall become a dead letter. `taken` is what ADD must not drop any more when it makes room.
READ_BATCH = Script("""#!lua flags=allow-oom
-- The next batch of a shard for its holder: first, one by one, what somebody has taken before and not finished.
-- KEYS: stream about lease  ARGV: lease, how long in ms, group, consumer, how many
-- Returns {0 no longer the holder | 1, tries, entries}
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return {0} end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
local pending = redis.call('XPENDING', KEYS[1], ARGV[3], '-', '+', 1)
if #pending > 0 then
  local claimed = redis.call('XAUTOCLAIM', KEYS[1], ARGV[3], ARGV[4], 0, '0-0', 'COUNT', 1)
  return {1, pending[1][4] + 1, claimed[2]}
end
local read = redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS', KEYS[1], '>')
if not read then return {1, 1, {}} end
local entries = read[1][2]
if #entries > 0 then redis.call('HSET', KEYS[2], 'taken', entries[#entries][1]) end
return {1, 1, entries}
""")


# A write whose answer was lost has acknowledged its entries; scoring them again would count them twice.
PENDING = Script("""#!lua flags=no-writes
-- What of some entries is not settled.  KEYS: stream  ARGV: group, first, last, how many.  Returns ids
local ids = {}
for place, entry in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])) do
  ids[place] = entry[1]
end
return ids
""")


# Acknowledged and counted like a scored observation, so that its gateway does not wait for it.
DEAD_LETTER = Script("""#!lua flags=allow-oom
-- Puts aside what could not be scored.
-- KEYS: stream about lease counts parked  ARGV: lease, group, id, producer, number, most parked, what is told of it
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
redis.call('RPUSH', KEYS[5], ARGV[7])
redis.call('LTRIM', KEYS[5], -tonumber(ARGV[6]), -1)
redis.call('XACK', KEYS[1], ARGV[2], ARGV[3])
redis.call('HINCRBY', KEYS[2], 'waiting', -1)
if ARGV[4] ~= '' then
  redis.call('HINCRBY', KEYS[4], ARGV[4] .. ':parked', 1)
  redis.call('HSET', KEYS[4], ARGV[4] .. ':done', ARGV[5])
  redis.call('HINCRBY', KEYS[2], 'parked', 1)
end
redis.call('XDEL', KEYS[1], ARGV[3])
return 1
""")


# Everything or nothing: sums, decision, acknowledgement, counts and news of a batch. Checks come first, writes after
# them, since Redis does not roll a script back. In this order: lease (another holder), pack (a newer one), pending (an
# answer was lost, and it is all written), total_seen (another writer came between).
APPLY = Script("""#!lua flags=allow-oom
-- A batch's changes to its tasks, its acknowledgement, and the news of it. A full Redis takes it: it frees more.
-- KEYS: stream about lease counts decisions tasks used; then of each task: itself ring turns
-- ARGV: lease or '', how long in ms, group, pack's version, kept, ring, turns kept, channel, shard, news, epoch,
--   number of ids, ids, number of gateways, (producer done observed faults skipped), then of each task:
--   name, seen before ('*' for not read), pace, basis ('' leaves the sums), n, seen, sums, decision,
--   account ('' leaves it), time of use ('' leaves it),
--   number of embeddings, embeddings, of turns, turns
-- Returns {0 done | 1 no longer the holder | 2 another pack | 3 a task has changed meanwhile |
--   4 its observations are settled already, 0}
if ARGV[1] ~= '' then
  if redis.call('GET', KEYS[3]) ~= ARGV[1] then return {1, 0} end
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
local pack = tonumber(redis.call('HGET', KEYS[2], 'pack') or '0')
if tonumber(ARGV[4]) < pack then return {2, 0} end
local at = 12
local ids = {}
for place = 1, tonumber(ARGV[at]) do ids[place] = ARGV[at + place] end
if #ids > 0 and #redis.call('XPENDING', KEYS[1], ARGV[3], ids[1], ids[1], 1) == 0 then return {4, 0} end
at = at + #ids + 1
local marks = at
local scored = SCORED
at = at + (2 + #scored) * tonumber(ARGV[at]) + 1
local tasks, key = at, 8
while at <= #ARGV do
  if ARGV[at + 1] ~= '*' and (redis.call('HGET', KEYS[key], 'seen') or '') ~= ARGV[at + 1] then return {3, 0} end
  at = at + 10
  at = at + tonumber(ARGV[at]) + 1
  at = at + tonumber(ARGV[at]) + 1
  key = key + 3
end
redis.call('HSETNX', KEYS[2], 'epoch', ARGV[11])
at, key = tasks, 8
while at <= #ARGV do
  local name = ARGV[at]
  if ARGV[at + 2] ~= '' and (ARGV[at + 1] ~= '*' or redis.call('EXISTS', KEYS[key]) == 1) then
    redis.call('HSET', KEYS[key], 'pace', ARGV[at + 2])
  end
  if ARGV[at + 3] ~= '' then
    redis.call('HSET', KEYS[key], 'basis', ARGV[at + 3], 'n', ARGV[at + 4], 'seen', ARGV[at + 5], 'sums', ARGV[at + 6])
    redis.call('ZADD', KEYS[6], 0, name)
    if ARGV[at + 9] ~= '' then redis.call('ZADD', KEYS[7], ARGV[at + 9], name) end
  elseif ARGV[at + 9] ~= '' then
    -- Only a task that is stored; a later time, as of one with labels, stays.
    redis.call('ZADD', KEYS[7], 'XX', 'GT', ARGV[at + 9], name)
  end
  if ARGV[at + 7] ~= '' then
    redis.call('HSET', KEYS[key], 'decision', ARGV[at + 7])
    redis.call('HSET', KEYS[5], name, ARGV[at + 7])
    if ARGV[at + 8] ~= '' then redis.call('HSET', KEYS[key], 'account', ARGV[at + 8]) end
  end
  at = at + 10
  local count = tonumber(ARGV[at])
  for place = 1, count do redis.call('RPUSH', KEYS[key + 1], ARGV[at + place]) end
  if count > 0 then redis.call('LTRIM', KEYS[key + 1], -tonumber(ARGV[6]), -1) end
  at = at + count + 1
  count = tonumber(ARGV[at])
  for place = 1, count do redis.call('RPUSH', KEYS[key + 2], ARGV[at + place]) end
  if count > 0 then redis.call('LTRIM', KEYS[key + 2], -tonumber(ARGV[7]), -1) end
  at = at + count + 1
  key = key + 3
end
at = marks + 1
for _ = 1, tonumber(ARGV[marks]) do
  local producer = ARGV[at]
  redis.call('HSET', KEYS[4], producer .. ':done', ARGV[at + 1])
  for place, what in ipairs(scored) do
    redis.call('HINCRBY', KEYS[4], producer .. ':' .. what, ARGV[at + 1 + place])
  end
  redis.call('HINCRBY', KEYS[2], 'observed', ARGV[at + 2])
  redis.call('HINCRBY', KEYS[2], 'faults', ARGV[at + 3])
  at = at + 2 + #scored
end
if #ids > 0 then redis.call('HINCRBY', KEYS[2], 'waiting', -#ids) end
for _, id in ipairs(ids) do
  redis.call('XACK', KEYS[1], ARGV[3], id)
  if ARGV[5] == '0' then redis.call('XDEL', KEYS[1], id) end
end
if ARGV[5] ~= '0' and #ids > 0 then
  local over = redis.call('XLEN', KEYS[1]) - tonumber(ARGV[5])
  if over > 0 then
    for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', ids[#ids], 'COUNT', over)) do
      redis.call('XDEL', KEYS[1], entry[1])
    end
  end
end
if ARGV[10] ~= '' then
  local epoch = redis.call('HGET', KEYS[2], 'epoch')
  local revision = redis.call('HINCRBY', KEYS[2], 'revision', 1)
  redis.call('PUBLISH', ARGV[8], ARGV[9] .. ' ' .. epoch .. ' ' .. revision .. '\\n' .. ARGV[10])
end
return {0, 0}
""")


# Published with the shard's next revision, so that gateways that miss it find the task gone when they refresh.
FORGET = Script("""#!lua flags=allow-oom
-- KEYS: about decisions tasks, then the task itself ring turns, then used
-- ARGV: name, channel, shard, news, epoch to begin
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[5])
local known = redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[4], KEYS[5], KEYS[6])
redis.call('ZREM', KEYS[7], ARGV[1])
local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
local epoch = redis.call('HGET', KEYS[1], 'epoch')
redis.call('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. epoch .. ' ' .. revision .. '\\n' .. ARGV[4])
return known
""")


# The later version counts, whoever writes it back.
RESTORE_POLICY = Script("""#!lua
-- KEYS: a task's policies  ARGV: version, the policy
if tonumber(ARGV[1]) <= tonumber(redis.call('HGET', KEYS[1], 'latest') or '0') then return 0 end
redis.call('HSET', KEYS[1], 'latest', ARGV[1], ARGV[1], ARGV[2])
return 1
""")


# As PUT_POLICY. Keys of earlier versions have no number: they are as created.
PUT_KEY = Script("""#!lua
-- KEYS: created keys  ARGV: name, version, the key
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found or (cmsgpack.unpack(found).version or 0) + 1 ~= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
""")


# A gateway's copy may be older than what another one has written back already.
RESTORE_KEY = Script("""#!lua
-- KEYS: created keys  ARGV: name, version, the key
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found and (cmsgpack.unpack(found).version or 0) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
""")


# Compare and set on the version: of two admins the second is refused, and sees the first one's change.
PUT_POLICY = Script("""#!lua
-- KEYS: a task's policies  ARGV: version, the policy, how many are kept
local latest = redis.call('HGET', KEYS[1], 'latest') or '0'
if tonumber(ARGV[1]) ~= tonumber(latest) + 1 then return 0 end
redis.call('HSET', KEYS[1], 'latest', ARGV[1], ARGV[1], ARGV[2])
redis.call('HDEL', KEYS[1], tonumber(ARGV[1]) - tonumber(ARGV[3]))
return 1
""")


# The number rises with every activation, of the same pack too: scorers compare it, not the hash.
ACTIVATE = Script("""#!lua
-- KEYS: active history  ARGV: hash, Unix time in s, activations kept.  Returns {version, hash before}
local before = redis.call('HGET', KEYS[1], 'hash') or ''
if before == ARGV[1] then before = redis.call('HGET', KEYS[1], 'before') end
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'before', before)
redis.call('RPUSH', KEYS[2], version .. ' ' .. ARGV[1] .. ' ' .. ARGV[2])
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
return {version, before}
""")
