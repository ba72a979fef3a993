"""`python -m benchmarks.faults`: every fault, or those named, into a table and results/faults.json."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.faults.scenarios import FAULTS, run
from benchmarks.faults.stack import Row, Shape

COLUMNS = (
    "fault",
    "sent",
    "observed",
    "skipped",
    "dropped",
    "failed_requests",
    "p99_before_ms",
    "p99_added_ms",
    "decisions_equal",
)


def main() -> None:
    """Prints a line for each; ends with 1 where something does not add up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--seconds", type=float, default=18.0, help="of load for each fault")
    parser.add_argument("--per-s", type=float, default=60.0, help="requests a second")
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--scorers", type=int, default=2)
    parser.add_argument("--results", type=Path, default=None)
    given = parser.parse_args()
    shape = Shape(given.gateways, given.scorers, per_s=given.per_s, seconds=given.seconds)
    rows: list[Row] = []
    print(" ".join(f"{name:>15}" for name in COLUMNS))
    with tempfile.TemporaryDirectory(prefix="benchroute-faults-") as scratch:
        for name in given.faults or FAULTS:
            row = run(name, Path(scratch) / name, shape)
            if row is None:
                print(f"{name:>15} left out: there is no C compiler")
                continue
            rows.append(row)
            print(" ".join(f"{getattr(row, column)!s:>15}" for column in COLUMNS), row.note, flush=True)
            if given.results is not None:
                given.results.parent.mkdir(parents=True, exist_ok=True)
                given.results.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    sys.exit(any(row.failed_requests or not row.adds_up or not row.decisions_equal for row in rows))


if __name__ == "__main__":
    main()
