"""The command: `python -m qa.fuzzing [--requests N] [--examples N] [--steady N] [--seed S] [--results FILE]`.

Exit code 1 for a 500, a hang, a fault that Schemathesis found, or a failure in the gateway's log.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.processes import ending_on_sigterm
from qa.fuzzing.broken import send_broken
from qa.fuzzing.openapi import explore
from qa.fuzzing.servers import gateway
from qa.fuzzing.steady import send_sound


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line. A number of 0 leaves that part out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="mutated requests")
    parser.add_argument("--examples", type=int, default=100, help="of Schemathesis, for each operation")
    parser.add_argument("--steady", type=int, default=0, help="sound requests, for the memory they leave taken")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("results/fuzz.json"))
    given = parser.parse_args(arguments)
    work = (given.results.parent / "fuzz").resolve()
    begun = time.monotonic()
    with ending_on_sigterm():
        report = _measured(given, work)
    report["elapsed_s"] = round(time.monotonic() - begun, 1)
    given.results.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({**report, "openapi": _short(report.get("openapi"))}, indent=2))
    return 1 if _is_wrong(report) else 0


def _measured(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    report: dict[str, Any] = {"seed": given.seed, "log": []}
    if given.requests or given.steady:
        with gateway(work, has_keys=False) as target:
            if given.requests:
                report["broken"] = send_broken(target, given.requests, given.seed).report()
            if given.steady:
                report["steady"] = send_sound(target, given.steady)
            report["log"] += target.faults()
    if given.examples:
        with gateway(work, has_keys=True) as target:
            report["openapi"] = explore(target, given.examples, given.seed)
            report["log"] += target.faults()
    return report


def _is_wrong(report: dict[str, Any]) -> bool:
    explored = report.get("openapi", {})
    return bool(
        report["log"]
        or report.get("broken", {}).get("n_faults")
        or any(explored[who]["exit_code"] for who in ("client", "admin") if explored)
        or set(report.get("steady", {}).get("statuses", {})) - {"200"}
    )


def _short(explored: dict[str, Any] | None) -> dict[str, Any] | None:
    """Schemathesis' report without its details, which are in the file."""
    if explored is None:
        return None
    told = {
        who: {
            "exit_code": explored[who]["exit_code"],
            **{name: explored[who]["report"].get(name) for name in ("operations", "test_cases", "failures")},
        }
        for who in ("client", "admin")
    }
    return {"schemathesis": explored["schemathesis"], **told}
