"""Inputs of a judged run, and the session file in its folder that makes a rerun ask the same.

The session names task, method, baseline and, where they come from the gateway, the inputs: what the gateway suggests
changes with every request and every label.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.evals.errors import ForeignSession
from gateway.evals.judging.prompts import JudgeMethod
from gateway.evals.questions import EvalQuestion, Grader

SESSION_FILE = "session.json"


def question_of(text: str, task: str) -> EvalQuestion:
    """Return an input without a reference, as one user message. Its ID depends on the text alone."""
    name = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return EvalQuestion(name, task, ({"role": "user", "content": text},), text, Grader.JUDGE)


@dataclass(frozen=True, slots=True)
class JudgeSession:
    """What a rerun must repeat.

    Attributes:
        baseline: the candidate that others are compared with; None for other methods.
        inputs: texts from the gateway; empty if they come from a file.
    """

    task: str
    method: JudgeMethod
    baseline: str | None = None
    inputs: tuple[str, ...] = ()

    def with_inputs(self, texts: Sequence[str]) -> "JudgeSession":
        """Add inputs, each once."""
        return replace(self, inputs=tuple(dict.fromkeys([*self.inputs, *texts])))

    def save_to(self, folder: Path) -> None:
        """Write the session file."""
        folder.mkdir(parents=True, exist_ok=True)
        document = {"task": self.task, "method": self.method, "baseline": self.baseline, "inputs": self.inputs}
        scratch = folder / f".{SESSION_FILE}"
        scratch.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
        scratch.replace(folder / SESSION_FILE)


def read_session(folder: Path, task: str, method: JudgeMethod) -> JudgeSession:
    """Read the session of a folder; a new one if there is none. Raises ForeignSession for another task or method."""
    path = folder / SESSION_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        baseline = None if found["baseline"] is None else str(found["baseline"])
        session = JudgeSession(
            str(found["task"]), JudgeMethod(found["method"]), baseline, tuple(map(str, found["inputs"]))
        )
    except FileNotFoundError:
        return JudgeSession(task, method)
    except (ValueError, LookupError, TypeError) as error:
        raise ForeignSession(
            f"{path} is not a session of `tasks judge`: choose another folder with --output"
        ) from error
    if (session.task, session.method) != (task, method):
        raise ForeignSession(
            f"{folder} contains a session of task {session.task} with method {session.method}: "
            f"choose another folder with --output, or that task and method"
        )
    return session
