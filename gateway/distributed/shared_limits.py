"""What gateways hold in common beside decisions: how much of its limits a key has used, sessions, breakers, spending.

Every gateway works with a share of its own and settles it with the others in the background: a few times a second what
was used is taken from the common bucket, and what is left there is dealt out again, a part for each gateway. So the
request path asks nobody. Sessions and breakers are told in a bounded stream that every gateway reads.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from gateway.distributed import redis_keys, scripts
from gateway.distributed.redis_client import RedisArg, RedisClient
from gateway.distributed.store import RedisStore
from gateway.keys.quotas import Quotas, QuotaShare, QuotaUsage
from gateway.proxy.session_affinity import SessionAffinity, SessionPin
from gateway.upstream.load_balancer import BackendState
from gateway.usage.ledger import Ledger, UsageRows

log = logging.getLogger("benchroute.distributed")

MAX_EVENTS = 20_000
EVENT_BATCH_SIZE = 500
MINUTE_MS = 60_000
USAGE_SYNC_S = 1.0
FULL_USAGE_SYNC_S = 15.0


class LimitEvent(msgspec.Struct, frozen=True, array_like=True):
    """What one gateway tells the others. sessions: with the models they are on. opened: backends that are left alone,
    and for how many seconds. closed: those that are well again.
    """

    gateway: str
    sessions: tuple[tuple[str | None, str, str, str], ...] = ()
    opened: tuple[tuple[str, float], ...] = ()
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalState:
    """The gateway's own. backends: those of the configuration in force. gateways: how many there are."""

    name: str
    quotas: Quotas
    ledger: Ledger
    sessions: SessionAffinity
    backends: Callable[[], Iterable[BackendState]]
    gateways: Callable[[], int]


class SharedLimits:
    """Runs in the link's thread; whatever belongs to the event loop is done there."""

    def __init__(
        self, client: RedisClient, common: LocalState, in_loop: Callable[[Callable[[], object]], object]
    ) -> None:
        """in_loop: does something in the event loop, and returns what it returns."""
        self._client = client
        self._common = common
        self._in_loop = in_loop
        self._store = RedisStore(client)
        self._read_to = ""
        self._shut: set[str] = set()
        self._spending_at = self._all_spending_at = float("-inf")

    def sync(self) -> None:
        """Once round. Raises StateError."""
        self._tell()
        self._hear()
        self._settle_quotas()
        now = time.monotonic()
        if now - self._spending_at >= USAGE_SYNC_S:
            self._learn(self._store.usage_of([("key", name) for name in self._common.quotas.budgeted_keys()]))
            self._spending_at = now
        if now - self._all_spending_at >= FULL_USAGE_SYNC_S:
            self._learn(self._store.read_usage())
            self._all_spending_at = now

    def _settle_quotas(self) -> None:
        """Takes from the common buckets what was used here, and this gateway's part of what is left."""
        if not self._common.quotas.rate_limited_keys():
            return
        used: Mapping[str, QuotaUsage] = self._in_loop(self._common.quotas.drain_usage)  # type: ignore[assignment]
        active = self._client.eval_script(scripts.ACTIVE_KEYS, [redis_keys.QUOTAS], [MINUTE_MS, *used])
        limited = {name.decode() for name in active} & set(self._common.quotas.rate_limited_keys())
        parts: dict[str, QuotaShare] = {}
        count = self._common.gateways()
        for name in sorted(limited):
            one = used.get(name) or self._common.quotas.zero_usage(name)
            words: list[RedisArg] = [one.requests, one.requests_per_minute or 0, one.tokens, one.tokens_per_minute or 0]
            words += [self._common.name, count]
            requests, tokens = self._client.eval_script(scripts.SYNC_QUOTA, [redis_keys.quota_key(name)], words)
            parts[name] = QuotaShare(float(requests), float(tokens))
        self._in_loop(lambda: self._common.quotas.rebalance(parts, count))

    def _learn(self, rows: UsageRows) -> None:
        def learn() -> None:
            self._common.ledger.merge_remote(rows)
            self._common.quotas.invalidate_budgets()

        if rows:
            self._in_loop(learn)

    def _tell(self) -> None:
        sessions = tuple((one.key, one.task, one.session, one.model) for one in self._common.sessions.drain_updates())
        opened, closed = self._breakers()
        if sessions or opened or closed:
            data = msgspec.msgpack.encode(LimitEvent(self._common.name, sessions, tuple(opened), tuple(closed)))
            self._client.execute("XADD", redis_keys.EVENTS, "MAXLEN", "~", MAX_EVENTS, "*", "e", data)

    def _breakers(self) -> tuple[list[tuple[str, float]], list[str]]:
        """Those that have opened, and closed, since the last look."""
        opened, closed = [], []
        for watched in self._common.backends():
            name = watched.backend.name
            if watched.breaker.state == "open" and name not in self._shut:
                self._shut.add(name)
                opened.append((name, watched.breaker.retry_in_s))
            elif watched.breaker.state == "closed" and name in self._shut:
                self._shut.discard(name)
                closed.append(name)
        return opened, closed

    def _hear(self) -> None:
        if not self._read_to:
            # Sessions are remembered for a while: who comes new hears of those that still live.
            seconds = int(self._client.execute("TIME")[0]) - int(self._common.sessions.ttl_s)
            self._read_to = f"{max(0, seconds) * 1000}-0"
        found = self._client.execute("XRANGE", redis_keys.EVENTS, f"({self._read_to}", "+", "COUNT", EVENT_BATCH_SIZE)
        for place, fields in found:
            self._read_to = place.decode()
            event = msgspec.msgpack.decode(fields[b"e"], type=LimitEvent)
            if event.gateway != self._common.name:
                self._in_loop(lambda event=event: self._take(event))  # type: ignore[misc]

    def _take(self, event: LimitEvent) -> None:
        for key, task, session, model in event.sessions:
            self._common.sessions.apply_remote(SessionPin(key, task, session, model))
        opened = dict(event.opened)
        for watched in self._common.backends():
            name = watched.backend.name
            if name in opened:
                self._shut.add(name)
                watched.breaker.on_remote_open(opened[name])
            elif name in event.closed:
                self._shut.discard(name)
                watched.breaker.on_remote_close()
