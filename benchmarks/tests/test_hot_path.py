"""The hot path without sockets: what it measures, not how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
FIGURES = {"request_1kb", "sse_chunk", "sse_chunk_late", "request_100kb", "answer_100kb"}


def hot_path(*options: str) -> Any:
    """Return the JSON document of a very short run."""
    short = ("--json", "--rounds", "1", "--each", "5", "--chunks", "20")
    command = [sys.executable, str(TOP / "benchmarks" / "hot_path.py"), *short, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("entrance", ["express", "asgi"])
def test_a_run_gives_every_figure(entrance: str) -> None:
    found = hot_path("--entrance", entrance)
    assert (found["checkout"], found["entrance"]) == (str(TOP), entrance)
    assert set(found["cpu_us"]) == FIGURES
    assert min(found["cpu_us"].values()) > 0
    assert found["cpu_us"]["sse_chunk"] < found["cpu_us"]["request_1kb"]


@pytest.mark.slow
def test_two_checkouts_are_compared_figure_by_figure() -> None:
    found = hot_path("--against", str(TOP), "--pairs", "1")
    assert found["against"] == str(TOP)
    assert set(found["cpu_us"]) == set(found["cpu_us_against"]) == set(found["ratio"]) == FIGURES
    for name, ratio in found["ratio"].items():
        assert ratio == found["cpu_us"][name] / found["cpu_us_against"][name]
