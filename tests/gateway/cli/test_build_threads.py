"""Threads of a build: one of BLAS, and as many of the build as there are cores."""

import os
import subprocess
import sys

import pytest

PROGRAM = "from gateway.cli.pack.threads import *; print(limit_blas_threads(), os.environ.get(BLAS_THREADS))"


@pytest.mark.parametrize(
    ("before", "given", "expected"),
    [
        ("", None, "CORES 1"),
        ("", "1", "CORES 1"),
        ("", "2", "1 2"),
        ("import numpy; ", None, "1 None"),
    ],
)
def test_blas_has_one_thread_unless_it_is_too_late_or_set_otherwise(
    before: str, given: str | None, expected: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    if given is not None:
        environment["OPENBLAS_NUM_THREADS"] = given
    told = subprocess.run(
        [sys.executable, "-c", f"import os; {before}{PROGRAM}"], capture_output=True, text=True, env=environment
    )
    assert told.stdout.strip() == expected.replace("CORES", str(len(os.sched_getaffinity(0)))), told.stderr
