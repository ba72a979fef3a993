"""openai for Node: node/checks.mjs, one process for each of its checks."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from qa.conformance.checks import Check, Mismatch, NotRun
from qa.conformance.clients.material import MODEL
from qa.conformance.servers import Target

SUITE = "openai-node"
SCRIPT = Path(__file__).parent / "node" / "checks.mjs"
LIMIT_S = 40
LEFT_WITHIN_S = 3.0


def _run(name: str) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        node = shutil.which("node")
        if node is None:
            raise NotRun("there is no node here")
        if not (target.node / "node_modules" / "openai").is_dir():
            raise NotRun(f"npm has not installed openai in {target.node.name}/; `make conformance` does, where it can")
        # Node looks for packages next to the script.
        script = shutil.copy(SCRIPT, target.node)
        command = [node, str(script), target.base_url, target.key, MODEL, name]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        if found.returncode:
            raise Mismatch(found.stdout.strip() or found.stderr.strip())
        return found.stdout.strip()

    return run


def _abort(target: Target) -> str:
    """A stream that the client aborts: the upstream is cancelled."""
    observed = _run("abort mid-stream")(target)
    deadline = time.monotonic() + LEFT_WITHIN_S
    while time.monotonic() < deadline:
        if target.exchanges("node-abort")[-1].ending == "left":
            return f"{observed}; the upstream was stopped"
        time.sleep(0.1)
    raise Mismatch(f"{observed}; the upstream still sends")


def _check(name: str, sent: str, expected: str) -> Check:
    return Check(SUITE, name, sent, expected, _run(name))


CHECKS = (
    _check("chat", "chat.completions.create", "the text, usage"),
    _check("raw response", "create().withResponse()", "headers, request_id"),
    _check("stream", "create({stream, include_usage})", "the text, usage at the end"),
    _check("stream without usage", "create({stream})", "no chunk tells usage"),
    _check("tools", "create({tools})", "a call with nested arguments"),
    _check("streamed tool calls", "chat.completions.stream({tools})", "the same, put together"),
    _check("structured output", "chat.completions.parse", "the schema's members"),
    _check("responses", "responses.create", "output_text"),
    _check("responses, streamed", "responses.create({stream})", "the text, response.completed"),
    _check("embeddings", "embeddings.create", "two vectors"),
    Check(
        SUITE,
        "abort mid-stream",
        "stream.controller.abort() after 3 chunks",
        "it ends; the upstream is stopped",
        _abort,
    ),
    _check("errors", "404, 400, 429, 401", "the client's own errors, retry-after"),
    _check("models", "models.list", "auto and the configured ones"),
)
