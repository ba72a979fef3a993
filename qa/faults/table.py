"""Runs of faults, each made several times, as the lines of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

from qa.faults.stack import Row


@dataclass(frozen=True, slots=True)
class Line:
    """All runs of one fault. Counts are sums; times are medians over the runs, in ms.

    p99_before, p99: as a Row has them. added: p99 less p99_before, run by run; least, most: over the runs. over_none:
    p99 less that of the runs without a fault, NaN where there are none.
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
    """Of a column in print."""
    return {"fault": 15, "note": 0}.get(column, 10)


def heading() -> str:
    """The names of the columns."""
    return " ".join(f"{one.name:>{width(one.name)}}" for one in fields(Line))


def line(rows: Sequence[Row], none: Sequence[Row] = ()) -> Line:
    """rows: of one fault. none: of runs without one."""
    added = [row.p99_ms - row.p99_before_ms for row in rows]
    p99 = median(row.p99_ms for row in rows)
    return Line(
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


def lines(rows: Sequence[Row]) -> list[Line]:
    """A line for each fault, in the order of their first runs."""
    by_fault: dict[str, list[Row]] = {}
    for row in rows:
        by_fault.setdefault(row.fault, []).append(row)
    return [line(of_fault, by_fault.get("none", ())) for of_fault in by_fault.values()]
