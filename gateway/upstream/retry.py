"""Retry policy: whether a model's backends are asked again, and after which pause.

Full jitter (Brooker, "Exponential Backoff and Jitter", 2015): a pause drawn from 0 to a bound that doubles, so that
many clients of a backend that recovers do not return together. And a retry budget: retries are a share of all
requests, or a dying backend would get more traffic than a healthy one.
"""

import random
from collections.abc import Callable

from gateway.config.schema import UpstreamConfig
from gateway.upstream.errors import ErrorStatus, Unsupported, UpstreamFault

PERMANENT_STATUSES = frozenset({401, 403, 404})
"""Statuses that the same backend would give again."""

MAX_RETRY_TOKENS = 10.0
"""Retries allowed before any request has earned one, and saved up at most."""


class RetryPolicy:
    """The policy, and the budget of retries."""

    def __init__(self, config: UpstreamConfig, draw: Callable[[], float] = random.random) -> None:
        """draw: in [0, 1)."""
        self._config = config
        self._draw = draw
        self._tokens = MAX_RETRY_TOKENS

    def on_request(self) -> None:
        """Earn a share of a retry: a request has come in."""
        self._tokens = min(MAX_RETRY_TOKENS, self._tokens + self._config.retry_budget)

    def backoff_s(self, round_: int, fault: UpstreamFault) -> float | None:
        """Return the seconds to wait before the round_-th retry of a model's backends; None for no retry."""
        if isinstance(fault, Unsupported):
            return None
        if round_ > self._config.retries or self._tokens < 1:
            return None
        pause: float | None = self._draw() * self._config.retry_pause_s * 2 ** (round_ - 1)
        if isinstance(fault, ErrorStatus):
            pause = self._heed_retry_after(fault, pause)
        if pause is not None:
            self._tokens -= 1
        return pause

    def _heed_retry_after(self, fault: ErrorStatus, pause: float | None) -> float | None:
        if fault.status in PERMANENT_STATUSES:
            return None
        seconds = _seconds(fault.retry_after)
        if seconds is None:
            return pause
        # A backend that asks for a longer pause than the client would wait: another model answers sooner.
        return seconds if seconds <= self._config.max_retry_after_s else None


def _seconds(retry_after: str | None) -> float | None:
    """Return Retry-After in seconds (RFC 9110, 10.2.3); None where there is none, or a date, which is rare."""
    try:
        seconds = float(retry_after) if retry_after is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and seconds >= 0 else None
