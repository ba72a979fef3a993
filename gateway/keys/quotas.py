"""How much a key may do: requests and tokens a minute, US dollars a day and a month.

Requests are counted when they come; tokens and dollars when the answer says how many, so a key can go over by what is
under way. A bucket fills as time passes: 60 a minute is one a second, not 60 at the full minute.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.config import KeyTerms
from gateway.errors import BudgetExceeded, RateLimited
from gateway.usage.ledger import Ledger

MINUTE_S = 60.0

Limits = tuple[float | None, float | None, Decimal | None, Decimal | None]
"""Requests and tokens a minute, US dollars a day and a month."""


@dataclass(slots=True)
class TokenBucket:
    """Holds a minute's worth; may be overdrawn by what was not known beforehand.

    most: what fills up in a minute, and one request at least where the whole allows one; per_s: in a second.
    """

    per_minute: float
    level: float = field(init=False)
    filled_at: float = 0.0
    most: float = field(init=False)
    per_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.per_minute
        self.take_share(1.0)

    def take_share(self, part: float) -> None:
        """From now on this part of the whole, which gateways share."""
        self.most = max(self.per_minute * part, min(1.0, self.per_minute))
        self.per_s = self.per_minute * part / MINUTE_S

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until it holds this much; 0 where it does."""
        level, most = self.level, self.most
        filled = level + (now - self.filled_at) * self.per_s
        if filled > most:
            filled = level if level > most else most
        self.level, self.filled_at = filled, now
        return 0.0 if filled >= amount else (amount - filled) / self.per_s


@dataclass(slots=True)
class QuotaUsage:
    """What one key used, and its limits; None for none."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    requests: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class QuotaShare:
    """A gateway's part of what is left of a key's requests and tokens."""

    requests: float
    tokens: float


@dataclass(slots=True)
class Quota:
    """One key's. None: no limit. day_limit, month_limit: up to where this gateway goes, at most the budget."""

    requests: TokenBucket | None
    tokens: TokenBucket | None
    usd_per_day: Decimal | None
    usd_per_month: Decimal | None
    today: str = ""
    day_usd: Decimal = Decimal(0)
    month_usd: Decimal = Decimal(0)
    day_limit: Decimal | None = None
    month_limit: Decimal | None = None


class Quotas:
    """All keys' quotas. Keys without any are not held here at all."""

    def __init__(self, keys: Sequence[KeyTerms], ledger: Ledger, clock: Callable[[], float]) -> None:
        """clock: seconds, monotonic."""
        self._clock = clock
        self._ledger = ledger
        self._terms: Mapping[str, Limits] = {}
        self._quotas: Mapping[str, Quota] = {}
        self._used: dict[str, QuotaUsage] = {}
        self._gateways = 1
        self.configure(keys)

    def configure(self, keys: Sequence[KeyTerms]) -> None:
        """From now on these keys. One whose limits stay has used as much of them as before."""
        every = {key.name: _limits(key) for key in keys}
        terms = {name: limits for name, limits in every.items() if any(limit is not None for limit in limits)}
        self._quotas = {
            name: self._quotas[name] if self._terms.get(name) == limits else _quota(*limits)
            for name, limits in terms.items()
        }
        self._terms = terms

    def admit_request(self, key: str | None) -> None:
        """Counts a request. Raises RateLimited, BudgetExceeded."""
        quota = self._quotas.get(key) if key is not None else None
        if quota is None or key is None:
            return
        now, requests, tokens = self._clock(), quota.requests, quota.tokens
        if requests is not None and (wait_s := requests.wait_s(1.0, now)):
            raise _over(key, requests, "requests", wait_s)
        if tokens is not None and (wait_s := tokens.wait_s(0.0, now)):
            raise _over(key, tokens, "tokens", wait_s)
        self._check_budgets(key, quota)
        if requests is not None:
            requests.level -= 1.0
            self._use(key, quota).requests += 1.0

    def charge_usage(self, key: str | None, tokens: int, usd: Decimal) -> None:
        """What a request turned out to take."""
        quota = self._quotas.get(key) if key is not None else None
        if quota is None or key is None:
            return
        if quota.tokens is not None:
            quota.tokens.wait_s(0.0, self._clock())
            quota.tokens.level -= tokens  # overdrawn, if need be
            self._use(key, quota).tokens += tokens
        quota.day_usd += usd
        quota.month_usd += usd

    def _check_budgets(self, key: str, quota: Quota) -> None:
        day = self._ledger.current_day()
        if quota.today != day:  # a new day, or the first request: the ledger knows what was spent before
            quota.today = day
            quota.day_usd = self._ledger.usage_on("key", key, day).usd
            quota.month_usd = self._ledger.usage_on("key", key, day[:7]).usd
            quota.day_limit = self._limit(quota.usd_per_day, quota.day_usd)
            quota.month_limit = self._limit(quota.usd_per_month, quota.month_usd)
        if quota.day_limit is not None and quota.day_usd >= quota.day_limit:
            raise BudgetExceeded(f"the key {key!r} has spent its {quota.usd_per_day} US dollars of this day")
        if quota.month_limit is not None and quota.month_usd >= quota.month_limit:
            raise BudgetExceeded(f"the key {key!r} has spent its {quota.usd_per_month} US dollars of this month")

    def drain_usage(self) -> Mapping[str, QuotaUsage]:
        """What keys with limits used since the last call."""
        taken, self._used = self._used, {}
        return taken

    def zero_usage(self, key: str) -> QuotaUsage:
        """Nothing used, of a key with limits."""
        quota = self._quotas.get(key)
        return QuotaUsage() if quota is None else _unused(quota)

    def rate_limited_keys(self) -> Sequence[str]:
        """The keys whose requests or tokens are limited."""
        return [name for name, quota in self._quotas.items() if quota.requests or quota.tokens]

    def budgeted_keys(self) -> Sequence[str]:
        """The keys that have a budget."""
        return [name for name, (_, _, day, month) in self._terms.items() if day is not None or month is not None]

    def rebalance(self, parts: Mapping[str, QuotaShare], gateways: int) -> None:
        """Takes this gateway's parts of what all have left, less what was used here since.

        gateways: how many share. A key that nobody has used lately is full, in parts.
        """
        now, self._gateways = self._clock(), gateways
        for name, quota in self._quotas.items():
            left, since = parts.get(name), self._used.get(name) or QuotaUsage()
            for bucket, level, used in (
                (quota.requests, left.requests if left else None, since.requests),
                (quota.tokens, left.tokens if left else None, since.tokens),
            ):
                if bucket is None:
                    continue
                bucket.wait_s(0.0, now)
                bucket.take_share(1.0 / gateways)
                bucket.level = min(bucket.level, bucket.most) if level is None else level - used

    def invalidate_budgets(self) -> None:
        """The ledger has heard what others spent."""
        for quota in self._quotas.values():
            quota.today = ""

    def _use(self, key: str, quota: Quota) -> QuotaUsage:
        used = self._used.get(key)
        if used is None:
            used = self._used[key] = _unused(quota)
        return used

    def _limit(self, budget: Decimal | None, spent: Decimal) -> Decimal | None:
        """Up to where this gateway goes: its part of what is left."""
        return None if budget is None else spent + (budget - spent) / self._gateways


def _over(key: str, bucket: TokenBucket, what: str, wait_s: float) -> RateLimited:
    message = f"the key {key!r} is over its {bucket.per_minute:g} {what} a minute"
    return RateLimited(message, retry_after=str(math.ceil(wait_s)))


def _unused(quota: Quota) -> QuotaUsage:
    requests, tokens = quota.requests, quota.tokens
    return QuotaUsage(requests.per_minute if requests else None, tokens.per_minute if tokens else None)


def _limits(key: KeyTerms) -> Limits:
    return key.requests_per_minute, key.tokens_per_minute, key.budget_usd_per_day, key.budget_usd_per_month


def _quota(
    requests: float | None, tokens: float | None, usd_per_day: Decimal | None, usd_per_month: Decimal | None
) -> Quota:
    return Quota(
        TokenBucket(requests) if requests else None, TokenBucket(tokens) if tokens else None, usd_per_day, usd_per_month
    )
