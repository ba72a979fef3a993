"""The command: start the programs, run the checks, write the report. Exit code 1 if a check failed."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console

from demo.processes import ending_on_sigterm
from qa.conformance import faults
from qa.conformance.checks import Check, Outcome, failed_checks, run_checks
from qa.conformance.matrix.run import run_matrix
from qa.conformance.report import print_report, write_report
from qa.conformance.servers import Target, running_servers

CLIENTS = ("openai_python", "openai_async", "openai_errors", "raw_socket", "curl", "node", "langchain", "litellm_sdk")
SWEEP = ("framing", "smuggling", "targets", "limits", "connections", "uploads")
AFTER = ("aftermath",)
FAULTS = ("faults",)
MATRIX = ("matrix",)
AT_ONCE = 8
"""Parallel checks of the sweep: a check mostly waits for bytes that must not come."""

Chosen = Callable[[Check], bool]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line's checks. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", help="modules of clients and http, matrix, faults, by commas; default: all", default=""
    )
    parser.add_argument("--fast", action="store_true", help="skip slow checks and coding agents")
    parser.add_argument(
        "--node", type=Path, default=Path("build/conformance"), help="folder in which npm installed openai for Node"
    )
    parser.add_argument("--results", type=Path, default=Path("results/conformance.json"))
    parser.add_argument("--clients", help="clients of the matrix, separated by commas; default: all", default="")
    given = parser.parse_args(arguments)
    only = [name for name in given.only.split(",") if name] or [*CLIENTS, *SWEEP, *AFTER, *MATRIX, *FAULTS]
    work = given.results.parent / "conformance"
    console = Console(width=None if Console().is_terminal else 180)
    with ending_on_sigterm(), running_servers(work, given.node) as target:
        outcomes = run_modules(target, only, lambda check: not (given.fast and check.is_slow))
        if "matrix" in only:
            outcomes += run_matrix(target, [name for name in given.clients.split(",") if name], given.fast)
    if "faults" in only:
        with ending_on_sigterm():
            outcomes += faults.run_fault_table(work)
    write_report(given.results, outcomes)
    print_report(outcomes, console)
    console.print(f"\n{len(outcomes)} checks, {len(failed_checks(outcomes))} failed; results: {given.results}")
    return 1 if failed_checks(outcomes) else 0


def run_modules(target: Target, only: Sequence[str], chosen: Chosen = lambda check: True) -> list[Outcome]:
    """Run the checks of these modules: clients one by one, the sweep in parallel, then the aftermath."""
    clients = [check for name in CLIENTS if name in only for check in load_checks("clients", name)]
    sweep = [check for name in SWEEP if name in only for check in load_checks("http", name)]
    after = [check for name in AFTER if name in only for check in load_checks("http", name)]
    return [
        *run_checks(filter(chosen, clients), target),
        *run_checks(filter(chosen, sweep), target, AT_ONCE),
        *run_checks(filter(chosen, after), target),
    ]


def load_checks(package: str, name: str) -> Sequence[Check]:
    """Import a module and return its checks. Done late: a client's library takes seconds to load."""
    found: Sequence[Check] = import_module(f"qa.conformance.{package}.{name}").CHECKS
    return found
