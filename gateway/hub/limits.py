"""What the limits of one machine's workers have in common: at their parent, and in the state's file."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as CallTimeout
from functools import partial
from typing import Any

import msgspec

from gateway.errors import StateError
from gateway.hub.link import CALL_S, ParentLink
from gateway.hub.messages import Events, ExchangeQuotas, NoteActive, Peers, Publish
from gateway.keys.quotas import QuotaShare, QuotaUsage
from gateway.sharing.limits import LimitEvent
from gateway.state.sqlite import SqliteStore
from gateway.usage.ledger import UsageRows

MAX_UNREAD = 20_000
MAX_EXCHANGED = 500
"""Keys of one message: both event loops are held while it is read and written."""


class ParentLimits:
    """A gateway.sharing.limits.LimitsBackend. For one thread, which is not the event loop's."""

    def __init__(self, link: ParentLink, store: SqliteStore, day_before: Callable[[], str]) -> None:
        """day_before: yesterday's UTC date in ISO 8601: older sums do not change any more."""
        self.gateways = 1
        """Workers that run, this one among them."""
        self.has_peers = asyncio.Event()
        """Set once their number is known."""
        self._link = link
        self._store = store
        self._day_before = day_before
        self._loop = asyncio.get_running_loop()
        self._events: deque[tuple[float, LimitEvent]] = deque(maxlen=MAX_UNREAD)
        link.handlers |= {
            Events: lambda message: self._events.extend(message.items),
            Peers: self._on_peers,
        }

    def _on_peers(self, peers: Peers) -> None:
        self.gateways = peers.count
        self.has_peers.set()

    def active_keys(self, used: Sequence[str]) -> Collection[str]:
        """Note that these keys were used just now. Return those used in the last minute, at any worker."""
        found: Collection[str] = self._call(lambda number: NoteActive(number, used))["active"]
        return found

    def exchange_quotas(
        self, gateway: str, gateways: int, usages: Mapping[str, QuotaUsage]
    ) -> Mapping[str, QuotaShare]:
        """Take from the common buckets what a worker has given out. Return its shares of what is left, by key."""
        shares: dict[str, QuotaShare] = {}
        rows = list(usages.items())
        for start in range(0, len(rows), MAX_EXCHANGED):
            some = dict(rows[start : start + MAX_EXCHANGED])
            found = self._call(partial(ExchangeQuotas, gateway=gateway, usages=some))
            shares |= msgspec.convert(found["shares"], dict[str, QuotaShare])
        return shares

    def publish_event(self, event: LimitEvent) -> None:
        """Tell the other workers of changes."""
        self._loop.call_soon_threadsafe(self._link.send, Publish(event))

    def read_events(self, ttl_s: float) -> Iterator[LimitEvent]:
        """Yield events since the last call, oldest first. ttl_s: older ones are left out, in seconds."""
        # One by one: the event loop may append meanwhile.
        while self._events:
            age_s, event = self._events.popleft()
            if age_s <= ttl_s:
                yield event

    def usage_of(self, who: Sequence[tuple[str, str]]) -> UsageRows:
        """Return the usage of some keys and tasks. who: (kind, name) of each."""
        return self._store.usage_of(who)

    def read_usage(self) -> UsageRows:
        """Return the usage of yesterday and today."""
        return self._store.usage_since(self._day_before())

    def _call(self, make: Callable[[int], msgspec.Struct]) -> Mapping[str, Any]:
        if self._loop.is_closed():
            raise StateError("the gateway is stopping")
        called = asyncio.run_coroutine_threadsafe(self._link.call(make), self._loop)
        try:
            return called.result(CALL_S + 1.0)
        except CallTimeout as error:
            called.cancel()
            raise StateError("the event loop is busy") from error
