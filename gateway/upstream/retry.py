"""Retry policy: whether a model's backends are asked again, and after which pause.

Full jitter (Brooker, "Exponential Backoff and Jitter", 2015): a pause drawn from 0 to a bound that doubles, so that
many clients of a backend that recovers do not return together. And a retry budget for every backend: retries are a
share of its requests, or a dying backend would get more traffic than a healthy one, and it takes none from the others.
A floor (Envoy's min_retry_concurrency, Finagle's minRetriesPerSec) lets a quiet gateway retry too.
"""

import math
import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from gateway.config.schema import UpstreamConfig
from gateway.upstream.errors import ErrorStatus, Unsupported, UpstreamFault

PERMANENT_STATUSES = frozenset({401, 403, 404})
"""Statuses that the same backend would give again."""

MAX_RETRY_TOKENS = 10.0
"""Retries allowed before any request has earned one, and saved up at most."""
MIN_RETRIES_PER_S = 1.0
"""Retries that a backend gets however few requests it has."""


class RetryBudget:
    """Token bucket of a backend's retries.

    Attributes:
        share: Retries that a request earns.
        tokens: Retries that may be made now.
    """

    __slots__ = ("_filled_at", "share", "tokens")

    def __init__(self, share: float, now: float) -> None:
        """now: in seconds, by the clock of has_token."""
        self.share = share
        self.tokens = MAX_RETRY_TOKENS
        self._filled_at = now

    def has_token(self, now: float) -> bool:
        """Return whether a retry may be made now."""
        earned = max(0.0, now - self._filled_at) * MIN_RETRIES_PER_S
        self.tokens, self._filled_at = min(MAX_RETRY_TOKENS, self.tokens + earned), now
        return self.tokens >= 1

    def spend(self) -> None:
        """Spend a retry."""
        self.tokens -= 1


class RetryPolicy:
    """The policy, and the budgets of retries by backend."""

    def __init__(
        self,
        config: UpstreamConfig,
        draw: Callable[[], float] = random.random,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        """draw: in [0, 1). unix_time: in seconds, for a Retry-After that is a date."""
        self._config = config
        self._draw = draw
        self._unix_time = unix_time
        self._budgets: dict[str, RetryBudget] = {}

    def on_request(self, backend: str, now: float) -> None:
        """Earn a share of a retry: a request is sent to a backend. now: by the clock of backoff_s."""
        budget = self._budgets.get(backend)
        if budget is None:
            budget = self._budgets[backend] = RetryBudget(self._config.retry_budget, now)
        # Written out in place of min(), since every request comes by here.
        tokens = budget.tokens + budget.share
        budget.tokens = tokens if tokens < MAX_RETRY_TOKENS else MAX_RETRY_TOKENS

    def backoff_s(self, round_: int, fault: UpstreamFault, backend: str, now: float) -> float | None:
        """Return the seconds to wait before the round_-th retry of a model's backends; None for no retry.

        backend: the one that failed last, whose budget pays.
        """
        if isinstance(fault, Unsupported) or round_ > self._config.retries:
            return None
        budget = self._budgets.setdefault(backend, RetryBudget(self._config.retry_budget, now))
        if not budget.has_token(now):
            return None
        pause: float | None = self._draw() * self._config.retry_pause_s * 2 ** (round_ - 1)
        if isinstance(fault, ErrorStatus):
            pause = self._heed_retry_after(fault, pause)
        # Only a retry that is made is paid for: a backend that asks for too long a pause costs nothing.
        if pause is not None:
            budget.spend()
        return pause

    def _heed_retry_after(self, fault: ErrorStatus, pause: float | None) -> float | None:
        if fault.status in PERMANENT_STATUSES:
            return None
        seconds = _seconds(fault.retry_after, self._unix_time())
        if seconds is None:
            return pause
        # A backend that asks for a longer pause than the client would wait: another model answers sooner.
        return seconds if seconds <= self._config.max_retry_after_s else None


def _seconds(retry_after: str | None, now: float) -> float | None:
    """Return Retry-After in seconds, whether it is a number or a date (RFC 9110, 10.2.3); None for neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            # A date that has passed asks for no pause.
            return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
        except ValueError:
            return None
    return seconds if 0 <= seconds < math.inf else None
