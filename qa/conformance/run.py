"""The command: starts both programs, runs the checks, leaves the report. Exit code 1 if a check failed."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console

from demo.processes import ending_on_sigterm
from qa.conformance import faults
from qa.conformance.checks import Check, Outcome, failed, run_checks
from qa.conformance.report import show, write
from qa.conformance.servers import Target, both

CLIENTS = ("openai_python", "openai_async", "openai_errors", "raw_socket", "curl", "node", "langchain", "litellm_sdk")
SWEEP = ("framing", "smuggling", "targets", "limits", "connections", "uploads")
AFTER = ("aftermath",)
FAULTS = ("faults",)
AT_ONCE = 8
"""Checks of the sweep at the same time: most of one's time is waiting whether anything more comes."""

Chosen = Callable[[Check], bool]


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="modules of clients and of http, separated by commas", default="")
    parser.add_argument("--fast", action="store_true", help="leave out what takes seconds")
    parser.add_argument(
        "--node", type=Path, default=Path("build/conformance"), help="where openai for Node is installed"
    )
    parser.add_argument("--results", type=Path, default=Path("results/conformance.json"))
    given = parser.parse_args(arguments)
    only = [name for name in given.only.split(",") if name] or [*CLIENTS, *SWEEP, *AFTER, *FAULTS]
    work = given.results.parent / "conformance"
    console = Console(width=None if Console().is_terminal else 180)
    with ending_on_sigterm(), both(work, given.node) as target:
        outcomes = measured(target, only, lambda check: not (given.fast and check.is_slow))
    if "faults" in only:
        with ending_on_sigterm():
            outcomes += faults.outcomes(work)
    write(given.results, outcomes)
    show(outcomes, console)
    console.print(f"\n{len(outcomes)} checks, {len(failed(outcomes))} failed; all of it in {given.results}")
    return 1 if failed(outcomes) else 0


def measured(target: Target, only: Sequence[str], chosen: Chosen = lambda check: True) -> list[Outcome]:
    """The checks of these modules. Clients one after the other, the sweep many at once, then what is left of it."""
    clients = [check for name in CLIENTS if name in only for check in checks_of("clients", name)]
    sweep = [check for name in SWEEP if name in only for check in checks_of("http", name)]
    after = [check for name in AFTER if name in only for check in checks_of("http", name)]
    return [
        *run_checks(filter(chosen, clients), target),
        *run_checks(filter(chosen, sweep), target, AT_ONCE),
        *run_checks(filter(chosen, after), target),
    ]


def checks_of(package: str, name: str) -> Sequence[Check]:
    """A module's checks. Imported when they are wanted: one client's library takes seconds to load."""
    found: Sequence[Check] = import_module(f"qa.conformance.{package}.{name}").CHECKS
    return found
