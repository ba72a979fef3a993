"""Counts of the history as JSON."""

from typing import Any

from gateway.usage.history_counts import (
    FIRST_TOKEN_TIMES,
    OVERHEAD_TIMES,
    TOTAL_TIMES,
    Counts,
    Slot,
    cost_at,
    histogram_of,
    usd_of,
)
from gateway.usage.prices import Price
from gateway.usage.timeseries import quantile_us

QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


def counts_to_json(counts: Counts, compared: Price | None) -> dict[str, Any]:
    """Return counts, US dollars, and latencies in milliseconds (None without a measurement)."""
    get = counts.get
    usd, compared_usd, baseline = (usd_of(counts, slot) for slot in (Slot.USD, Slot.COMPARED_USD, Slot.BASELINE_USD))
    is_known = usd > 0 or not get(Slot.UNPRICED)
    document = {
        "requests": get(Slot.REQUESTS, 0),
        "errors": get(Slot.ERRORS, 0),
        "rejected": get(Slot.REJECTED, 0),
        "routed_requests": get(Slot.ROUTED, 0),
        "unpriced_requests": get(Slot.UNPRICED, 0),
        "input_tokens": get(Slot.INPUT_TOKENS, 0),
        "output_tokens": get(Slot.OUTPUT_TOKENS, 0),
        "cost_usd": float(usd) if is_known else None,
        "routed_cost_usd": float(compared_usd) if is_known else None,
        "baseline_usd": float(baseline) if is_known else None,
        "saved_usd": float(baseline - compared_usd) if is_known else None,
        "model_changes": get(Slot.CHANGES, 0),
        **_latency("", counts, TOTAL_TIMES, Slot.TOTAL_US),
        **_latency("overhead_", counts, OVERHEAD_TIMES, Slot.OVERHEAD_US),
        **_latency("first_token_", counts, FIRST_TOKEN_TIMES, Slot.FIRST_TOKEN_US),
    }
    if compared is not None:
        at_other = cost_at(counts, compared)
        document["compared_usd"] = float(at_other) if is_known else None
        document["compared_saved_usd"] = float(at_other - usd_of(counts, Slot.ROUTED_USD)) if is_known else None
    return document


def _latency(prefix: str, counts: Counts, histogram: int, sum_slot: Slot) -> dict[str, float | None]:
    buckets = histogram_of(counts, histogram)
    measured = sum(buckets.values())
    found = {f"{prefix}mean_ms": round(counts.get(sum_slot, 0) / measured / 1000, 3) if measured else None}
    for name, share in QUANTILES.items():
        us = quantile_us(buckets, share)
        found[prefix + name] = None if us is None else us / 1000
    return found
