"""Where history is read: the state, or this gateway's memory while the state cannot be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from gateway.api.time_range import TimeRange
from gateway.errors import StateError
from gateway.state.store import Store
from gateway.usage.history import MINUTE_S, SeriesName, give_way
from gateway.usage.history_counts import OVERHEAD_TIMES, TOTAL_TIMES, Counts, Slot, add_counts, to_pico_usd
from gateway.usage.ledger import OTHER_NAMES
from gateway.usage.timeseries import Minute, MinuteSeries, SeriesKind

IN_MEMORY: tuple[SeriesKind, ...] = ("gateway", "task", "backend")
"""Kinds of series that a gateway has in memory too."""


@dataclass(frozen=True, slots=True)
class SeriesSteps:
    """What was found of a series.

    Attributes:
        steps: counts by the start of their step, Unix time in seconds.
        changes: of a task, when its model changed, and to which.
        source: `state` or `memory`.
        note: what a reader must know of it, None for nothing.
    """

    steps: Mapping[int, Counts]
    changes: Sequence[Mapping[str, Any]] = ()
    source: str = "state"
    note: str | None = None
    total: Counts = field(default_factory=Counts)


def read_series(store: Store, series: SeriesName, wanted: TimeRange, merged: Sequence[str]) -> SeriesSteps:
    """Read a series. merged: tasks that were merged into it. Call it in a thread. Raises StateError."""
    steps = _read_steps(store, series, wanted, merged)
    note = None if steps else _note_of_folded(store, series, wanted)
    return SeriesSteps(steps, _changes_of(store, series, wanted), note=note, total=_sum(steps))


def series_in_memory(minutes: MinuteSeries, series: SeriesName, wanted: TimeRange, error: StateError) -> SeriesSteps:
    """Return what this gateway has in memory. Call it in the event loop, which changes it."""
    steps: dict[int, Counts] = {}
    for minute in minutes.series_of(*series):
        at = minute.number * MINUTE_S
        if wanted.start <= at < wanted.end:
            add_counts(steps.setdefault(_step_of(at, wanted), {}), _to_counts(minute))
    note = f"The state cannot be read: this gateway's requests of the last three hours only. {error}"
    return SeriesSteps(steps, source="memory", note=note, total=_sum(steps))


def to_iso(at: float) -> str:
    """Format Unix time in seconds as ISO 8601."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def _read_steps(
    store: Store, series: SeriesName, wanted: TimeRange, merged: Sequence[str] = ()
) -> Mapping[int, Counts]:
    """Return the counts by the start of their step."""
    stored_s = wanted.stored_s
    found = store.read_history(series, stored_s, wanted.start // stored_s, wanted.end // stored_s - 1, merged)
    steps: dict[int, Counts] = {}
    for place, (number, counts) in enumerate(found.items()):
        give_way(place)
        add_counts(steps.setdefault(_step_of(number * stored_s, wanted), {}), counts)
    return steps


def _sum(steps: Mapping[int, Counts]) -> Counts:
    total = Counts()
    for counts in steps.values():
        add_counts(total, counts)
    return total


def _step_of(at: int, wanted: TimeRange) -> int:
    return wanted.start + (at - wanted.start) // wanted.step_s * wanted.step_s


def _to_counts(minute: Minute) -> Counts:
    counts: Counts = {
        Slot.REQUESTS: minute.requests,
        Slot.ERRORS: minute.errors,
        Slot.REJECTED: minute.refused,
        Slot.TOTAL_US: minute.total_us,
        Slot.OVERHEAD_US: minute.overhead_us,
        Slot.USD: to_pico_usd(Decimal(minute.usd)),
        Slot.COMPARED_USD: to_pico_usd(Decimal(minute.compared_usd)),
        Slot.BASELINE_USD: to_pico_usd(Decimal(minute.baseline_usd)),
    }
    for first, buckets in ((TOTAL_TIMES, minute.total_buckets), (OVERHEAD_TIMES, minute.overhead_buckets)):
        counts |= {first + bucket: number for bucket, number in buckets.items()}
    return counts


def _changes_of(store: Store, series: SeriesName, wanted: TimeRange) -> list[Mapping[str, Any]]:
    """Return when a task's model changed, and to which."""
    if series[0] != "task":
        return []
    return [
        {"at": to_iso(later.at), "before": earlier.model, "model": later.model, "version": later.version}
        for earlier, later in pairwise(store.decision_changes(series[1]))
        if wanted.start <= later.at < wanted.end
    ]


def _note_of_folded(store: Store, series: SeriesName, wanted: TimeRange) -> str | None:
    """Return where requests of a name may be that has none of its own."""
    kind, name = series
    if kind == "gateway" or name == OTHER_NAMES or not _read_steps(store, (kind, OTHER_NAMES), wanted):
        return None
    return f"Requests of less busy {kind}s are counted together, as {OTHER_NAMES!r}."
