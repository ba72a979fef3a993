"""Snippets to copy: each is run against a real gateway, and its request compared with what was asked for."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway

TOP = Path(__file__).parents[3]
STATIC = TOP / "gateway" / "ui" / "static"
NODE_MODULES = Path(os.environ.get("BENCHROUTE_NODE_MODULES", TOP / "build" / "conformance" / "node_modules"))
"""With OpenAI's client, which the conformance tests install from npm."""

AWKWARD = "It's 5 o'clock: $HOME `id` \"x\" \\n\n{} 'end' \u2028 é \U0001f600"
TOOL = {
    "type": "function",
    "function": {
        "name": "find_order",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {
                "order-id": {"type": ["string", "null"], "default": None, "description": "true\tor 'false'"}
            },
            "additionalProperties": False,
        },
    },
}
PARTS = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
REQUESTS: Mapping[str, dict[str, Any]] = {
    "plain": {"model": "auto", "prompt": "Hello"},
    "awkward": {"model": "task/team/sums", "system": AWKWARD, "prompt": AWKWARD},
    "tagged": {"model": "auto", "task": "team/sums", "prompt": "x" * 120, "stream": True},
    "tools": {"model": "good", "prompt": PARTS, "tools": [TOOL]},
}

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = tmp_path_factory.mktemp("state") / "state.db"
    with running_gateway(configuration(shared_upstream.base_url, ["good"], state={"url": f"sqlite:///{state}"})) as url:
        yield url


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dashboard's modules where Node.js takes them for modules."""
    folder = Path(tmp_path_factory.mktemp("scripts")) / "static"
    shutil.copytree(STATIC, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def made(scripts: Path, language: str, options: Mapping[str, Any]) -> str:
    program = (
        f"import {{ snippet }} from {json.dumps(str(scripts / 'snippets.js'))};"
        "process.stdout.write(snippet(...JSON.parse(process.argv[1])));"
    )
    return run(["node", "--input-type=module", "-e", program, json.dumps([language, options])])


def run(command: list[str], folder: Path | None = None, key: str | None = None) -> str:
    """Return what a command prints. key: BENCHROUTE_API_KEY, None to leave it out."""
    environment = {name: value for name, value in os.environ.items() if name != "BENCHROUTE_API_KEY"}
    environment |= {"NO_PROXY": "127.0.0.1", **({} if key is None else {"BENCHROUTE_API_KEY": key})}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_sent(upstream: Upstream, asked: Mapping[str, Any]) -> None:
    """The backend got the messages, tools and stream that were asked for."""
    system = [{"role": "system", "content": asked["system"]}] if "system" in asked else []
    sent = json.loads(upstream.last.body)
    assert sent["messages"] == [*system, {"role": "user", "content": asked["prompt"]}]
    assert sent.get("tools", []) == asked.get("tools", [])
    assert sent.get("stream", False) == asked.get("stream", False)


@pytest.mark.parametrize("name", REQUESTS)
def test_curl_sends_what_was_asked_for(name: str, url: str, scripts: Path, shared_upstream: Upstream) -> None:
    asked = REQUESTS[name]
    text = made(scripts, "curl", {"baseUrl": f"{url}/v1/", **asked})
    told = run(["bash", "-c", text.replace("curl", "curl -sS -i --fail-with-body", 1)])
    assert_sent(shared_upstream, asked)
    expected = asked.get("task") or asked["model"].removeprefix("task/").replace("auto", "default")
    assert f"x-benchroute-task: {expected}" in told or asked["model"] == "good"


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_python_sends_what_was_asked_for(name: str, url: str, scripts: Path, shared_upstream: Upstream) -> None:
    text = made(scripts, "python", {"baseUrl": f"{url}/v1", **REQUESTS[name]})
    assert "hello" in run([sys.executable, "-c", text], key=None if name == "plain" else "some-key")
    assert_sent(shared_upstream, REQUESTS[name])


@pytest.mark.slow
@pytest.mark.skipif(not (NODE_MODULES / "openai").exists(), reason="OpenAI's client for Node.js is not installed")
@pytest.mark.parametrize("name", REQUESTS)
def test_typescript_sends_what_was_asked_for(
    name: str, url: str, scripts: Path, shared_upstream: Upstream, tmp_path: Path
) -> None:
    """The snippets use no types, so that they are JavaScript too."""
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "snippet.mjs").write_text(made(scripts, "typescript", {"baseUrl": f"{url}/v1", **REQUESTS[name]}))
    assert "hello" in run(["node", "snippet.mjs"], tmp_path)
    assert_sent(shared_upstream, REQUESTS[name])
