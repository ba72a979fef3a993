"""Tokens per minute: the bucket is refilled when tokens are taken out, and admits what a full one would."""

from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import KeyConfig
from gateway.errors import RateLimited
from gateway.keys.quotas import MINUTE_S, Quotas
from gateway.usage.ledger import Ledger

PER_MINUTE = 60.0
PAUSES_S = st.sampled_from([0.0, 0.25, 1.0, 10.0, 59.0, 600.0])
STEPS = st.lists(st.tuples(PAUSES_S, st.sampled_from([None, 0, 1, 7, 60, 200])), max_size=40)
"""Pauses, and what follows each: the tokens that a response took, or None for a request."""


@dataclass
class RefilledAtEveryLook:
    """The bucket as it is defined."""

    level: float = PER_MINUTE
    at: float = 0.0

    def refill(self, now: float) -> None:
        self.level, self.at = min(PER_MINUTE, self.level + (now - self.at) * PER_MINUTE / MINUTE_S), now


@given(steps=STEPS)
def test_requests_are_refused_exactly_while_the_bucket_is_overdrawn(steps: list[tuple[float, int | None]]) -> None:
    now, expected = 0.0, RefilledAtEveryLook()
    key = KeyConfig(name="k", sha256="0" * 64, tokens_per_minute=PER_MINUTE)
    quotas = Quotas([key], Ledger({}, lambda: 0.0), lambda: now)
    for pause_s, tokens in steps:
        now += pause_s
        expected.refill(now)
        if tokens is not None:
            expected.level -= tokens
            quotas.charge_usage("k", tokens, Decimal(0))
        elif expected.level >= 0.0:
            quotas.admit_request("k")
        else:
            with pytest.raises(RateLimited):
                quotas.admit_request("k")
    shown = dict(quotas.rate_limits("k") or ())
    assert shown[b"x-ratelimit-remaining-tokens"] == b"%d" % max(0, int(expected.level))
