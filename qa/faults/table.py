"""Repeated runs of faults as lines of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

from qa.faults.stack import Row


@dataclass(frozen=True, slots=True)
class FaultSummary:
    """All runs of one fault. Counts are sums; times are medians over the runs, in ms.

    Attributes:
        fault: name of the scenario.
        runs: number of runs.
        sent: sum.
        observed: sum.
        skipped: sum.
        dropped: sum.
        requests: sum.
        failed: failed requests.
        p99_before: median of Row.p99_before_ms.
        p99: median of Row.p99_ms.
        added: median over runs of p99 minus p99_before.
        least: smallest value of added.
        most: largest value of added.
        over_none: p99 minus that of the runs without a fault; NaN without such runs.
        equal: True if decisions are equal in every run.
        note: the runs' remarks.
    """

    fault: str
    runs: int
    sent: int
    observed: int
    skipped: int
    dropped: int
    requests: int
    failed: int
    p99_before: float
    p99: float
    added: float
    least: float
    most: float
    over_none: float
    equal: bool
    note: str = ""

    def __str__(self) -> str:
        return " ".join(f"{getattr(self, one.name)!s:>{width(one.name)}}" for one in fields(self))


def width(column: str) -> int:
    """Return the width of a printed column."""
    return {"fault": 15, "note": 0}.get(column, 10)


def header_line() -> str:
    """Return the header line."""
    return " ".join(f"{one.name:>{width(one.name)}}" for one in fields(FaultSummary))


def line(rows: Sequence[Row], none: Sequence[Row] = ()) -> FaultSummary:
    """Summarize rows of one fault. none: rows without a fault."""
    added = [row.p99_ms - row.p99_before_ms for row in rows]
    p99 = median(row.p99_ms for row in rows)
    return FaultSummary(
        rows[0].fault,
        len(rows),
        sum(row.sent for row in rows),
        sum(row.observed for row in rows),
        sum(row.skipped for row in rows),
        sum(row.dropped for row in rows),
        sum(row.requests for row in rows),
        sum(row.failed_requests for row in rows),
        round(median(row.p99_before_ms for row in rows), 2),
        round(p99, 2),
        round(median(added), 2),
        round(min(added), 2),
        round(max(added), 2),
        round(p99 - median(row.p99_ms for row in none), 2) if none else float("nan"),
        all(row.decisions_equal for row in rows),
        "; ".join(dict.fromkeys(row.note for row in rows if row.note)),
    )


def summarize_all(rows: Sequence[Row]) -> list[FaultSummary]:
    """Return a line for each fault, in the order of their first runs."""
    by_fault: dict[str, list[Row]] = {}
    for row in rows:
        by_fault.setdefault(row.fault, []).append(row)
    return [line(of_fault, by_fault.get("none", ())) for of_fault in by_fault.values()]
