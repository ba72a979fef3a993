from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import KeyConfig
from gateway.errors import BudgetExceeded, RateLimited
from gateway.http.token_usage import Usage
from gateway.keys.quotas import Quotas
from gateway.usage.ledger import MAX_NAMES, OTHER_NAMES, Ledger, Price, UsageTotals, to_json

PRICES = {"cheap": Price(Decimal("0.1"), Decimal("0.2")), "dear": Price(Decimal(8), Decimal(24))}
NOON = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now


def test_money_is_exact() -> None:
    ledger = Ledger(PRICES, Clock())
    assert ledger.cost_usd("cheap", Usage(3, 7)) == Decimal("0.0000017")
    assert ledger.cost_usd("unknown", Usage(3, 7)) is None


def test_what_was_spent_is_summed_by_task_and_key_and_compared() -> None:
    clock = Clock()
    ledger = Ledger(PRICES, clock)
    usage = Usage(1_000_000, 0)
    ledger.charge_usage("team", "t", usage, Decimal("0.1"), "dear")
    clock.now += 86_400
    ledger.charge_usage(None, "t", usage, Decimal("0.1"), "unknown")
    assert ledger.usage_on("task", "t") == UsageTotals(2, 2_000_000, 0, Decimal("0.2"), Decimal("8.1"))
    assert ledger.usage_on("task", "t", "2023-11-14").requests == 1
    assert ledger.usage_on("task", "t", "2023-11").requests == 2
    assert list(ledger.usage_by_name("key")) == ["team"]
    assert ledger.usage_by_name("key", "2023-11-15") == {}
    assert to_json(ledger.usage_on("key", "team"))["saved_usd"] == pytest.approx(7.9)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1000)), max_size=30), st.integers(0, 30))
def test_what_is_written_and_read_again_is_what_was_spent(calls: list[tuple[str, int]], at: int) -> None:
    ledger, written = Ledger(PRICES, Clock()), Ledger(PRICES, Clock())
    rows: dict[tuple[str, str, str], UsageTotals] = {}
    for place, (task, tokens) in enumerate(calls):
        if place == at:
            ledger.restore_unsaved(ledger.drain_unsaved())
        ledger.charge_usage("k", task, Usage(tokens, 1), Decimal(tokens), "dear")
        if place % 3 == 0:
            for where, spent in ledger.drain_unsaved().items():
                rows[where] = rows.get(where, UsageTotals()) + spent
    for where, spent in ledger.drain_unsaved().items():
        rows[where] = rows.get(where, UsageTotals()) + spent
    written.load_rows(rows)
    assert written.usage_by_name("task") == ledger.usage_by_name("task")
    assert written.usage_by_name("key") == ledger.usage_by_name("key")


def test_tasks_beyond_the_bound_are_counted_together() -> None:
    ledger = Ledger(PRICES, Clock())
    ledger.load_rows({("task", str(place), "2023-11-14"): UsageTotals(1) for place in range(MAX_NAMES)})
    ledger.charge_usage(None, "one too many", Usage(1, 1), Decimal(1), "dear")
    ledger.charge_usage(None, "7", Usage(1, 1), Decimal(1), "dear")
    assert ledger.usage_on("task", OTHER_NAMES).requests == 1
    assert ledger.usage_on("task", "7").requests == 2


def key(**limits: float) -> KeyConfig:
    return KeyConfig.model_validate({"name": "k", "sha256": "a" * 64, **limits})


def quotas(clock: Clock, ledger: Ledger | None = None, **limits: float) -> Quotas:
    return Quotas([key(**limits)], ledger or Ledger(PRICES, clock), clock)


def test_requests_a_minute_come_back_as_time_passes() -> None:
    clock = Clock()
    made = quotas(clock, requests_per_minute=2)
    made.admit_request("k")
    made.admit_request("k")
    with pytest.raises(RateLimited, match="2 requests per minute") as caught:
        made.admit_request("k")
    assert (caught.value.retry_after, caught.value.status) == ("30", 429)
    clock.now += 30
    made.admit_request("k")
    with pytest.raises(RateLimited):
        made.admit_request("k")
    made.admit_request(None)
    made.admit_request("another")


def test_tokens_a_minute_are_paid_back() -> None:
    clock = Clock()
    made = quotas(clock, tokens_per_minute=600)
    made.admit_request("k")
    made.charge_usage("k", 900, Decimal(0))
    with pytest.raises(RateLimited, match="600 tokens per minute") as caught:
        made.admit_request("k")
    assert caught.value.retry_after == "30"
    clock.now += 31
    made.admit_request("k")


def test_a_budget_holds_for_its_day_and_its_month_over_restarts() -> None:
    clock = Clock()
    ledger = Ledger(PRICES, clock)
    ledger.load_rows(
        {
            ("key", "k", "2023-11-14"): UsageTotals(1, 1, 1, Decimal("0.9")),
            ("key", "k", "2023-11-01"): UsageTotals(usd=Decimal(2)),
        }
    )
    made = quotas(clock, ledger, budget_usd_per_day=1, budget_usd_per_month=3)
    made.admit_request("k")
    made.charge_usage("k", 1, Decimal("0.1"))
    ledger.charge_usage("k", "t", Usage(1, 1), Decimal("0.1"), "dear")
    with pytest.raises(BudgetExceeded, match="1 US dollars for today") as caught:
        made.admit_request("k")
    assert (caught.value.status, caught.value.code) == (429, "insufficient_quota")
    clock.now += 86_400
    with pytest.raises(BudgetExceeded, match="3 US dollars for this month"):
        made.admit_request("k")
    clock.now += 30 * 86_400
    made.admit_request("k")
