"""Coding agents: each runs once without a person, in a home and a repository of its own that are new every time.

usage: python -m qa.conformance.drivers.coding_agents AGENT ENVIRONMENT
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.conformance.drivers.harness import Question, run

LIMIT_S = 90
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: updates, telemetry and price lists of the agents are neither fetched nor sent."""

KNOWN = ("the tool has run", "the upstream answers", "you said: ", "the upstream says 400", "the upstream says 401")
"""Texts of the upstream that a person would read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Folders of one run.

    Attributes:
        environment: where the agent is installed.
        home: the home folder.
        work: the repository.
    """

    environment: Path
    home: Path
    work: Path

    def program(self, name: str) -> str:
        """Return the path of an installed program."""
        folders = (self.environment / "node_modules" / ".bin", self.environment / "bin")
        return next(str(folder / name) for folder in folders if (folder / name).exists())

    def write(self, name: str, text: str) -> str:
        """Write a file of the home folder. Returns its path."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)


CLINE = {"AI_SDK_LOG_WARNINGS": "false", "CLINE_NO_AUTO_UPDATE": "1", "HTTPS_PROXY": "", "https_proxy": ""}
"""Cline waits longer for a proxy that is not there than for no network."""

Command = tuple[list[str], Mapping[str, str]]
Agent = Callable[[Question, Place, str], Command]


def _claude_code(question: Question, place: Place, prompt: str) -> Command:
    environment = {
        "ANTHROPIC_BASE_URL": question.root_url,
        "ANTHROPIC_AUTH_TOKEN": question.key,
        "ANTHROPIC_MODEL": question.model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": question.model,
        "ANTHROPIC_CUSTOM_HEADERS": "\n".join(f"{name}: {value}" for name, value in question.headers.items()),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",
    }
    return [place.program("claude"), "-p", prompt, "--allowedTools", "Bash(echo:*)"], environment


def _codex(question: Question, place: Place, prompt: str) -> Command:
    headers = ", ".join(f'"{name}" = "{value}"' for name, value in question.headers.items())
    place.write(
        ".codex/config.toml",
        f'''model = "{question.model}"
model_provider = "benchroute"

[model_providers.benchroute]
name = "Benchroute"
base_url = "{question.base_url}"
env_key = "BENCHROUTE_API_KEY"
wire_api = "responses"
request_max_retries = 2
http_headers = {{ {headers} }}
''',
    )
    options = ["exec", "--skip-git-repo-check", "--sandbox", "danger-full-access"]
    return [place.program("codex"), *options, prompt], {"BENCHROUTE_API_KEY": question.key}


def _cline(question: Question, place: Place, prompt: str) -> Command:
    program, settings = place.program("cline"), ["-p", "openai-compatible", "-k", question.key, "-m", question.model]
    connect, environment = [program, "auth", *settings, "-b", question.base_url], _environment(place, CLINE)
    subprocess.run(connect, env=environment, cwd=place.work, check=True, capture_output=True, timeout=LIMIT_S)
    return [program, "--retries", "1", prompt], CLINE


def _continue(question: Question, place: Place, prompt: str) -> Command:
    model = {
        "name": "Benchroute",
        "provider": "openai",
        "model": question.model,
        "apiBase": question.base_url,
        "apiKey": question.key,
        "requestOptions": {"headers": question.headers},
        "roles": ["chat", "edit", "apply"],
    }
    # JSON is YAML.
    config = json.dumps({"name": "Benchroute", "version": "1.0.0", "schema": "v1", "models": [model]})
    path = place.write("config.yaml", config)
    return [place.program("cn"), "--config", path, "--auto", "-p", prompt], {"CONTINUE_TELEMETRY_ENABLED": "0"}


def _opencode(question: Question, place: Place, prompt: str) -> Command:
    options = {"baseURL": question.base_url, "apiKey": question.key, "headers": question.headers}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Benchroute",
        "options": options,
        "models": {question.model: {"name": question.model}},
    }
    config = {"autoupdate": False, "provider": {"benchroute": provider}, "model": f"benchroute/{question.model}"}
    place.write(".config/opencode/opencode.json", json.dumps(config))
    return [place.program("opencode"), "run", prompt], {"OPENCODE_DISABLE_MODELS_FETCH": "1"}


def _qwen_code(question: Question, place: Place, prompt: str) -> Command:
    environment = {
        "OPENAI_API_KEY": question.key,
        "OPENAI_BASE_URL": question.base_url,
        "OPENAI_MODEL": question.model,
        "QWEN_TELEMETRY_ENABLED": "0",
    }
    return [place.program("qwen"), "--auth-type", "openai", "--approval-mode", "yolo", "-p", prompt], environment


def _aider(question: Question, place: Place, prompt: str) -> Command:
    environment = {
        "OPENAI_API_BASE": question.base_url,
        "OPENAI_API_KEY": question.key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    quiet = ["--yes-always", "--no-check-update", "--no-analytics", "--no-show-model-warnings", "--no-pretty"]
    model = ["--model", f"openai/{question.model}", "--no-git", "--no-show-release-notes", "--no-detect-urls"]
    return [place.program("aider"), *model, *quiet, "--edit-format", "ask", "--message", prompt], environment


AGENTS: Mapping[str, Agent] = {
    "claude-code": _claude_code,
    "codex": _codex,
    "cline": _cline,
    "continue": _continue,
    "opencode": _opencode,
    "qwen-code": _qwen_code,
    "aider": _aider,
}
NO_HEADERS = ("cline", "qwen-code", "aider")
"""Agents without a setting for request headers: their task is in the model's name, or the key's default task."""

NO_TOOLS = ("aider",)
"""Agents that edit by the answer's text, without tools."""


def _environment(place: Place, more: Mapping[str, str]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(place.home),
        "TERM": "dumb",
        "NO_PROXY": "127.0.0.1",
        "DO_NOT_TRACK": "1",
        "HTTPS_PROXY": NOWHERE,
        "https_proxy": NOWHERE,
        **more,
    }


def _started(name: str, environment: Path, question: Question) -> Any:
    folder = Path(tempfile.mkdtemp(prefix=f"conformance-{name}-"))
    place = Place(environment, folder / "home", folder / "work")
    place.home.mkdir(parents=True)
    place.work.mkdir()
    subprocess.run(["git", "init", "-q", "."], cwd=place.work, check=False)  # noqa: S607  # found on the path
    command, more = AGENTS[name](question, place, f"Say hello. {question.mark}")
    exit_code, text = _run_to_end(command, _environment(place, more), place.work, folder / "output.txt")
    shutil.rmtree(folder, ignore_errors=True)
    said = [known for known in KNOWN if known in text]
    return {"exit code": exit_code, "says": said, "output": text[-500:]}


def _run_to_end(command: list[str], environment: dict[str, str], work: Path, output: Path) -> tuple[int, str]:
    """Return the exit code and the output.

    The output goes to a file: helpers that an agent leaves running would hold a pipe open.
    """
    with output.open("wb") as out:
        child = subprocess.Popen(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            child.wait(LIMIT_S)
        finally:
            _end_processes(environment["HOME"])
            child.wait()
    return child.returncode, output.read_text(errors="replace")


def _end_processes(home: str) -> None:
    """End the processes of this home folder: the agent, and daemons that it has started. No other process has it."""
    wanted = f"HOME={home}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)


def main(name: str, environment: str) -> None:
    """Answer the questions on standard input with runs of one agent."""

    def answer(question: Question) -> Any:
        return _started(name, Path(environment), question)

    without = {"agent_headers": NO_HEADERS, "agent_tool": NO_TOOLS}
    run({"agent": answer, **{operation: answer for operation, names in without.items() if name not in names}})


if __name__ == "__main__":
    main(*sys.argv[1:])
