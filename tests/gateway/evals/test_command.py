"""`benchroute bench run` as a command: what it asks before it spends, prints, and leaves behind when interrupted."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gateway.cli.app import app
from gateway.evals.answers import read_journal
from routing.tidy import read_benchmark
from tests.gateway.cli.conftest import run_command
from tests.gateway.evals.conftest import config_text, labelled, says
from tests.gateway.evals.models import Seen
from tests.gateway.waiting import eventually

HEAVY = ("numpy", "pyarrow", "torch", "openai", "litellm")
PRICE = {"price": {"input_usd_per_mtok": 2, "output_usd_per_mtok": 10}}
FREE = {"price": {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return labelled(tmp_path / "questions.jsonl", says("yes", "no", "yes", "hard"))


@pytest.fixture
def config(seen: Seen, tmp_path: Path) -> Path:
    return written(tmp_path, config_text(seen, "echo", "picky", "slow", "judge", **PRICE))


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_help_explains_every_option_and_loads_nothing_heavy() -> None:
    code = f"""
import sys
from gateway.cli.app import app
app(["bench", "run", "--help"], standalone_mode=False)
print("loaded:", [name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "loaded: []"
    command = typer.main.get_command(app).commands["bench"].commands["run"]  # type: ignore[attr-defined]
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []


def test_without_pyarrow_nothing_is_asked(questions: Path, config: Path, tmp_path: Path, seen: Seen) -> None:
    options = ("--config", str(config), "-o", str(tmp_path / "out"), "--yes")
    code = "import sys; sys.modules['pyarrow'] = None; from gateway.cli import main; main()"
    command = [sys.executable, "-c", code, "bench", "run", str(questions), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, "error: pyarrow is not installed: pip install 'benchroute[routing]'\n")
    assert seen.bodies == []


def test_without_a_terminal_money_is_only_spent_with_yes(
    questions: Path, config: Path, tmp_path: Path, seen: Seen
) -> None:
    command = ("bench", "run", questions, "--config", config, "-o", tmp_path / "out", "--models", "echo,picky")
    refused = run_command(*command)
    assert refused.exit_code == 2
    assert "8 requests would cost about 0.0205 USD: confirm with --yes" in refused.stderr
    assert seen.bodies == []
    assert not (tmp_path / "out").exists()
    done = run_command(*command, "--yes")
    assert done.exit_code == 0, done.output
    assert "missing: picky on questions-4: answered 400: too hard for me" in done.stderr
    assert "1 outcomes are missing" in done.stderr
    first, second = (line.split() for line in done.stdout.splitlines()[2:4])
    assert first == ["echo", "4", "0", "0", "0", "0.500", "–", "40", "8", "0.0002"]
    assert second[:3] == ["picky", "3", "1"]
    assert read_benchmark(tmp_path / "out").model_names == ("echo", "picky")


def test_an_unknown_price_is_not_agreed_to_in_silence(questions: Path, seen: Seen, tmp_path: Path) -> None:
    config = written(tmp_path, config_text(seen, "echo"))
    refused = run_command("bench", "run", questions, "--config", config, "-o", tmp_path / "out")
    assert refused.exit_code == 2
    assert "4 requests would cost an unknown amount (a model has no price): confirm with --yes" in refused.stderr


def test_what_is_free_needs_no_agreement_and_json_says_what_came_of_it(
    questions: Path, seen: Seen, tmp_path: Path
) -> None:
    config = written(tmp_path, config_text(seen, "echo", **FREE))
    command = ("bench", "run", questions, "--config", config, "-o", tmp_path / "out", "--json", "--limit", 2)
    said = json.loads(run_command(*command).stdout)
    assert (said["questions"], said["cost_usd"], said["missing"]) == (2, "0", [])
    assert said["models"][0] | {"cost_usd": None} == {
        "model": "echo",
        "answered": 2,
        "failed": 0,
        "unjudged": 0,
        "truncated": 0,
        "score": 0.5,
        "loglik": None,
        "input_tokens": 20,
        "output_tokens": 4,
        "without_usage": 0,
        "cost_usd": None,
    }
    again = run_command(*command)
    assert "all answers are in the journal: nothing to ask" in again.stderr
    assert len(seen.bodies) == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--models", "echo,none"), "--models none: unknown model; the configuration has echo, picky, slow, judge"),
        (("--models", ","), "--models ',': expected names of models"),
        (("--judge", "none"), "--judge none: unknown model; the configuration has echo"),
        (("--mark", "judge"), "`mark: judge` requires --judge MODEL"),
        (("--mark", "number"), "line 1: reference 'yes': expected one number"),
    ],
)
def test_what_cannot_be_run_is_told(
    questions: Path, config: Path, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    result = run_command("bench", "run", questions, "--config", config, "-o", tmp_path / "out", "--yes", *options)
    assert (result.exit_code, told in result.stderr) == (2, True), result.output
    assert not (tmp_path / "out").exists()


def test_a_judge_that_no_question_needs_is_not_asked(questions: Path, config: Path, tmp_path: Path, seen: Seen) -> None:
    options = ("--models", "echo", "--judge", "judge", "--yes", "-o", tmp_path / "out")
    assert run_command("bench", "run", questions, "--config", config, *options).exit_code == 0
    assert seen.of("judge") == []


@pytest.mark.parametrize(("answer", "asked"), [("y", 4), ("n", 0)])
def test_on_a_terminal_it_asks(
    questions: Path, config: Path, tmp_path: Path, seen: Seen, answer: str, asked: int
) -> None:
    ours, theirs = pty.openpty()
    options = ("--config", str(config), "-o", str(tmp_path / "out"), "--models", "echo")
    command = [sys.executable, "-m", "gateway.cli", "bench", "run", str(questions), *options]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        said = process.communicate(timeout=60)[0].decode()
        os.close(ours)
    assert "4 requests for about 0.0103 USD. Continue? [y/N]:" in said
    assert (process.returncode, len(seen.bodies)) == (0 if asked else 1, asked)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_what_was_answered_before_an_end_is_not_asked_again(
    config: Path, tmp_path: Path, seen: Seen, sent: signal.Signals
) -> None:
    questions = labelled(tmp_path / "many.jsonl", says(*(str(number) for number in range(30))))
    out = tmp_path / "out"
    options = ("--config", str(config), "-o", str(out), "--models", "slow", "--concurrency", "2", "--yes")
    command = [sys.executable, "-m", "gateway.cli", "bench", "run", str(questions), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: len(seen.bodies) >= 8, 60)
        process.send_signal(sent)
        told = process.communicate(timeout=60)[1]
    kept = len(read_journal(out / "answers.jsonl"))
    assert 4 <= kept < 30
    assert not (out / "inputs.parquet").exists()
    if sent is signal.SIGINT:
        assert process.returncode == 130
        assert told.splitlines()[-1] == (
            f"interrupted: {kept} answers are saved in {out / 'answers.jsonl'}; rerun the command to resume"
        )
    with (out / "answers.jsonl").open("a") as file:
        file.write('{"input_id": "many-30", "mod')
    seen.bodies.clear()
    done = run_command("bench", "run", questions, *options[:-1], "--yes")
    assert (done.exit_code, len(seen.bodies)) == (0, 30 - kept)
    assert read_benchmark(out).n_inputs == 30
