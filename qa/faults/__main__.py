"""`python -m qa.faults`: all faults, or those named; prints a table and writes results/faults.json."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gateway.distributed.supervisor import NICE
from qa.faults.scenarios import FAULTS, run
from qa.faults.stack import Row, Shape
from qa.faults.table import header_line, line, summarize_all


def main() -> None:
    """Print a line per run, then one per fault. Exits with 1 if a request failed or an observation is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", help=f"default: all of {', '.join(FAULTS)}")
    parser.add_argument("--seconds", type=float, default=18.0, help="duration of the load per fault")
    parser.add_argument("--per-s", type=float, default=60.0, help="requests a second")
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--scorers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1, help="runs of every fault, in turn")
    parser.add_argument("--nice", type=int, default=NICE, help="niceness of the scorers")
    parser.add_argument("--results", type=Path, default=None)
    parser.add_argument("--add", action="store_true", help="add to the runs in the results file")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that `with` blocks clean up
    shape = Shape(given.gateways, given.scorers, per_s=given.per_s, seconds=given.seconds, nice=given.nice)
    before = _read(given.results) if given.add else []
    rows: list[Row] = []
    print(header_line())
    with tempfile.TemporaryDirectory(prefix="benchroute-faults-") as scratch:
        for number in range(given.repeats):
            for name in given.faults or FAULTS:
                row = run(name, Path(scratch) / f"{name}-{number}", shape)
                if row is None:
                    print(f"{name:>15} left out: no C compiler (cc)")
                    continue
                rows.append(row)
                print(line([row]), flush=True)
                _write(given.results, [*before, *rows])
    if given.repeats > 1 or before:
        print(header_line())
        for one in summarize_all([*before, *rows]):
            print(one)
    sys.exit(any(row.failed_requests or not row.adds_up or not row.decisions_equal for row in rows))


def _read(results: Path | None) -> list[Row]:
    if results is None or not results.exists():
        return []
    return [Row(**row) for row in json.loads(results.read_text())["runs"]]


def _write(results: Path | None, rows: Sequence[Row]) -> None:
    if results is None:
        return
    results.parent.mkdir(parents=True, exist_ok=True)
    result = {"lines": [asdict(one) for one in summarize_all(rows)], "runs": [asdict(row) for row in rows]}
    results.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
