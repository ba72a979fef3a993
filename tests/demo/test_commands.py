"""The demonstration's command line: its errors, and that it shows its results as JSON."""

import json
import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from demo import benchmark
from demo.__main__ import app
from demo.errors import ChildEnded, DemoError, NotReady, RequestFailed
from demo.prepare import Places
from gateway.cli.errors import ErrorReportingGroup


def run_demo(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("kind", [DemoError, ChildEnded, NotReady, RequestFailed])
def test_an_error_is_a_sentence_and_an_exit_code(kind: type[DemoError]) -> None:
    failing = typer.Typer(cls=ErrorReportingGroup)

    @failing.command()
    def fail() -> None:
        raise kind("port taken")

    @failing.callback()
    def options() -> None:
        pass

    result = CliRunner().invoke(failing, ["fail"])
    assert (result.exit_code, result.stderr) == (1, "error: port taken\n")


def test_a_demo_gateway_does_not_start_on_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_demo("serve", "--work-dir", tmp_path, "--port", port)
    assert (result.exit_code, result.stderr) == (1, f"error: port {port} is in use: choose another with --port\n")


def test_a_demo_whose_pack_cannot_be_built_says_so(tmp_path: Path) -> None:
    """The stamp of a current benchmark without the benchmark: `pack build`, in its own process, refuses it."""
    places = Places(tmp_path)
    places.benchmark.mkdir()
    (places.benchmark / benchmark.STAMP).write_text(json.dumps({"code": benchmark.code_key()}))
    result = run_demo("run", "--work-dir", tmp_path, "--results", tmp_path / "results.json")
    assert result.exit_code == 1
    assert "error: building the pack failed with exit code 2" in result.stderr
    assert not (tmp_path / "results.json").exists()
