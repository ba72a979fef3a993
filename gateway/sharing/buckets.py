"""The token buckets that all gateways take from, in memory: the rules of gateway.distributed.shared_limits in Python.

A share for every gateway would round to nothing where a key has few requests a minute: whole ones then go to one
gateway after the other. Shares of gateways that died are free after five seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.keys.quotas import QuotaShare, QuotaUsage

MINUTE_MS = 60_000
HELD_MS = 5_000
TURN_MS = 1_000
IDLE_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class DealtShare:
    """A gateway's share, and when it was dealt, in ms."""

    share: QuotaShare
    at: float


@dataclass(slots=True)
class KeyBuckets:
    """The buckets of one key.

    Attributes:
        requests, tokens: levels; negative where more was used than was known beforehand; None for full.
        at: time of the last exchange, in ms.
        holder: gateway that got all of the last whole requests, and since when.
        dealt: shares by gateway.
    """

    requests: float | None = None
    tokens: float | None = None
    at: float = 0.0
    holder: tuple[str, float] | None = None
    dealt: dict[str, DealtShare] = field(default_factory=dict)


class CommonBuckets:
    """Buckets of all keys with recent requests. Times are in ms, of one clock."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}
        self._keys: dict[str, KeyBuckets] = {}

    def active_keys(self, used: Sequence[str], now_ms: float) -> list[str]:
        """Note that these keys were used just now. Return those used in the last minute."""
        self._used |= dict.fromkeys(used, now_ms)
        self._used = {name: at for name, at in self._used.items() if at > now_ms - MINUTE_MS}
        # Untouched for long enough to be full, and nobody's share any more.
        self._keys = {name: one for name, one in self._keys.items() if now_ms - one.at < IDLE_MS}
        return list(self._used)

    def exchange_quotas(
        self, gateway: str, gateways: int, usages: Mapping[str, QuotaUsage], now_ms: float
    ) -> dict[str, QuotaShare]:
        """Take what a gateway has given out, fill the buckets as time has passed, and deal what is left, by key."""
        return {name: self._exchange(name, gateway, gateways, usage, now_ms) for name, usage in usages.items()}

    def _exchange(self, name: str, gateway: str, gateways: int, usage: QuotaUsage, now_ms: float) -> QuotaShare:
        key = self._keys.setdefault(name, KeyBuckets(at=now_ms))
        passed_ms = max(0.0, now_ms - key.at)
        key.dealt = {
            other: one for other, one in key.dealt.items() if other == gateway or abs(now_ms - one.at) <= HELD_MS
        }
        others = [one.share for other, one in key.dealt.items() if other != gateway]
        held_requests = sum(max(0.0, one.requests) for one in others)
        held_tokens = sum(max(0.0, one.tokens) for one in others)
        key.requests = _fill(key.requests, usage.requests_per_minute, usage.requests, passed_ms)
        key.tokens = _fill(key.tokens, usage.tokens_per_minute, usage.tokens, passed_ms)
        requests = min(key.requests / gateways, key.requests - held_requests)
        if key.requests > 0 and key.requests / gateways < 1:
            requests = self._deal_whole(key, gateway, key.requests - held_requests, now_ms)
        share = QuotaShare(requests, min(key.tokens / gateways, key.tokens - held_tokens))
        key.dealt[gateway], key.at = DealtShare(share, now_ms), now_ms
        return share

    def _deal_whole(self, key: KeyBuckets, gateway: str, left: float, now_ms: float) -> float:
        """Deal too few requests for all: whole ones, to whoever asked first, and a second later to another."""
        holder, since = key.holder or (gateway, now_ms)
        waited_ms = now_ms - since
        if holder != gateway and 0 <= waited_ms <= TURN_MS:
            return 0.0
        key.holder = gateway, now_ms
        return left


def _fill(level: float | None, per_minute: float | None, used: float, passed_ms: float) -> float:
    """Return the level of a bucket. per_minute: its capacity, None for no limit."""
    most = per_minute or 0.0
    before = most if level is None else level
    return min(most, before + passed_ms * most / MINUTE_MS) - used
