"""How much a key may do: requests and tokens a minute, US dollars a day and a month.

Requests are counted when they come; tokens and dollars when the answer says how many, so a key can go over by what is
under way. A bucket fills as time passes: 60 a minute is one a second, not 60 at the full minute.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.config import KeyTerms
from gateway.errors import BudgetSpent, RateLimited
from gateway.spending import Ledger

MINUTE_S = 60.0

Limits = tuple[float | None, float | None, Decimal | None, Decimal | None]
"""Requests and tokens a minute, US dollars a day and a month."""


@dataclass(slots=True)
class Bucket:
    """Holds a minute's worth; may be overdrawn by what was not known beforehand."""

    per_minute: float
    level: float = field(init=False)
    filled_at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.per_minute

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until it holds this much; 0 where it does."""
        self.level = min(self.per_minute, self.level + (now - self.filled_at) * self.per_minute / MINUTE_S)
        self.filled_at = now
        return max(0.0, (amount - self.level) * MINUTE_S / self.per_minute)

    def take(self, amount: float) -> None:
        """Takes it out, whether it is there or not."""
        self.level -= amount


@dataclass(slots=True)
class Quota:
    """One key's. None: no limit."""

    requests: Bucket | None
    tokens: Bucket | None
    usd_per_day: Decimal | None
    usd_per_month: Decimal | None
    today: str = ""
    day_usd: Decimal = Decimal(0)
    month_usd: Decimal = Decimal(0)


class Quotas:
    """All keys' quotas. Keys without any are not held here at all."""

    def __init__(self, keys: Sequence[KeyTerms], ledger: Ledger, clock: Callable[[], float]) -> None:
        """clock: seconds, monotonic."""
        self._clock = clock
        self._ledger = ledger
        self._terms: Mapping[str, Limits] = {}
        self._quotas: Mapping[str, Quota] = {}
        self.hold(keys)

    def hold(self, keys: Sequence[KeyTerms]) -> None:
        """From now on these keys. One whose limits stay has used as much of them as before."""
        every = {key.name: _limits(key) for key in keys}
        terms = {name: limits for name, limits in every.items() if any(limit is not None for limit in limits)}
        self._quotas = {
            name: self._quotas[name] if self._terms.get(name) == limits else _quota(*limits)
            for name, limits in terms.items()
        }
        self._terms = terms

    def admit(self, key: str | None) -> None:
        """Counts a request. Raises RateLimited, BudgetSpent."""
        quota = self._quotas.get(key) if key is not None else None
        if quota is None or key is None:
            return
        now = self._clock()
        for name, bucket, amount in (("requests", quota.requests, 1.0), ("tokens", quota.tokens, 0.0)):
            wait_s = bucket.wait_s(amount, now) if bucket else 0.0
            if wait_s > 0 and bucket:
                message = f"the key {key!r} is over its {bucket.per_minute:g} {name} a minute"
                raise RateLimited(message, retry_after=str(math.ceil(wait_s)))
        self._check_budgets(key, quota)
        if quota.requests:
            quota.requests.take(1.0)

    def charge(self, key: str | None, tokens: int, usd: Decimal) -> None:
        """What a request turned out to take."""
        quota = self._quotas.get(key) if key is not None else None
        if quota is None:
            return
        if quota.tokens:
            quota.tokens.wait_s(0.0, self._clock())
            quota.tokens.take(tokens)
        quota.day_usd += usd
        quota.month_usd += usd

    def _check_budgets(self, key: str, quota: Quota) -> None:
        day = self._ledger.day()
        if quota.today != day:  # a new day, or the first request: the ledger knows what was spent before
            quota.today = day
            quota.day_usd = self._ledger.spent("key", key, day).usd
            quota.month_usd = self._ledger.spent("key", key, day[:7]).usd
        for budget, spent, period in (
            (quota.usd_per_day, quota.day_usd, "day"),
            (quota.usd_per_month, quota.month_usd, "month"),
        ):
            if budget is not None and spent >= budget:
                raise BudgetSpent(f"the key {key!r} has spent its {budget} US dollars of this {period}")


def _limits(key: KeyTerms) -> Limits:
    return key.requests_per_minute, key.tokens_per_minute, key.budget_usd_per_day, key.budget_usd_per_month


def _quota(
    requests: float | None, tokens: float | None, usd_per_day: Decimal | None, usd_per_month: Decimal | None
) -> Quota:
    return Quota(Bucket(requests) if requests else None, Bucket(tokens) if tokens else None, usd_per_day, usd_per_month)
