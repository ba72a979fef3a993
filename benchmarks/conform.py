"""The client matrix and the HTTP sweep against a gateway.

usage: python benchmarks/conform.py [--node FOLDER] [--results FILE]

Starts a gateway in front of a small backend, both on loopback, and has the clients that people use, and requests
written by hand, try it. Exit code 1 where a check fails; a client that cannot be had here fails nothing.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks.conforming.checks import Result, run
from benchmarks.conforming.clients import curl, node
from benchmarks.conforming.http import framing, messages
from benchmarks.conforming.target import Target, started

PYTHON_CLIENTS = {"openai_python": "openai", "langchain": "langchain-openai", "litellm_sdk": "litellm"}
MARKS = {True: "ok", False: "FAILED", None: "not run"}


def main() -> int:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node", type=Path, default=Path(".conformance"), help="where openai for Node is installed")
    parser.add_argument("--results", type=Path, default=Path("results/conformance.json"))
    arguments = parser.parse_args()
    results = []
    with started() as target:
        for result in (*clients(target, arguments.node), *sweep(target)):
            results.append(result)
            print(f"{MARKS[result.ok]:8} {result.group:26} {result.name}  {result.detail}", flush=True)
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    arguments.results.write_text(json.dumps({"checks": [asdict(result) for result in results]}, indent=2) + "\n")
    failed = [result for result in results if result.ok is False]
    print(f"{len(results)} checks, {len(failed)} failed; {arguments.results}")
    return 1 if failed else 0


def clients(target: Target, folder: Path) -> Iterator[Result]:
    """Every client that can be had."""
    for name, package in PYTHON_CLIENTS.items():
        try:
            module = import_module(f"benchmarks.conforming.clients.{name}")
        except ImportError as error:
            yield Result(package, "all", None, f"pip install 'benchroute[conformance]': {error}")
            continue
        yield from run(module.NAME, module.CHECKS, target)
    reason = curl.missing()
    if reason:
        yield Result(curl.NAME, "all", None, reason)
    else:
        yield from run(curl.NAME, curl.CHECKS, target)
    yield from node.run(target, folder.resolve())


def sweep(target: Target) -> Iterator[Result]:
    """HTTP by hand."""
    yield from run("HTTP framing", framing.CHECKS, target)
    yield from run("HTTP messages", messages.CHECKS, target)


if __name__ == "__main__":
    sys.exit(main())
