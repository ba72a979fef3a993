from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import KeyConfig
from gateway.errors import BudgetExceeded, RateLimited
from gateway.http.token_usage import Usage
from gateway.keys.quotas import Quotas
from gateway.usage import ledger as ledgers
from gateway.usage.ledger import OTHER_NAMES, Ledger, UsageBatch, UsageTotals, to_json
from gateway.usage.prices import Price

PRICES = {"cheap": Price(Decimal("0.1"), Decimal("0.2")), "dear": Price(Decimal(8), Decimal(24))}
NOON = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now


def of(usage: Usage, usd: str | Decimal | None) -> UsageBatch:
    batch = UsageBatch()
    batch.add_usage(usage, None if usd is None else Decimal(usd))
    return batch


def test_money_is_exact() -> None:
    ledger = Ledger(PRICES, Clock())
    assert ledger.cost_usd("cheap", Usage(3, 7)) == Decimal("0.0000017")
    assert ledger.cost_usd("unknown", Usage(3, 7)) is None


def test_what_was_spent_is_summed_by_task_and_key_and_compared() -> None:
    clock = Clock()
    ledger = Ledger(PRICES, clock)
    usage = Usage(1_000_000, 0)
    ledger.charge_usage("team", "t", of(usage, "0.1"), "dear")
    clock.now += 86_400
    ledger.charge_usage(None, "t", of(usage, "0.1"), "unknown")
    compared = UsageTotals(2, 2_000_000, 0, Decimal("0.2"), Decimal(8), compared_usd=Decimal("0.1"))
    assert ledger.usage_on("task", "t") == compared
    assert ledger.usage_on("task", "t", "2023-11-14").requests == 1
    assert ledger.usage_on("task", "t", "2023-11").requests == 2
    assert list(ledger.usage_by_name("key")) == ["team"]
    assert ledger.usage_by_name("key", "2023-11-15") == {}
    assert to_json(ledger.usage_on("key", "team"))["saved_usd"] == pytest.approx(7.9)


CALLS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from((None, "0.1", "3")), st.sampled_from((None, "dear", "unknown")))
)


@given(CALLS)
def test_savings_compare_only_what_routing_chose_and_what_has_both_prices(
    calls: list[tuple[int, str | None, str | None]],
) -> None:
    """The others change cost and tokens, and never the savings."""
    everything, compared = Ledger(PRICES, Clock()), Ledger(PRICES, Clock())
    for tokens, usd, baseline in calls:
        everything.charge_usage("k", "t", of(Usage(tokens, 0), usd), baseline)
        if usd is not None and baseline == "dear":
            compared.charge_usage("k", "t", of(Usage(tokens, 0), usd), baseline)
    all_of_it, part = everything.usage_on("task", "t"), compared.usage_on("task", "t")
    assert (all_of_it.baseline_usd, all_of_it.compared_usd) == (part.baseline_usd, part.usd)
    assert (everything.baseline_usd, everything.compared_usd) == (part.baseline_usd, part.compared_usd)
    assert all_of_it.requests == len(calls)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1000)), max_size=30), st.integers(0, 30))
def test_what_is_written_and_read_again_is_what_was_spent(calls: list[tuple[str, int]], at: int) -> None:
    ledger, written = Ledger(PRICES, Clock()), Ledger(PRICES, Clock())
    rows: dict[tuple[str, str, str], UsageTotals] = {}
    for place, (task, tokens) in enumerate(calls):
        if place == at:
            ledger.restore_unsaved(ledger.drain_unsaved())
        ledger.charge_usage("k", task, of(Usage(tokens, 1), Decimal(tokens)), "dear")
        if place % 3 == 0:
            for where, spent in ledger.drain_unsaved().items():
                rows[where] = rows.get(where, UsageTotals()) + spent
    for where, spent in ledger.drain_unsaved().items():
        rows[where] = rows.get(where, UsageTotals()) + spent
    written.load_rows(rows)
    assert written.usage_by_name("task") == ledger.usage_by_name("task")
    assert written.usage_by_name("key") == ledger.usage_by_name("key")


def test_tasks_beyond_the_bound_are_counted_together_the_least_recent_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MAX_TASKS", 10)
    ledger = Ledger(PRICES, Clock())
    ledger.load_rows({("task", str(place), "2023-11-14"): UsageTotals(1) for place in range(10)})
    ledger.charge_usage(None, "0", of(Usage(1, 1), "1"), "dear")
    ledger.charge_usage(None, "one too many", of(Usage(1, 1), "1"), "dear")
    assert ledger.usage_on("task", "one too many").requests == 1
    assert ledger.usage_on("task", "0").requests == 2
    assert ledger.usage_on("task", "1").requests == 0
    assert sum(total.requests for total in ledger.usage_by_name("task").values()) == 12
    assert len(ledger.usage_by_name("task")) == 10
    assert ledger.usage_on("task", OTHER_NAMES).requests == 2


def test_a_flood_of_tasks_never_takes_a_keys_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MAX_TASKS", 10)
    ledger = Ledger(PRICES, Clock())
    for place in range(50):
        ledger.charge_usage(f"key-{place}", f"task-{place}", of(Usage(1, 1), "1"), "dear")
    assert [ledger.usage_on("key", f"key-{place}").usd for place in range(50)] == [1] * 50


def test_a_response_without_a_price_counts_and_costs_an_unknown_amount() -> None:
    ledger = Ledger(PRICES, Clock())
    ledger.charge_usage("k", "t", of(Usage(3, 4, is_estimated=True), None), "dear")
    shown = to_json(ledger.usage_on("task", "t"))
    assert (shown["requests"], shown["input_tokens"], shown["unpriced_requests"], shown["estimated_requests"]) == (
        (1, 3, 1, 1)
    )
    assert shown["cost_usd"] is shown["baseline_usd"] is shown["saved_usd"] is None
    ledger.charge_usage("k", "t", of(Usage(3, 4), "0.5"), "unknown")
    shown = to_json(ledger.usage_on("task", "t"))
    assert (shown["cost_usd"], shown["saved_usd"], shown["unpriced_requests"]) == (0.5, 0.0, 1)


def test_the_baseline_of_many_responses_is_the_sum_of_each_ones() -> None:
    tiered = Price(Decimal(1), Decimal(2), Decimal("0.1"), None, None, Price(Decimal(3), Decimal(4)), 40_000)
    ledger, batch = Ledger({"tiered": tiered}, Clock()), UsageBatch()
    usages = [Usage(30_000, 10, 20_000), Usage(30_000, 10), Usage(50_000, 1), Usage(39_000, 1, 1_000)]
    for usage in usages:
        batch.add_usage(usage, Decimal(1))
    added = ledger.charge_usage("k", "t", batch, "tiered")
    assert added.baseline_usd == sum(tiered.cost_usd(usage) for usage in usages)
    assert (added.requests, added.input_tokens, added.output_tokens) == (4, 149_000, 22)


def key(**limits: float) -> KeyConfig:
    return KeyConfig.model_validate({"name": "k", "sha256": "a" * 64, **limits})


def quotas(clock: Clock, ledger: Ledger | None = None, **limits: float) -> Quotas:
    return Quotas([key(**limits)], ledger or Ledger(PRICES, clock), clock)


def test_limits_are_told_in_openais_headers() -> None:
    clock = Clock()
    made = quotas(clock, requests_per_minute=60, tokens_per_minute=600)
    made.admit_request("k")
    made.charge_usage("k", 700, Decimal(0))
    assert dict(made.rate_limits("k") or ()) == {
        b"x-ratelimit-limit-requests": b"60",
        b"x-ratelimit-remaining-requests": b"59",
        b"x-ratelimit-reset-requests": b"1s",
        b"x-ratelimit-limit-tokens": b"600",
        b"x-ratelimit-remaining-tokens": b"0",
        b"x-ratelimit-reset-tokens": b"70s",
    }
    clock.now += 70
    assert dict(made.rate_limits("k") or ())[b"x-ratelimit-remaining-tokens"] == b"600"
    assert made.rate_limits("another") is made.rate_limits(None) is None
    assert quotas(clock, budget_usd_per_day=5).rate_limits("k") is None


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
    ledger.charge_usage("k", "t", of(Usage(1, 1), "0.1"), "dear")
    with pytest.raises(BudgetExceeded, match="1 US dollars for today") as caught:
        made.admit_request("k")
    assert (caught.value.status, caught.value.code) == (429, "insufficient_quota")
    clock.now += 86_400
    with pytest.raises(BudgetExceeded, match="3 US dollars for this month"):
        made.admit_request("k")
    clock.now += 30 * 86_400
    made.admit_request("k")
