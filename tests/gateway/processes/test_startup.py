"""Freed memory stays with the process: it is not handed out, cleared and taken back for every body."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from gateway.processes.startup import tune_malloc
kept = tune_malloc() if "keep" in sys.argv else None
def copied():
    several = [bytes([n]) * 300_000 for n in range(8)]
for _ in range(20):
    copied()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    copied()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def told(*arguments: str, **environment: str) -> list[str]:
    command = [sys.executable, "-c", FAULTS, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_pages_are_handed_out_once() -> None:
    kept, faults = told("keep")
    assert kept == "True"
    assert int(faults) < 1000
    assert int(told()[1]) > 10_000, "kept anyhow: this is of no use any more"


def test_what_the_environment_says_of_malloc_stands() -> None:
    assert told("keep", MALLOC_ARENA_MAX="2")[0] == "False"
    assert told("keep", GLIBC_TUNABLES="glibc.malloc.hugetlb=0")[0] == "False"
