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
from qa.fuzzing.openapi import explore_openapi
from qa.fuzzing.servers import gateway
from qa.fuzzing.steady import send_valid


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line's parts; 0 leaves a part out. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="malformed requests")
    parser.add_argument("--examples", type=int, default=100, help="Schemathesis examples per operation")
    parser.add_argument("--steady", type=int, default=0, help="valid requests, to measure memory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("results/fuzz.json"))
    given = parser.parse_args(arguments)
    work = (given.results.parent / "fuzz").resolve()
    started = time.monotonic()
    with ending_on_sigterm():
        report = _run_parts(given, work)
    report["elapsed_s"] = round(time.monotonic() - started, 1)
    given.results.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({**report, "openapi": _short(report.get("openapi"))}, indent=2))
    return 1 if _has_failed(report) else 0


def _run_parts(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    report: dict[str, Any] = {"seed": given.seed, "log": []}
    if given.requests or given.steady:
        with gateway(work, has_keys=False) as target:
            if given.requests:
                report["broken"] = send_broken(target, given.requests, given.seed).to_dict()
            if given.steady:
                report["steady"] = send_valid(target, given.steady)
            report["log"] += target.faults()
    if given.examples:
        with gateway(work, has_keys=True) as target:
            report["openapi"] = explore_openapi(target, given.examples, given.seed)
            report["log"] += target.faults()
    return report


def _has_failed(report: dict[str, Any]) -> bool:
    explored = report.get("openapi", {})
    return bool(
        report["log"]
        or report.get("broken", {}).get("n_faults")
        or any(explored[who]["exit_code"] for who in ("client", "admin") if explored)
        or set(report.get("steady", {}).get("statuses", {})) - {"200"}
    )


def _short(explored: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return Schemathesis' report without details, which are in the file."""
    if explored is None:
        return None
    document = {
        who: {
            "exit_code": explored[who]["exit_code"],
            **{name: explored[who]["report"].get(name) for name in ("operations", "test_cases", "failures")},
        }
        for who in ("client", "admin")
    }
    return {"schemathesis": explored["schemathesis"], **document}
