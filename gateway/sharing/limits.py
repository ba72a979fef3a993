"""State that gateways share beside decisions: rate limits, sessions, makers of responses, circuit breakers, usage.

Every gateway works with a local share of each rate limit and syncs it in the background: a few times a second what was
used is taken from the common token bucket, and what is left is divided among the gateways again. So the request path
waits for nothing. Sessions and breakers are published, and every gateway reads them.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import msgspec

from gateway.keys.quotas import Quotas, QuotaShare, QuotaUsage
from gateway.proxy.response_affinity import MadeObject, ResponseAffinity
from gateway.proxy.session_affinity import SessionAffinity, SessionPin
from gateway.upstream.load_balancer import BackendState
from gateway.usage.ledger import Ledger, UsageRows

MAX_MERGED, MAX_REBALANCED = 100, 200
"""Rows of usage merged, and keys rebalanced, at once: in a millisecond. Their number grows with tasks and keys."""

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


class LimitsBackend(Protocol):
    """What all gateways have in common. Every method may wait, and may raise StateError."""

    def active_keys(self, used: Sequence[str]) -> Collection[str]:
        """Note that these keys were used just now. Return those used in the last minute, at any gateway."""

    def exchange_quotas(
        self, gateway: str, gateways: int, usages: Mapping[str, QuotaUsage]
    ) -> Mapping[str, QuotaShare]:
        """Take from the common buckets what a gateway has given out. Return its shares of what is left, by key.

        gateways: their number. A gateway receives at most the N-th part of what is left, and never more than the
        others' shares leave; where that is less than one request, one gateway after the other gets all.
        """

    def publish_event(self, event: LimitEvent) -> None:
        """Tell the other gateways of changes."""

    def read_events(self, ttl_s: float) -> Iterable[LimitEvent]:
        """Yield events since the last call, oldest first; this gateway's own may be among them.

        ttl_s: how far the first call looks back, in seconds.
        """

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """Return the usage of some keys and tasks, of all gateways. who: (kind, name) of each."""

    def read_usage(self) -> UsageRows:
        """Return all usage that may have changed since the last call, of all gateways."""


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
    """Syncs one gateway with the others. Runs in a thread; changes are applied in the event loop."""

    def __init__(
        self, backend: LimitsBackend, local: LocalState, in_loop: Callable[[Callable[[], object]], object]
    ) -> None:
        """in_loop: runs a call in the event loop and returns its result."""
        self._backend = backend
        self._local = local
        self._in_loop = in_loop
        self._open_breakers: set[str] = set()
        self._divided_by = 1
        self._shared: Collection[str] = ()
        """Keys with a share at the last sync."""
        self._budgets_at = self._all_usage_at = float("-inf")

    def sync(self) -> None:
        """Publish, read and rebalance once. Raises StateError."""
        self._publish_changes()
        self._read_changes()
        self._sync_quotas()
        now = time.monotonic()
        # Budgets need the others' usage soon; totals that are only shown may be older.
        if now - self._budgets_at >= USAGE_SYNC_S:
            self._merge_usage(self._backend.usage_of([("key", name) for name in self._local.quotas.budgeted_keys()]))
            self._budgets_at = now
        if now - self._all_usage_at >= FULL_USAGE_SYNC_S:
            self._merge_usage(self._backend.read_usage())
            self._all_usage_at = now

    def _sync_quotas(self) -> None:
        """Take from the common buckets what was used here, and this gateway's share of what is left."""
        quotas, count = self._local.quotas, self._local.gateways()
        # Most deployments limit no rate, and then no call is made; budgets are divided all the same.
        names = quotas.rate_limited_keys()
        if not names:
            if count != self._divided_by:
                self._rebalance({}, count)
            return
        used: Mapping[str, QuotaUsage] = self._in_loop(quotas.drain_usage)  # type: ignore[assignment]
        limited = set(self._backend.active_keys(list(used))) & set(names)
        # Keys without recent requests anywhere cost no call: their buckets fill up by themselves.
        usages = {name: used.get(name) or quotas.zero_usage(name) for name in sorted(limited)}
        shares = self._backend.exchange_quotas(self._local.name, count, usages)
        self._rebalance(shares, count)

    def _rebalance(self, shares: Mapping[str, QuotaShare], count: int) -> None:
        """Apply shares. Keys that were not used lately stay as they are, unless they are new or gateways come or go."""
        quotas = self._local.quotas
        unshared: Sequence[str] = self._in_loop(lambda: quotas.drain_unshared(count))  # type: ignore[assignment]
        rows = [(name, shares.get(name)) for name in dict.fromkeys((*shares, *self._shared, *unshared))]
        self._shared, self._divided_by = tuple(shares), count
        for start in range(0, len(rows), MAX_REBALANCED):
            self._in_loop(partial(quotas.rebalance, dict(rows[start : start + MAX_REBALANCED])))

    def _merge_usage(self, rows: UsageRows) -> None:
        def merge(some: UsageRows) -> None:
            self._local.ledger.merge_remote(some)
            self._local.quotas.invalidate_budgets(name for kind, name, _ in some if kind == "key")

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
            self._backend.publish_event(event)

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
        # A gateway that starts reads back as far as sessions and responses live.
        for event in self._backend.read_events(max(self._local.sessions.ttl_s, self._local.responses.ttl_s)):
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
