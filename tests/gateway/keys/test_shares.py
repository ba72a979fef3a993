"""Shares of rate limits: keys that nobody uses are left as they are, with the same levels as if all were set anew."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import KeyTerms
from gateway.keys.quotas import Quotas, QuotaShare
from gateway.usage.ledger import Ledger

NAMES = "abcd"
KEYS = st.sampled_from(NAMES)
LIMITS = st.none() | st.integers(1, 600)
SHARES = st.dictionaries(KEYS, st.builds(QuotaShare, st.floats(-20, 900), st.floats(-20, 900)))
STEPS = st.one_of(
    st.tuples(st.just("use"), KEYS),
    st.tuples(st.just("pass"), st.floats(0, 90)),
    st.tuples(st.just("limit"), KEYS, LIMITS),
    st.tuples(st.just("replace"), st.dictionaries(KEYS, LIMITS)),
    st.tuples(st.just("sync"), SHARES, st.integers(1, 3)),
)


def make_key(name: str, limit: int | None) -> KeyTerms:
    return KeyTerms(name=name, requests_per_minute=limit, tokens_per_minute=limit)


class Gateway:
    """Quotas that are rebalanced as told. sets_all: every key, at every sync."""

    def __init__(self, sets_all: bool) -> None:
        self.now, self.sets_all = 0.0, sets_all
        self.shared: Sequence[str] = ()
        self.quotas = Quotas([make_key(name, 60) for name in NAMES], Ledger({}, lambda: self.now), lambda: self.now)

    def sync(self, shares: Mapping[str, QuotaShare], gateways: int) -> None:
        """As gateway.sharing.limits does; the keys in use have shares."""
        used = {name: QuotaShare(1.0, 1.0) for name in self.quotas.drain_usage()}
        limited = self.quotas.rate_limited_keys()
        shares = {name: share for name, share in {**used, **shares}.items() if name in limited}
        unshared = self.quotas.drain_unshared(gateways)
        names = limited if self.sets_all else [*shares, *self.shared, *unshared]
        self.shared = list(shares)
        self.quotas.rebalance({name: shares.get(name) for name in names})

    def step(self, kind: str, *values: object) -> None:
        match kind, values:
            case "use", (str(name),):
                self.quotas.charge_usage(name, 7, Decimal(0))
            case "pass", (float(seconds),):
                self.now += seconds
            case "limit", (str(name), limit):
                self.quotas.replace_key(name, make_key(name, limit))  # type: ignore[arg-type]
            case "replace", (dict(limits),):
                self.quotas.replace_all(self.quotas.plan_keys([make_key(*one) for one in limits.items()]))
            case "sync", (dict(shares), int(gateways)):
                self.sync(shares, gateways)

    def levels(self) -> list[float]:
        """Levels and sizes of all buckets, filled until now."""
        found = list[float]()
        for _, quota in sorted(self.quotas._quotas.items()):
            for bucket in (quota.requests, quota.tokens):
                if bucket is not None:
                    bucket.wait_s(0.0, self.now)
                    found += (bucket.level, bucket.most, bucket.per_s)
        return found


@given(st.lists(STEPS, max_size=30))
def test_only_keys_in_use_and_new_ones_need_their_share(steps: list[tuple[str, object]]) -> None:
    some, all_of_them = Gateway(sets_all=False), Gateway(sets_all=True)
    for step in steps:
        some.step(*step)
        all_of_them.step(*step)
        assert some.levels() == pytest.approx(all_of_them.levels(), abs=1e-6)
