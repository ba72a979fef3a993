"""Commands as a container runs them: no terminal, no standard input, no home folder, another user's files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.cli.endpoints import listing
from tests.gateway.serving import configuration


def contained(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a session of its own, which has no terminal."""
    command = [sys.executable, "-m", "gateway.cli", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "MINE_KEY": "sk-mine"}
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**environment, "PYTHONPATH": os.getcwd()},
        start_new_session=True,
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(configuration("http://127.0.0.1:9/v1", ["good"], server={"port": 18_097}))
    return tmp_path


def test_doctor_reports_as_it_does_in_a_terminal(folder: Path) -> None:
    told = contained(folder, "doctor", "--json")
    findings = json.loads(told.stdout)["findings"]
    assert {one["check"] for one in findings} >= {"config", "state", "backend good/1"}
    assert "Traceback" not in told.stderr
    text = contained(folder, "doctor")
    assert "backend good/1" in text.stdout
    assert "\x1b" not in text.stdout + text.stderr
    assert text.returncode == told.returncode == 1


def test_init_asks_nothing(tmp_path: Path) -> None:
    with listing(["llama-3.1-8b"]) as url:
        told = contained(tmp_path, "init", "--endpoint", f"mine={url}", "--provider", "mine")
    assert (told.returncode, told.stdout) == (0, "config.yaml: llama-3.1-8b\n")


def test_a_configuration_is_checked(folder: Path) -> None:
    assert contained(folder, "config", "check").returncode == 0
