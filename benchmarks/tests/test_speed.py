"""The speed benchmark: what it measures and reports, not how fast anything is."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.speed.instructions import parse_counts, replay_instructions
from benchmarks.speed.lag import describe_lag, parse_lag, sum_lag
from benchmarks.speed.loads import LOADS, Load
from benchmarks.speed.measure import Client, Sample, Started
from benchmarks.speed.results import Figures
from benchmarks.speed.rounds import Measured, Rounds
from benchmarks.speed.run import main
from benchmarks.speed.targets import LITELLM, Target

HAS_PROGRAMS = all(map(shutil.which, ("cc", "openssl", "taskset")))
SHORT = ("--seconds", "0.3", "--rounds", "1", "--without-pack", "--without-instructions")


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


class ScriptedClient(Client):
    """A load generator whose samples are given: CPU microseconds, one after the other."""

    def __init__(self, cpu_us: Sequence[float]) -> None:
        super().__init__(Path(), Path(), lambda line: None)
        object.__setattr__(self, "left", list(cpu_us))

    def take_sample(self, one: Started, load: Load, seconds: float, beside: Sequence[Started] = ()) -> Sample:
        left: list[float] = self.left  # type: ignore[attr-defined]
        return sample(left.pop(0), 100.0)


def measured(cpu_us: Sequence[float]) -> Measured:
    """Return one round of a load on a gateway between its controls."""
    up = [Started(target(name), 0, 0.0) for name in ("nginx", "benchroute", "direct")]
    client = ScriptedClient(cpu_us)
    found = Rounds(up[:2], up[2], client, 1.0).measure(LOADS[:1], 1)
    assert client.left == []  # type: ignore[attr-defined]
    return found


def test_a_round_whose_control_holds_still_is_measured_once() -> None:
    found = measured([20, 200, 22])
    assert found.remarks == []
    assert [one.cpu_us for one in found.samples["nginx", "small"]] == [20, 22]
    assert [one.cpu_us for one in found.samples["benchroute", "small"]] == [200]


def test_a_round_whose_control_moves_is_measured_again_and_named() -> None:
    found = measured([20, 300, 30, 20, 200, 21])
    assert [one.cpu_us for one in found.samples["benchroute", "small"]] == [200]
    assert found.remarks == [
        "round 1 of 1 KB, 32 connections: measured 2 times, its control moved by 50%, 5%; the last one is kept"
    ]


def test_a_round_that_stays_noisy_keeps_the_attempt_that_moved_least() -> None:
    found = measured([20, 300, 40, 20, 200, 25, 20, 400, 30])
    assert [one.cpu_us for one in found.samples["benchroute", "small"]] == [200]
    assert found.remarks == [
        "round 1 of 1 KB, 32 connections: measured 3 times, its control moved by 100%, 25%, 50%; stays noisy"
    ]


def test_lag_is_read_from_metrics_and_told_in_words() -> None:
    metrics = "".join(
        f'benchroute_event_loop_lag_seconds_bucket{{le="{bound}"}} {count}\n'
        for bound, count in (("0.002", 90), ("0.005", 93), ("0.01", 93), ("+Inf", 94))
    )
    lag = parse_lag("# TYPE benchroute_event_loop_lag_seconds histogram\n" + metrics)
    assert lag == {"0.002": 90, "0.005": 3, "0.01": 0, "+Inf": 1}
    assert describe_lag(lag) == "94 samples; 3 up to 5 ms late, 1 more than 1000 ms late"
    assert describe_lag({"0.002": 5, "0.005": 0}) == "5 samples; none more than 2 ms late"
    assert sum_lag([lag, lag])["0.002"] == 180


def test_instructions_are_read_from_perf_where_it_counts_them() -> None:
    assert parse_counts("123456,,instructions:u,1000,100.00,,\n") == [123456]
    assert parse_counts("<not supported>,,instructions,0,100.00,,\n") == []


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
@pytest.mark.parametrize(
    ("program", "limit_s", "told"),
    [
        ("exec sleep 20", 0.5, "took more than 0.5 s"),
        ("echo 'no such module' >&2; exit 1", 20.0, "failed: no such module"),
    ],
)
def test_instructions_that_cannot_be_counted_are_left_out_in_words(
    tmp_path: Path, program: str, limit_s: float, told: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    found = replay_instructions(python, limit_s)
    assert isinstance(found, str)
    assert found.endswith(told)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_a_request_is_as_large_as_it_says(load: Load) -> None:
    head, _, body = load.request("auto", "fast").partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    assert 0.9 * load.body_bytes < len(body) < 1.1 * load.body_bytes
    assert json.loads(body)["model"] == "auto"


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROGRAMS or shutil.which("nginx") is None, reason="needs nginx, cc, openssl and taskset")
def test_a_short_run_leaves_figures_of_every_target(tmp_path: Path) -> None:
    results = tmp_path / "bench.json"
    places = ["--work", str(tmp_path), "--results", str(results)]
    assert main([*SHORT, *places, "--targets", "nginx,benchroute", "--loads", "small,streams"]) == 0
    found = json.loads(results.read_text())
    assert set(found["targets"]) == {"nginx", "benchroute"}
    assert found["left_out"] == []
    assert found["ratios"]["share_of_nginx"] > 0
    assert found["targets"]["benchroute"]["loads"]["streams"]["cpu_us_per_chunk"] > 0


def path_without(program: str, folder: Path) -> str:
    """Return a PATH whose only folder has links to all programs of today's PATH but one."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for path in Path(place).glob("*"):
            if path.name != program and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    return str(folder)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROGRAMS, reason="needs cc, openssl and taskset")
def test_without_nginx_and_litellm_the_report_is_written_and_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "bench.json"
    monkeypatch.setenv("PATH", path_without("nginx", tmp_path / "bin"))
    places = ["--work", str(tmp_path), "--results", str(results), "--litellm", str(tmp_path / "none")]
    assert main([*SHORT, *places, "--targets", "nginx,litellm,benchroute", "--loads", "small,tls"]) == 0
    found = json.loads(results.read_text())
    assert list(found["targets"]) == ["benchroute"]
    assert list(found["loads"]) == ["small"]
    assert found["targets"]["benchroute"]["loads"]["small"]["cpu_us_per_request"] > 0
    printed = capsys.readouterr()
    for line in (
        "loads over TLS are left out: nginx is not installed",
        "nginx is left out: nginx is not installed",
        f"litellm is left out: litellm {LITELLM} is not installed in {tmp_path / 'none'}; `make bench` installs it",
    ):
        assert line in found["left_out"]
        assert line in printed.err.splitlines()
        assert line in printed.out.splitlines()


@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset")
def test_without_a_compiler_one_line_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", path_without("cc", tmp_path / "bin"))
    results = tmp_path / "bench.json"
    assert main([*SHORT, "--work", str(tmp_path), "--results", str(results)]) == 1
    assert capsys.readouterr().err == "no C compiler (cc): the backend and the load generator are C programs\n"
    assert not results.exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_goes_on_where_a_program_cannot_be_installed(tmp_path: Path) -> None:
    """With an apt-get that fails, every missing program is one line, and the rule succeeds."""
    programs = tmp_path / "bin"
    path = path_without("nginx", programs)
    for missing in ("apt-get", "openssl"):
        (programs / missing).unlink(missing_ok=True)
    (programs / "apt-get").write_text("#!/bin/sh\necho the mirror is down >&2\nexit 100\n")
    (programs / "apt-get").chmod(0o755)
    command = ["make", "-f", str(Path(__file__).parents[2] / "Makefile"), "build/bench-programs.stamp"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "installing nginx-light (once)",
        "nginx-light cannot be installed here: the benchmark leaves out what needs it",
        "installing openssl (once)",
        "openssl cannot be installed here: the benchmark leaves out what needs it",
    ]
