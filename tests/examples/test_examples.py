"""Every example runs, against a real gateway where it needs one."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.fake_upstream import running_upstream
from tests.gateway.serving import configuration, running_gateway

TOP = Path(__file__).parents[2]
EXAMPLES = TOP / "examples"
NODE_MODULES = TOP / "build" / "conformance" / "node_modules"
TESTED = {"openai_python.py", "langchain_chat.py", "openai_node.mjs", "curl.sh", "routing.ipynb"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = {"url": f"sqlite:///{tmp_path_factory.mktemp('examples')}/state.db"}
    with (
        running_upstream() as upstream,
        running_gateway(configuration(upstream.base_url, ["good"], state=state)) as url,
    ):
        yield url


def run(url: str, *command: str | Path) -> str:
    """What it prints."""
    environment = {**os.environ, "BENCHROUTE_URL": url, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [str(part) for part in command], env=environment, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_a_test_for_every_example() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == TESTED


def test_curl(url: str) -> None:
    told = run(url, "bash", EXAMPLES / "curl.sh")
    assert "x-benchroute-task: examples/arithmetic" in told
    assert "data: [DONE]" in told
    assert '"id":"auto"' in told.replace(" ", "")


@pytest.mark.slow
def test_openais_client_for_python(url: str) -> None:
    told = run(url, sys.executable, EXAMPLES / "openai_python.py").splitlines()
    assert told[:3] == ["answer: hello", "model: good because of no-pack", "stream: hello"]
    assert len(told) == 5


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("langchain_openai") is None, reason="langchain-openai is not installed")
def test_langchain(url: str) -> None:
    told = run(url, sys.executable, EXAMPLES / "langchain_chat.py").splitlines()
    assert told == ["answer: hello", "model: good", "stream: hello"]


@pytest.mark.slow
@pytest.mark.skipif(
    not (NODE_MODULES / "openai").exists() or shutil.which("node") is None,
    reason="openai for Node is not installed; `make conformance` does that",
)
def test_openais_client_for_node(url: str, tmp_path: Path) -> None:
    """Node looks for packages beside the program."""
    shutil.copy(EXAMPLES / "openai_node.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    told = run(url, "node", tmp_path / "openai_node.mjs").splitlines()
    assert told == ["answer: hello", "model: good because of no-pack", "stream: hello"]


def test_the_notebook_says_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """Its cells, in their order, print what stands below them; the last digits may differ from machine to machine."""
    notebook = json.loads((EXAMPLES / "routing.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102 - our own example
        shown = "".join(line for output in cell["outputs"] for line in output["text"])
        assert masked(capsys.readouterr().out) == masked(shown), f"{cell['id']} prints something else now"


def masked(text: str) -> str:
    return re.sub(r"[-+]?\d+(\.\d+)?", "#", text)
