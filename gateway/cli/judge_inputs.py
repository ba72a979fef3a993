"""Inputs of `tasks judge`: from a file, or the texts that the gateway stores."""

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from gateway.cli.client import AdminClient
from gateway.cli.errors import InputsError, OptionError
from gateway.cli.inputs import SUFFIXES, InputFormat, read_inputs
from gateway.cli.terminal import print_note

if TYPE_CHECKING:
    from gateway.evals.judging.inputs import JudgeSession
    from gateway.evals.questions import EvalQuestion

MAX_INPUTS = 256
"""Inputs whose texts a gateway stores."""

LABELLED_MEMBERS = ("input", "messages")


def read_questions(path: Path, task: str, n: int) -> "tuple[EvalQuestion, ...]":
    """Read the first n inputs of a file: in the format of `bench run`, with references or without, or as `route` reads.

    Raises InputsError.
    """
    from gateway.evals.dataset import read_dataset
    from gateway.evals.errors import DatasetFaults
    from gateway.evals.judging.inputs import question_of

    if not _is_dataset(path):
        texts = dict.fromkeys(read_inputs(path))
        return tuple(question_of(text, task) for text in texts)[:n]
    try:
        return read_dataset(path, needs_references=False)[:n]
    except DatasetFaults as error:
        raise InputsError(str(error)) from error


def _is_dataset(path: Path) -> bool:
    if SUFFIXES.get(path.suffix) is InputFormat.TXT:
        return False
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
    try:
        value = json.loads(first.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and any(member in value for member in LABELLED_MEMBERS)


def add_suggestions(client: AdminClient, session: "JudgeSession", n: int) -> "JudgeSession":
    """Return the session with the inputs that the gateway suggests, until it has n. Raises OptionError without any."""
    if len(session.inputs) < n:
        path = f"/v1/tasks/{quote(session.task, safe='/')}/label-suggestions?n={MAX_INPUTS}"
        new = [row["input"] for row in client.send("GET", path)["data"]]
        missing = n - len(session.inputs)
        session = session.with_inputs([text for text in new if text not in session.inputs][:missing])
    if not session.inputs:
        raise OptionError(
            f"the gateway stores no input of {session.task} without a label; send requests, or use --inputs FILE"
        )
    if len(session.inputs) < n:
        print_note(f"{len(session.inputs)} inputs without a label are stored, {n} were requested")
    return session


def session_questions(session: "JudgeSession", n: int) -> "tuple[EvalQuestion, ...]":
    """Return the first n inputs of a session."""
    from gateway.evals.judging.inputs import question_of

    return tuple(question_of(text, session.task) for text in session.inputs[:n])
