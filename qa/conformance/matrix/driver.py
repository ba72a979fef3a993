"""A client's program as a child process: question in, result out."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from qa.conformance.checks import NotRun
from qa.conformance.drivers.harness import Question
from qa.conformance.matrix.clients import AGENT, Client

TOP = Path(__file__).parents[3]
SCRIPTS = TOP / "qa" / "conformance" / "drivers" / "node"
ANSWER_S = 100.0
RESULT = "RESULT "


@dataclass
class Driver:
    """A client's program. It starts with the first question, and again after one that it did not answer in time.

    Attributes:
        client: the client.
        folder: its environment.
        log: file of its standard error.
    """

    client: Client
    folder: Path
    log: Path

    def __post_init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def ask(self, question: Question) -> dict[str, Any]:
        """Return the program's result, or {"hung": …} if none came in time."""
        child = self._running()
        assert child.stdin is not None  # noqa: S101  # a pipe, see _start
        try:
            child.stdin.write(json.dumps(asdict(question)) + "\n")
            child.stdin.flush()
            while (line := self._lines.get(timeout=ANSWER_S)) is not None:
                if line.startswith(RESULT):
                    found: dict[str, Any] = json.loads(line.removeprefix(RESULT))
                    return found
        except (queue.Empty, BrokenPipeError):
            self.close()
            return {"hung": f"no result within {ANSWER_S:g} s"}
        self.close()
        return {"hung": f"the program ended: {self.log.read_text()[-300:]}"}

    def close(self) -> None:
        """End the program."""
        child, self._child = self._child, None
        if child is not None:
            with child:  # closes the pipes, and waits
                child.kill()

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = child = self._start()
            lines: queue.Queue[str | None] = queue.Queue()
            self._lines = lines
            assert child.stdout is not None  # noqa: S101  # a pipe, see _start
            threading.Thread(target=_read_lines, args=(child.stdout, lines), daemon=True).start()
        return self._child

    def _start(self) -> subprocess.Popen[str]:
        with self.log.open("a") as log:
            return subprocess.Popen(
                self._command(),
                cwd=TOP,
                env={**os.environ, **QUIET, "HOME": str(self.log.parent)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def _command(self) -> list[str]:
        if self.client.program == AGENT:
            name = self.client.packages.environment
            return [sys.executable, "-m", f"qa.conformance.drivers.{AGENT}", name, str(self.folder)]
        if self.client.packages.registry == "source":
            return [sys.executable, "-m", f"qa.conformance.drivers.{self.client.program}"]
        if self.client.packages.registry == "pypi":
            module = f"qa.conformance.drivers.{self.client.program}"
            return [str(self.folder / "bin" / "python"), "-m", module]
        node = shutil.which("node")
        if node is None:
            raise NotRun("there is no node here")
        for script in SCRIPTS.glob("*.mjs"):  # Node looks for packages next to the script
            shutil.copy(script, self.folder)
        return [node, str(self.folder / self.client.program)]


QUIET = {
    "NO_PROXY": "127.0.0.1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LANGSMITH_TRACING": "false",
    "AI_SDK_LOG_WARNINGS": "false",
}
"""Environment of the programs: nothing is sent elsewhere, nothing written beside the sources."""


def _read_lines(stream: IO[str], lines: "queue.Queue[str | None]") -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
