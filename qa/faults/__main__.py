"""`python -m qa.faults`: every fault, or those named, into a table and results/faults.json."""

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
from qa.faults.table import heading, line, lines


def main() -> None:
    """Prints a line for each run, then one for each fault; ends with 1 where something does not add up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--seconds", type=float, default=18.0, help="of load for each fault")
    parser.add_argument("--per-s", type=float, default=60.0, help="requests a second")
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--scorers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1, help="of every fault, in turn")
    parser.add_argument("--nice", type=int, default=NICE, help="by how much scorers stand back")
    parser.add_argument("--results", type=Path, default=None)
    parser.add_argument("--add", action="store_true", help="to the runs that are in the results already")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything is cleared away
    shape = Shape(given.gateways, given.scorers, per_s=given.per_s, seconds=given.seconds, nice=given.nice)
    before = _read(given.results) if given.add else []
    rows: list[Row] = []
    print(heading())
    with tempfile.TemporaryDirectory(prefix="benchroute-faults-") as scratch:
        for number in range(given.repeats):
            for name in given.faults or FAULTS:
                row = run(name, Path(scratch) / f"{name}-{number}", shape)
                if row is None:
                    print(f"{name:>15} left out: there is no C compiler")
                    continue
                rows.append(row)
                print(line([row]), flush=True)
                _write(given.results, [*before, *rows])
    if given.repeats > 1 or before:
        print(heading())
        for one in lines([*before, *rows]):
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
    told = {"lines": [asdict(one) for one in lines(rows)], "runs": [asdict(row) for row in rows]}
    results.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
