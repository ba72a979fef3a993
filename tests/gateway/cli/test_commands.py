"""The command line as a whole: what it imports, its version, its exit codes, and the commands that only pass on."""

import errno
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.cli.errors import AdminRequestError, ErrorReportingGroup, InputsError, OptionError
from gateway.errors import ConfigError, StateError
from routing.errors import BenchmarkError, PackCorrupted
from tests.gateway.cli.conftest import run_command

COMMANDS = (
    "serve",
    "route",
    "evaluate",
    "import",
    "bench run",
    "init",
    "doctor",
    "tasks",
    "tasks show",
    "tail",
    "config check",
    "keys create",
    "keys list",
    "keys revoke",
    "keys hash",
    "pack build",
    "pack inspect",
    "pack verify",
)


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
from gateway.cli.app import app
for command in ["", *{COMMANDS}]:
    app([*command.split(), "--help"], standalone_mode=False)
heavy = ("numpy", "torch", "hnswlib", "pyarrow", "sentence_transformers", "transformers", "openai", "litellm")
print("loaded:", [name for name in heavy if name in sys.modules])
"""
    done = python(code)
    assert done.stdout.splitlines()[-1] == "loaded: []", done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    group = typer.main.get_command(app)
    for name in command.split():
        group = group.commands[name]  # type: ignore[attr-defined]
    assert group.help
    assert [parameter.name for parameter in group.params if not getattr(parameter, "help", None)] == []


def test_the_version_is_the_packages() -> None:
    result = run_command("--version")
    assert (result.exit_code, result.stdout) == (0, f"benchroute {version('benchroute')}\n")


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"benchroute {version('benchroute')}\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("config.yaml", [("models", "missing")]), 2, "error: config.yaml: 1 error\n  models: missing\n"),
        (BenchmarkError("b", ["no inputs"]), 2, "error: b cannot be used:\n  no inputs\n"),
        (InputsError("a.txt line 3: no"), 2, "error: a.txt line 3: no\n"),
        (OptionError("no such model"), 2, "error: no such model\n"),
        (AdminRequestError("refused"), 1, "error: refused\n"),
        (
            PackCorrupted("report.json is missing"),
            1,
            "error: report.json is missing; copy the pack again, or rebuild it with `benchroute pack build`\n",
        ),
        (StateError("locked"), 1, "error: locked; run `benchroute doctor` for details\n"),
        (KeyboardInterrupt("3 are kept"), 130, "interrupted: 3 are kept\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "error: /x: Permission denied\n"),
        (
            ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"),
            1,
            "error: torch.nn is not installed: pip install 'benchroute[routing]'\n",
        ),
        (
            ModuleNotFoundError("No module named 'openai'", name="openai"),
            1,
            "error: openai is not installed: pip install 'benchroute[demo]'\n",
        ),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(error: BaseException, code: int, message: str) -> None:
    result = CliRunner().invoke(failing_with(error), ["fail"])
    assert (result.exit_code, result.stderr) == (code, message)


@pytest.mark.parametrize(
    "error", [ValueError("a mistake of ours"), ModuleNotFoundError("x", name="gateway.x"), OSError("?")]
)
def test_what_nobody_foresaw_keeps_its_traceback(error: Exception) -> None:
    assert CliRunner().invoke(failing_with(error), ["fail"]).exception is error


def failing_with(error: BaseException) -> typer.Typer:
    app = typer.Typer(cls=ErrorReportingGroup)

    @app.command()
    def fail() -> None:
        raise error

    @app.callback()
    def options() -> None:
        pass

    return app


def test_a_gateway_only_install_is_told_what_to_install(pack: Path) -> None:
    code = "import sys; sys.modules['numpy'] = None; from gateway.cli import main; main()"
    done = python(code, "pack", "verify", str(pack))
    assert (done.returncode, done.stderr) == (
        1,
        "error: numpy is not installed: pip install 'benchroute[routing]'\n",
    )


def test_a_gateway_without_a_configuration_does_not_start(tmp_path: Path) -> None:
    result = run_command("serve", "--config", tmp_path / "nothing.yaml")
    assert result.exit_code == 2
    assert f"{tmp_path / 'nothing.yaml'}: 1 error" in result.stderr
