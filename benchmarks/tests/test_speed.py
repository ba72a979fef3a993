"""The speed run: that it measures what it says, not how fast anything is."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.speed.loads import LOADS, Load
from benchmarks.speed.measure import Sample
from benchmarks.speed.results import Figures
from benchmarks.speed.run import main
from benchmarks.speed.targets import Target

HAS_PROGRAMS = all(map(shutil.which, ("nginx", "cc", "openssl", "taskset")))


def target(name: str) -> Target:
    return Target(name, "", [], {})


def sample(cpu_us: float, p50_us: float) -> Sample:
    return Sample(cpu_us, 0.0, 1000.0, p50_us, 2 * p50_us)


def test_ratios_compare_cpu_time_and_what_is_added_to_the_backends_own_time() -> None:
    samples = {
        ("nginx", "small"): [sample(20, 0)],
        ("litellm", "small"): [sample(8000, 0)],
        ("benchroute", "small"): [sample(40, 0), sample(90, 0), sample(35, 0)],
        ("direct", "one"): [sample(0, 50)],
        ("nginx", "one"): [sample(0, 100)],
        ("benchroute", "one"): [sample(0, 150)],
    }
    found = Figures([target(name) for name in ("nginx", "litellm", "benchroute")], LOADS, samples, {}, {})
    assert found.ratios("benchroute") == {"share_of_nginx": 0.5, "times_litellm": 200.0, "added_p50_times_nginx": 2.0}


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_a_request_is_as_large_as_it_says(load: Load) -> None:
    head, _, body = load.request("auto", "fast").partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    assert 0.9 * load.body_bytes < len(body) < 1.1 * load.body_bytes
    assert json.loads(body)["model"] == "auto"


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROGRAMS, reason="needs nginx, cc, openssl and taskset")
def test_a_short_run_leaves_figures_of_every_target(tmp_path: Path) -> None:
    results = tmp_path / "bench.json"
    short = ["--seconds", "0.3", "--rounds", "1", "--without-pack", "--work", str(tmp_path), "--results", str(results)]
    assert main([*short, "--targets", "nginx,benchroute", "--loads", "small,streams"]) == 0
    found = json.loads(results.read_text())
    assert set(found["targets"]) == {"nginx", "benchroute"}
    assert found["ratios"]["share_of_nginx"] > 0
    assert found["targets"]["benchroute"]["loads"]["streams"]["cpu_us_per_chunk"] > 0
