"""Quotas of a key: requests and tokens per minute, requests in flight, US dollars per day and month.

Requests are counted when they arrive; tokens and dollars when the response reports them, so a key can exceed its limit
by what is in flight. Rate limits are token buckets: 60 per minute is one per second, not 60 at the full minute.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.config import KeyTerms
from gateway.errors import BudgetExceeded, RateLimited
from gateway.http.headers import Headers
from gateway.usage.ledger import Ledger

MINUTE_S = 60.0

CONCURRENCY_RETRY_S = "1"
"""Seconds until a request over the limit of concurrency may be sent again: when others end is not known."""

Limits = tuple[float | None, float | None, Decimal | None, Decimal | None, int | None]
"""Requests and tokens per minute, US dollars per day and month, requests in flight."""


@dataclass(slots=True)
class TokenBucket:
    """Token bucket (https://en.wikipedia.org/wiki/Token_bucket) that holds a minute's amount and may be overdrawn.

    Attributes:
        per_minute: the limit, for all gateways together.
        level: amount left; negative where more was used than was known beforehand.
        filled_at: time of the last refill, in seconds of the caller's clock.
        most: capacity: this gateway's share of `per_minute`, and at least one where the limit allows one.
        per_s: refill rate.
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
        """Set this gateway's share of the limit, in (0, 1]."""
        self.most = max(self.per_minute * part, min(1.0, self.per_minute))
        self.per_s = self.per_minute * part / MINUTE_S

    def wait_s(self, amount: float, now: float) -> float:
        """Refill, and return the seconds until the bucket holds this amount; 0 if it does."""
        level, most = self.level, self.most
        filled = level + (now - self.filled_at) * self.per_s
        # A level over the capacity, from a share that has become smaller, is used up and not cut off.
        if filled > most:
            filled = level if level > most else most
        self.level, self.filled_at = filled, now
        return 0.0 if filled >= amount else (amount - filled) / self.per_s


@dataclass(slots=True)
class QuotaUsage:
    """A key's usage since the last exchange between gateways, and its limits; None for no limit."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    requests: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class QuotaShare:
    """A gateway's share of the requests and tokens that a key has left."""

    requests: float
    tokens: float


@dataclass(slots=True)
class Quota:
    """Limits and usage of a key; None for no limit.

    Attributes:
        requests: bucket of requests.
        tokens: bucket of tokens.
        usd_per_day: budget of a UTC day.
        usd_per_month: budget of a UTC month.
        max_concurrent: requests in flight at all gateways together.
        in_flight: requests that hold a slot here.
        today: the day that the sums below are for; empty to read them from the ledger again.
        day_usd: spent today.
        month_usd: spent this month.
        day_limit: amount at which this gateway stops today; at most the budget.
        month_limit: amount at which this gateway stops this month; at most the budget.
    """

    requests: TokenBucket | None
    tokens: TokenBucket | None
    usd_per_day: Decimal | None
    usd_per_month: Decimal | None
    max_concurrent: int | None = None
    in_flight: int = 0
    today: str = ""
    day_usd: Decimal = Decimal(0)
    month_usd: Decimal = Decimal(0)
    day_limit: Decimal | None = None
    month_limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class QuotaPlan:
    """The limits of all keys that have any, the quotas of those whose limits stay, and new ones of the others."""

    limits: dict[str, Limits]
    unchanged: dict[str, Quota]
    changed: dict[str, Quota]


class Quotas:
    """Quotas of all keys that have any."""

    def __init__(self, keys: Sequence[KeyTerms], ledger: Ledger, clock: Callable[[], float]) -> None:
        """clock: seconds, monotonic."""
        self._clock = clock
        self._ledger = ledger
        self._limits: dict[str, Limits] = {}
        self._quotas: dict[str, Quota] = {}
        self._used: dict[str, QuotaUsage] = {}
        self._gateways = 1
        self._unshared: dict[str, None] = {}
        """Keys whose limits are new since the last `drain_unshared`."""
        self.replace_all(self.plan_keys(keys))

    def plan_keys(self, keys: Iterable[KeyTerms]) -> QuotaPlan:
        """Return the quotas of other keys, for `replace_all`. Threads may call it while no key is changed."""
        before, now = self._limits, self._quotas
        limits: dict[str, Limits] = {}
        for key in keys:
            if (found := _limits_of(key)) is not None:
                # The same object where it is equal: to free 10,000 takes the event loop milliseconds.
                old = before.get(key.name)
                limits[key.name] = old if old is not None and old == found else found
        unchanged = {name: now[name] for name, found in limits.items() if before.get(name) == found}
        changed = {name: _new_quota(found, None) for name, found in limits.items() if name not in unchanged}
        return QuotaPlan(limits, unchanged, changed)

    def replace_all(self, plan: QuotaPlan) -> None:
        """Replace all keys. A key whose limits are unchanged keeps its usage."""
        for name, quota in plan.changed.items():
            if (before := self._quotas.get(name)) is not None:
                quota.in_flight = before.in_flight
        self._unshared |= dict.fromkeys(plan.changed)
        self._limits, self._quotas = plan.limits, plan.unchanged | plan.changed

    def replace_key(self, name: str, after: KeyTerms | None) -> None:
        """Replace a key, or remove it. One whose limits are unchanged keeps its usage."""
        limits, before = None if after is None else _limits_of(after), self._quotas.get(name)
        if limits is None:
            self._limits.pop(name, None)
            self._quotas.pop(name, None)
        elif self._limits.get(name) != limits:
            self._limits[name], self._quotas[name] = limits, _new_quota(limits, before)
            self._unshared[name] = None

    def admit_request(self, key: str | None) -> None:
        """Count a request. Raises RateLimited, BudgetExceeded."""
        quota = self._quotas.get(key) if key is not None else None
        if quota is not None and key is not None:
            self._admit(key, quota, 1.0, 1.0)

    def begin_request(self, key: str | None) -> bool:
        """Count a request, which holds one of its key's slots if this returns True: `end_request` must follow.

        Raises RateLimited, BudgetExceeded; then it holds none.
        """
        quota = self._quotas.get(key) if key is not None else None
        if quota is None or key is None:
            return False
        if quota.max_concurrent is None:
            self._admit(key, quota, 1.0, 1.0)
            return False
        # Each gateway has an equal part, rounded up: together they exceed the limit by less than their number.
        if quota.in_flight >= math.ceil(quota.max_concurrent / self._gateways):
            plural = "" if quota.max_concurrent == 1 else "s"
            message = f"Rate limit exceeded: key {key!r} may have {quota.max_concurrent} request{plural} in flight."
            raise RateLimited(message, retry_after=CONCURRENCY_RETRY_S)
        self._admit(key, quota, 1.0, 1.0)
        quota.in_flight += 1
        return True

    def end_request(self, key: str | None) -> None:
        """Free the slot of a request that has ended."""
        quota = self._quotas.get(key) if key is not None else None
        # None, or 0, if the limit was removed meanwhile, or removed and set again.
        if quota is not None and quota.in_flight:
            quota.in_flight -= 1

    def admit_inputs(self, key: str | None, inputs: int) -> None:
        """Count the inputs of a request that `admit_request` has counted as one: each counts as a request.

        Raises RateLimited, BudgetExceeded; then the request counts as none.
        """
        quota = self._quotas.get(key) if key is not None else None
        if quota is None or key is None:
            return
        try:
            self._admit(key, quota, inputs - 1.0, float(inputs))
        except RateLimited:
            if quota.requests is not None:
                self._count(key, quota, quota.requests, -1.0)
            raise

    def _admit(self, key: str, quota: Quota, amount: float, inputs: float) -> None:
        """Count requests. More than this gateway's share of the limit overdraws a full bucket.

        inputs: of the whole request; more than the limit are never admitted.
        """
        now, requests, tokens = self._clock(), quota.requests, quota.tokens
        if requests is not None:
            most = requests.most
            if inputs > 1.0 and inputs > requests.per_minute:
                raise _too_many_inputs(key, requests, inputs)
            if wait_s := requests.wait_s(amount if amount < most else most, now):
                raise _rate_limited(key, requests, "requests", wait_s, inputs)
        # Not overdrawn: it is not refilled before something is taken, which comes to the same.
        if tokens is not None and tokens.level < 0.0 and (wait_s := tokens.wait_s(0.0, now)):
            raise _rate_limited(key, tokens, "tokens", wait_s)
        if quota.usd_per_day is not None or quota.usd_per_month is not None:
            self._check_budgets(key, quota)
        if requests is not None:
            self._count(key, quota, requests, amount)

    def _count(self, key: str, quota: Quota, bucket: TokenBucket, amount: float) -> None:
        bucket.level -= amount
        (self._used.get(key) or self._usage(key, quota)).requests += amount

    def charge_usage(self, key: str | None, tokens: int, usd: Decimal) -> None:
        """Subtract what a finished request used from its key's quota."""
        quota = self._quotas.get(key) if key is not None else None
        if quota is None or key is None:
            return
        if quota.tokens is not None:
            quota.tokens.wait_s(0.0, self._clock())
            quota.tokens.level -= tokens
            (self._used.get(key) or self._usage(key, quota)).tokens += tokens
        quota.day_usd += usd
        quota.month_usd += usd

    def _check_budgets(self, key: str, quota: Quota) -> None:
        day = self._ledger.current_day()
        # A new day, the first request, or other gateways' usage has arrived: the ledger has the sums. In between they
        # are kept here, because summing the ledger's rows for every request would cost more than routing it.
        if quota.today != day:
            quota.today = day
            quota.day_usd = self._ledger.usage_on("key", key, day).usd
            quota.month_usd = self._ledger.usage_on("key", key, day[:7]).usd
            quota.day_limit = self._own_limit(quota.usd_per_day, quota.day_usd)
            quota.month_limit = self._own_limit(quota.usd_per_month, quota.month_usd)
        if quota.day_limit is not None and quota.day_usd >= quota.day_limit:
            raise BudgetExceeded(
                f"Budget exceeded: key {key!r} has spent its {quota.usd_per_day} US dollars for today."
            )
        if quota.month_limit is not None and quota.month_usd >= quota.month_limit:
            raise BudgetExceeded(
                f"Budget exceeded: key {key!r} has spent its {quota.usd_per_month} US dollars for this month."
            )

    def rate_limits(self, key: str | None) -> Headers | None:
        """Return a key's limits as headers in OpenAI's form; None for a key without rate limits."""
        quota = self._quotas.get(key) if key is not None else None
        if quota is None or not (quota.requests or quota.tokens):
            return None
        now, found = self._clock(), dict[str, str]()
        for unit, bucket in (("requests", quota.requests), ("tokens", quota.tokens)):
            if bucket is not None:
                bucket.wait_s(0.0, now)
                found |= _limit_headers(bucket, unit)
        return [(name.encode(), value.encode()) for name, value in found.items()]

    def drain_usage(self) -> Mapping[str, QuotaUsage]:
        """Return the usage of keys with limits since the last call, and start again from zero."""
        drained, self._used = self._used, {}
        return drained

    def zero_usage(self, key: str) -> QuotaUsage:
        """Return a usage of zero with the key's limits."""
        quota = self._quotas.get(key)
        return QuotaUsage() if quota is None else _zero_usage(quota)

    def rate_limited_keys(self) -> Sequence[str]:
        """Return the keys that have a rate limit. Threads may call it."""
        return [name for name, quota in list(self._quotas.items()) if quota.requests or quota.tokens]

    def budgeted_keys(self) -> Sequence[str]:
        """Return the keys that have a budget. Threads may call it."""
        return [
            name for name, (_, _, day, month, _) in list(self._limits.items()) if day is not None or month is not None
        ]

    def drain_unshared(self, gateways: int) -> Sequence[str]:
        """Return the keys to `rebalance` although none of them was used: new ones, all where the number is another one.

        gateways: number of gateways that share from now on.
        """
        if gateways != self._gateways:
            self._gateways, self._unshared = gateways, dict.fromkeys(self._quotas)
            self.invalidate_budgets(self._quotas)
        drained, self._unshared = list(self._unshared), {}
        return drained

    def rebalance(self, shares: Mapping[str, QuotaShare | None]) -> None:
        """Set this gateway's shares of what all gateways have left, less what was used here since.

        shares: by key; None for a key that has not been used lately: its bucket is full.
        """
        now, gateways = self._clock(), self._gateways
        for name, share in shares.items():
            quota, since = self._quotas.get(name), self._used.get(name) or QuotaUsage()
            if quota is None:  # removed meanwhile
                continue
            for bucket, level, used in (
                (quota.requests, share.requests if share else None, since.requests),
                (quota.tokens, share.tokens if share else None, since.tokens),
            ):
                if bucket is None:
                    continue
                bucket.wait_s(0.0, now)
                bucket.take_share(1.0 / gateways)
                bucket.level = min(bucket.level, bucket.most) if level is None else level - used

    def invalidate_budgets(self, keys: Iterable[str]) -> None:
        """Read what keys have spent from the ledger again: other gateways' usage has arrived there."""
        for key in keys:
            if (quota := self._quotas.get(key)) is not None:
                quota.today = ""

    def _usage(self, key: str, quota: Quota) -> QuotaUsage:
        used = self._used.get(key)
        if used is None:
            used = self._used[key] = _zero_usage(quota)
        return used

    def _own_limit(self, budget: Decimal | None, spent: Decimal) -> Decimal | None:
        """Return the amount at which this gateway stops: spent, and its share of what is left."""
        return None if budget is None else spent + (budget - spent) / self._gateways


def _rate_limited(key: str, bucket: TokenBucket, unit: str, wait_s: float, inputs: float = 1.0) -> RateLimited:
    message = f"Rate limit exceeded: key {key!r} has a limit of {bucket.per_minute:g} {unit} per minute."
    if inputs > 1.0:
        message += f" This request has {inputs:g} inputs, and each counts as one."
    return RateLimited(message, retry_after=str(math.ceil(wait_s)), limits=_limit_headers(bucket, unit))


def _too_many_inputs(key: str, bucket: TokenBucket, inputs: float) -> RateLimited:
    most = max(1, math.floor(bucket.per_minute))
    message = (
        f"Rate limit exceeded: this request has {inputs:g} inputs, each counts as one request, and key {key!r} has a "
        f"limit of {bucket.per_minute:g} requests per minute. Send at most {most} inputs at once."
    )
    retry_after = str(math.ceil(most / bucket.per_minute * MINUTE_S))
    return RateLimited(message, retry_after=retry_after, limits=_limit_headers(bucket, "requests"))


def _limit_headers(bucket: TokenBucket, unit: str) -> dict[str, str]:
    """Return the key's limit in OpenAI's headers (https://platform.openai.com/docs/guides/rate-limits)."""
    reset_s = max(0.0, bucket.per_minute - bucket.level) / bucket.per_minute * MINUTE_S
    return {
        f"x-ratelimit-limit-{unit}": f"{bucket.per_minute:g}",
        f"x-ratelimit-remaining-{unit}": str(max(0, math.floor(bucket.level))),
        f"x-ratelimit-reset-{unit}": f"{math.ceil(reset_s)}s",
    }


def _zero_usage(quota: Quota) -> QuotaUsage:
    requests, tokens = quota.requests, quota.tokens
    return QuotaUsage(requests.per_minute if requests else None, tokens.per_minute if tokens else None)


def _limits_of(key: KeyTerms) -> Limits | None:
    """Return a key's limits, None for a key without any."""
    budgets = key.budget_usd_per_day, key.budget_usd_per_month
    limits = key.requests_per_minute, key.tokens_per_minute, *budgets, key.max_concurrent_requests
    return limits if any(limit is not None for limit in limits) else None


def _new_quota(limits: Limits, before: Quota | None) -> Quota:
    requests, tokens, usd_per_day, usd_per_month, max_concurrent = limits
    made = Quota(
        TokenBucket(requests) if requests else None, TokenBucket(tokens) if tokens else None, usd_per_day, usd_per_month
    )
    made.max_concurrent, made.in_flight = max_concurrent, before.in_flight if before else 0
    return made
