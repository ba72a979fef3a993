"""Tables for readers, JSON for programs."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qa.conformance.checks import Outcome, Status
from qa.conformance.matrix.run import PREFIX
from qa.conformance.matrix.table import legend_table, matrix_table

COLOURS: Mapping[Status, str] = {"passed": "green", "failed": "bold red", "recorded": "yellow", "not run": "dim"}
WIDTH = 88


def write_report(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write results/conformance.json: the counts, then every check."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = Counter(outcome.status for outcome in outcomes)
    document = {"counts": dict(sorted(counts.items())), "checks": [asdict(outcome) for outcome in outcomes]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def print_report(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a table of suites, a table of all checks, and each failed check in full."""
    cells = [outcome for outcome in outcomes if outcome.suite.startswith(PREFIX)]
    checks = [outcome for outcome in outcomes if not outcome.suite.startswith(PREFIX)]
    console.print(_suites(outcomes))
    console.print(_checks(checks))
    _print_matrix(cells, console)
    for outcome in checks:
        if outcome.status == "failed":
            console.print(f"\nFAILED {outcome.suite}: {outcome.name}", style="bold red", markup=False)
            for name in ("sent", "expected", "why", "observed"):
                console.print(f"  {name:10}{getattr(outcome, name)}", markup=False, soft_wrap=True)


def _print_matrix(cells: Sequence[Outcome], console: Console) -> None:
    if not cells:
        return
    for cell in cells:
        if cell.status != "passed":
            line = f"{cell.status.upper()} {cell.suite}, {cell.name}: {cell.observed}"
            console.print(line, markup=False, soft_wrap=True)
    console.print(matrix_table(cells))
    console.print(legend_table(cells))


def _suites(outcomes: Sequence[Outcome]) -> Table:
    table = Table("suite", "passed", "failed", "recorded", "not run", title="conformance")
    for suite in dict.fromkeys(outcome.suite for outcome in outcomes):
        counts = Counter(outcome.status for outcome in outcomes if outcome.suite == suite)
        table.add_row(suite, *(str(counts[status]) for status in COLOURS))
    return table


def _checks(outcomes: Sequence[Outcome]) -> Table:
    table = Table("suite", "check", "", "observed", show_lines=False)
    for outcome in outcomes:
        observed = outcome.observed if len(outcome.observed) <= WIDTH else f"{outcome.observed[:WIDTH]}…"
        status = f"[{COLOURS[outcome.status]}]{outcome.status}[/]"
        table.add_row(outcome.suite, outcome.name, status, observed.replace("[", r"\["))
    return table
