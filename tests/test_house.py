"""Structure of the code: imports, sizes, and what stays out of the gateway's process."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "hnswlib",
    "sentence_transformers",
    "transformers",
    "onnxruntime",
    "tokenizers",
    "numpy",
    "litellm",
    "pyarrow",
    "opentelemetry.sdk",
)


def test_the_rooms_keep_to_their_imports() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    command = [str(program), "--config", str(TOP / "pyproject.toml"), "--no-cache"]
    found = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import gateway.server.serve",
        "from gateway.server.app import Gateway; from gateway.config import load_config; from pathlib import Path; "
        "Gateway(load_config(Path('config.yaml'), {}))",
        "import gateway.cli",
        "from gateway.state.sqlite import open_store; open_store('sqlite:///FOLDER/state.db').close()",
    ],
)
def test_the_gateways_process_imports_nothing_heavy(code: str, tmp_path: Path) -> None:
    """Neither what embeds and searches, nor litellm while no backend needs it."""
    told = f"import sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    program = f"{code.replace('FOLDER', str(tmp_path))}\n{told}"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []


@pytest.mark.parametrize("folder", ["gateway", "routing"])
def test_no_module_has_grown_past_four_hundred_lines(folder: str) -> None:
    long = [str(path) for path in (TOP / folder).rglob("*.py") if len(path.read_text().splitlines()) > 400]
    assert long == []


def test_every_word_that_make_lists_has_a_rule() -> None:
    makefile = (TOP / "Makefile").read_text()
    words = makefile.split(".PHONY:")[1].splitlines()[0].split()
    assert [word for word in words if f"\n{word}:" not in makefile] == []


def imported_packages(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, inside functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    members = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in plain | members}


def test_the_tests_import_neither_benchmarks_nor_qa() -> None:
    """Both have tests of their own, in benchmarks/tests and qa/tests, and may use the helpers in tests/."""
    modules = (TOP / "tests").rglob("*.py")
    assert [str(path.relative_to(TOP)) for path in modules if imported_packages(path) & {"benchmarks", "qa"}] == []
