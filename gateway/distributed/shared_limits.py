"""State that gateways share beside decisions: rate limits, sessions, makers of responses, circuit breakers, usage.

Every gateway works with a local share of each rate limit and syncs it in the background: a few times a second what was
used is taken from the common token bucket, and what is left is divided among the gateways again. So the request path
waits for nothing. Sessions and breakers are published in a bounded stream that every gateway reads.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.scripts import Script
from gateway.distributed.state_copy import StateCopy
from gateway.distributed.store import RedisStore
from gateway.distributed.store_records import decode_names
from gateway.keys.quotas import Quotas, QuotaShare, QuotaUsage
from gateway.proxy.response_affinity import MadeObject, ResponseAffinity
from gateway.proxy.session_affinity import SessionAffinity, SessionPin
from gateway.upstream.load_balancer import BackendState
from gateway.usage.ledger import Ledger, UsageRows

log = logging.getLogger("benchroute.distributed")

MAX_EVENTS = 20_000
EVENT_BATCH_SIZE = 500
MAX_MERGED = 500
"""Rows of usage merged at once."""

MINUTE_MS = 60_000
USAGE_SYNC_S = 1.0
FULL_USAGE_SYNC_S = 15.0


class LimitEvent(msgspec.Struct, frozen=True, array_like=True):
    """Changes of one gateway.

    Attributes:
        sessions: key, task, session and model of pinned sessions.
        opened: backends whose breaker opened, and seconds until they are tried again.
        closed: backends whose breaker closed.
        session_backends: of `sessions`, in their order.
        made: key, ID, model and backend of responses and conversations, and whether usage is still to be booked.
    """

    gateway: str
    sessions: tuple[tuple[str | None, str, str, str], ...] = ()
    opened: tuple[tuple[str, float], ...] = ()
    closed: tuple[str, ...] = ()
    # At the end, so that gateways of earlier versions can read the event.
    session_backends: tuple[str, ...] = ()
    made: tuple[tuple[str | None, str, str, str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class LocalState:
    """The gateway's own state. backends: of the configuration in use. gateways: their number."""

    name: str
    quotas: Quotas
    ledger: Ledger
    sessions: SessionAffinity
    responses: ResponseAffinity
    backends: Callable[[], Iterable[BackendState]]
    gateways: Callable[[], int]


class SharedLimits:
    """Syncs one gateway with the others. Runs in the client's thread; changes are applied in the event loop."""

    def __init__(
        self,
        client: RedisClient,
        local: LocalState,
        in_loop: Callable[[Callable[[], object]], object],
        copy: StateCopy | None = None,
    ) -> None:
        """in_loop: runs a call in the event loop and returns its result. copy: takes in the usage that is read."""
        self._client = client
        self._local = local
        self._in_loop = in_loop
        self._store = RedisStore(client, copy)
        self._read_to = ""
        self._open_breakers: set[str] = set()
        self._budgets_at = self._all_usage_at = float("-inf")

    def sync(self) -> None:
        """Publish, read and rebalance once. Raises StateError."""
        self._publish_changes()
        self._read_changes()
        self._sync_quotas()
        now = time.monotonic()
        # Budgets need the others' usage soon; totals that are only shown may be older.
        if now - self._budgets_at >= USAGE_SYNC_S:
            self._merge_usage(self._store.usage_of([("key", name) for name in self._local.quotas.budgeted_keys()]))
            self._budgets_at = now
        if now - self._all_usage_at >= FULL_USAGE_SYNC_S:
            self._merge_usage(self._store.read_usage())
            self._all_usage_at = now

    def _sync_quotas(self) -> None:
        """Take from the common buckets what was used here, and this gateway's share of what is left."""
        # Most deployments limit no key, and then no call is made.
        if not self._local.quotas.rate_limited_keys():
            return
        used: Mapping[str, QuotaUsage] = self._in_loop(self._local.quotas.drain_usage)  # type: ignore[assignment]
        active = self._client.eval_script(ACTIVE_KEYS, [self._client.keys.quotas], [MINUTE_MS, *used])
        limited = set(decode_names(active)) & set(self._local.quotas.rate_limited_keys())
        shares: dict[str, QuotaShare] = {}
        count = self._local.gateways()
        # Keys without recent requests anywhere cost no call: their buckets fill up by themselves.
        for name in sorted(limited):
            one = used.get(name) or self._local.quotas.zero_usage(name)
            words: list[RedisArg] = [one.requests, one.requests_per_minute or 0, one.tokens, one.tokens_per_minute or 0]
            words += [self._local.name, count]
            requests, tokens = self._client.eval_script(SYNC_QUOTA, [self._client.keys.quota(name)], words)
            with translate_content(self._client.keys.quota(name)):
                shares[name] = QuotaShare(float(requests), float(tokens))
        self._in_loop(lambda: self._local.quotas.rebalance(shares, count))

    def _merge_usage(self, rows: UsageRows) -> None:
        def merge(some: UsageRows) -> None:
            self._local.ledger.merge_remote(some)
            self._local.quotas.invalidate_budgets()

        # In parts: requests wait for the event loop while it merges, and there can be 100,000 tasks.
        items = list(rows.items())
        for start in range(0, len(items), MAX_MERGED):
            self._in_loop(partial(merge, dict(items[start : start + MAX_MERGED])))

    def _publish_changes(self) -> None:
        pins, made = self._local.sessions.drain_updates(), self._local.responses.drain_updates()
        opened, closed = self._breakers()
        if pins or made or opened or closed:
            event = LimitEvent(
                self._local.name,
                tuple((one.key, one.task, one.session, one.model) for one in pins),
                tuple(opened),
                tuple(closed),
                tuple(one.backend for one in pins),
                tuple((one.key, one.object_id, one.model, one.backend, one.is_open) for one in made),
            )
            data = msgspec.msgpack.encode(event)
            self._client.execute("XADD", self._client.keys.events, "MAXLEN", "~", MAX_EVENTS, "*", "e", data)

    def _breakers(self) -> tuple[list[tuple[str, float]], list[str]]:
        """Return the breakers that opened, and closed, since the last sync."""
        opened, closed = [], []
        for watched in self._local.backends():
            name = watched.backend.name
            if watched.breaker.state == "open" and name not in self._open_breakers:
                self._open_breakers.add(name)
                opened.append((name, watched.breaker.retry_in_s))
            elif watched.breaker.state == "closed" and name in self._open_breakers:
                self._open_breakers.discard(name)
                closed.append(name)
        return opened, closed

    def _read_changes(self) -> None:
        if not self._read_to:
            # A gateway that starts reads back as far as sessions and responses live.
            ttl_s = max(self._local.sessions.ttl_s, self._local.responses.ttl_s)
            seconds = int(self._client.execute("TIME")[0]) - int(ttl_s)
            self._read_to = f"{max(0, seconds) * 1000}-0"
        found = self._client.execute(
            "XRANGE", self._client.keys.events, f"({self._read_to}", "+", "COUNT", EVENT_BATCH_SIZE
        )
        for place, fields in found:
            self._read_to = place.decode()
            with translate_content(self._client.keys.events):
                event = msgspec.msgpack.decode(fields[b"e"], type=LimitEvent)
            if event.gateway != self._local.name:
                # Bound in the lambda: the loop may run it after the next event was read.
                self._in_loop(lambda event=event: self._apply_event(event))  # type: ignore[misc]

    def _apply_event(self, event: LimitEvent) -> None:
        # Gateways of earlier versions send none.
        backends = event.session_backends or ("",) * len(event.sessions)
        for (key, task, session, model), backend in zip(event.sessions, backends, strict=True):
            self._local.sessions.apply_remote(SessionPin(key, task, session, model, backend))
        for made in event.made:
            self._local.responses.apply_remote(MadeObject(*made))
        opened = dict(event.opened)
        for watched in self._local.backends():
            name = watched.backend.name
            if name in opened:
                # Known as open, so that this gateway does not publish it as its own.
                self._open_breakers.add(name)
                watched.breaker.on_remote_open(opened[name])
            elif name in event.closed:
                self._open_breakers.discard(name)
                watched.breaker.on_remote_close()


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
