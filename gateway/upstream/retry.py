"""When a model's backends are asked again, and after what pause.

Full jitter (Brooker, "Exponential Backoff and Jitter", 2015): a pause drawn from 0 to a bound that doubles, so that
many clients of a backend that comes back do not come back together. And a budget: retries are a share of all requests,
or a dying backend would get more traffic than a healthy one.
"""

import random
from collections.abc import Callable

from gateway.config.schema import UpstreamConfig
from gateway.upstream.errors import ErrorStatus, Unsupported, UpstreamFault

PERMANENT_STATUSES = frozenset({401, 403, 404})
"""Statuses that the same backend will give again."""

MAX_RETRY_TOKENS = 10.0
"""Retries allowed before any request has earned one, and saved up at most."""


class RetryPolicy:
    """Decides and counts; whoever asks does the waiting."""

    def __init__(self, config: UpstreamConfig, draw: Callable[[], float] = random.random) -> None:
        """draw: in [0, 1)."""
        self._config = config
        self._draw = draw
        self._tokens = MAX_RETRY_TOKENS

    def on_request(self) -> None:
        """A request came in."""
        self._tokens = min(MAX_RETRY_TOKENS, self._tokens + self._config.retry_budget)

    def backoff_s(self, round_: int, fault: UpstreamFault) -> float | None:
        """Seconds to wait before a model's backends are asked for the round_-th time again; None for: not again."""
        if isinstance(fault, Unsupported):
            return None
        if round_ > self._config.retries or self._tokens < 1:
            return None
        pause: float | None = self._draw() * self._config.retry_pause_s * 2 ** (round_ - 1)
        if isinstance(fault, ErrorStatus):
            pause = self._as_told(fault, pause)
        if pause is not None:
            self._tokens -= 1
        return pause

    def _as_told(self, fault: ErrorStatus, pause: float | None) -> float | None:
        if fault.status in PERMANENT_STATUSES:
            return None
        told = _seconds(fault.retry_after)
        if told is None:
            return pause
        return told if told <= self._config.max_retry_after_s else None


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After as seconds (RFC 9110, 10.2.3); a date is rare there, and taken as nothing said."""
    try:
        seconds = float(retry_after) if retry_after is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and seconds >= 0 else None
