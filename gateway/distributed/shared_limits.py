"""Rate limits and events that gateways share, in Redis; see gateway.sharing.limits."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.scripts import Script
from gateway.distributed.state_copy import StateCopy
from gateway.distributed.store import RedisStore
from gateway.distributed.store_records import decode_names
from gateway.keys.quotas import QuotaShare, QuotaUsage
from gateway.sharing.limits import LimitEvent
from gateway.usage.ledger import UsageRows

MAX_EVENTS = 20_000
EVENT_BATCH_SIZE = 500
MINUTE_MS = 60_000


class RedisLimits:
    """A gateway.sharing.limits.LimitsBackend. Events are in a bounded stream that every gateway reads."""

    def __init__(self, client: RedisClient, copy: StateCopy | None = None) -> None:
        """copy: takes in the usage that is read."""
        self._client = client
        self._store = RedisStore(client, copy)
        self._read_to = ""

    def active_keys(self, used: Sequence[str]) -> Collection[str]:
        """Note that these keys were used just now. Return those used in the last minute, at any gateway."""
        return decode_names(self._client.eval_script(ACTIVE_KEYS, [self._client.keys.quotas], [MINUTE_MS, *used]))

    def exchange_quotas(
        self, gateway: str, gateways: int, usages: Mapping[str, QuotaUsage]
    ) -> Mapping[str, QuotaShare]:
        """Take from the common buckets what a gateway has given out. Return its shares of what is left, by key."""
        # A call a key, since the buckets of two keys can be on two nodes of a Cluster.
        shares: dict[str, QuotaShare] = {}
        for name, one in usages.items():
            words: list[RedisArg] = [one.requests, one.requests_per_minute or 0, one.tokens, one.tokens_per_minute or 0]
            words += [gateway, gateways]
            requests, tokens = self._client.eval_script(SYNC_QUOTA, [self._client.keys.quota(name)], words)
            with translate_content(self._client.keys.quota(name)):
                shares[name] = QuotaShare(float(requests), float(tokens))
        return shares

    def publish_event(self, event: LimitEvent) -> None:
        """Append an event to the stream."""
        # A stream, not pub/sub: a gateway that starts, or was cut off, reads what it missed.
        data = msgspec.msgpack.encode(event)
        self._client.execute("XADD", self._client.keys.events, "MAXLEN", "~", MAX_EVENTS, "*", "e", data)

    def read_events(self, ttl_s: float) -> Iterator[LimitEvent]:
        """Yield some events since the last call, oldest first."""
        if not self._read_to:
            # By the clock of Redis, which has numbered the events.
            seconds = int(self._client.execute("TIME")[0]) - int(ttl_s)
            self._read_to = f"{max(0, seconds) * 1000}-0"
        found = self._client.execute(
            "XRANGE", self._client.keys.events, f"({self._read_to}", "+", "COUNT", EVENT_BATCH_SIZE
        )
        for place, fields in found:
            # Before it is decoded: an event that cannot be read is passed over, and not read for ever.
            self._read_to = place.decode()
            with translate_content(self._client.keys.events):
                event = msgspec.msgpack.decode(fields[b"e"], type=LimitEvent)
            yield event

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """Return the usage of some keys and tasks. who: (kind, name) of each."""
        return self._store.usage_of(who)

    def read_usage(self) -> UsageRows:
        """Return all usage."""
        return self._store.read_usage()


# Keys without recent requests are left out of the sync: most of thousands of keys are idle.
ACTIVE_KEYS = Script("""#!lua flags=allow-oom
-- Which clients' keys have used something in the last while.  KEYS: when  ARGV: how long in ms, keys that have just now
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 2, #ARGV do redis.call('ZADD', KEYS[1], now, ARGV[at]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
""")


# A share for every gateway would round to nothing where a key has few requests a minute: whole ones then go to one
# gateway after the other. Shares of gateways that died are free after five seconds, the time of a heartbeat.
SYNC_QUOTA = Script("""#!lua flags=allow-oom
-- Takes from a key's common buckets what one gateway has given out, fills them as time has passed, and deals the rest.
-- KEYS: buckets  ARGV: requests, requests a minute or 0, tokens, tokens a minute or 0, gateway, how many there are
-- Returns the gateway's {requests, tokens}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local passed = math.max(0, now - tonumber(redis.call('HGET', KEYS[1], 'at') or now))
local held = {0, 0}
local known = redis.call('HGETALL', KEYS[1])
for place = 1, #known, 2 do
  local other = string.match(known[place], '^dealt (.*)$')
  if other and other ~= ARGV[5] then
    local requests, tokens, since = string.match(known[place + 1], '^(%S+) (%S+) (%S+)$')
    if math.abs(now - since) > 5000 then
      redis.call('HDEL', KEYS[1], known[place])
    else
      held[1], held[2] = held[1] + math.max(0, requests), held[2] + math.max(0, tokens)
    end
  end
end
local parts = {}
for place, what in ipairs({'requests', 'tokens'}) do
  local used, most = tonumber(ARGV[2 * place - 1]), tonumber(ARGV[2 * place])
  local level = tonumber(redis.call('HGET', KEYS[1], what) or most)
  level = math.min(most, level + passed * most / 60000) - used
  redis.call('HSET', KEYS[1], what, string.format('%.6f', level))
  parts[place] = math.min(level / ARGV[6], level - held[place])
  if place == 1 and level > 0 and level / ARGV[6] < 1 then
    -- Too few for all: whole ones, for whoever asked first, and a second later for another.
    local holder = redis.call('HGET', KEYS[1], 'holder')
    local since = now - tonumber(redis.call('HGET', KEYS[1], 'since') or 0)
    parts[1] = 0
    if not holder or holder == ARGV[5] or since < 0 or since > 1000 then
      parts[1] = level - held[1]
      redis.call('HSET', KEYS[1], 'holder', ARGV[5], 'since', now)
    end
  end
end
redis.call('HSET', KEYS[1], 'dealt ' .. ARGV[5], string.format('%.6f %.6f %d', parts[1], parts[2], now))
redis.call('HSET', KEYS[1], 'at', now)
redis.call('PEXPIRE', KEYS[1], 3600000)
return {string.format('%.6f', parts[1]), string.format('%.6f', parts[2])}
""")
