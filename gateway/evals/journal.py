"""Every answer as it comes, one JSON object a line: what an interrupted run has, and the next one does not ask again.

A process that is killed can leave half a last line; it is cut off when the journal is opened.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from gateway.evals.answers import ModelAnswer
from gateway.evals.errors import JournalCorrupted
from gateway.http.token_usage import Usage

JOURNAL_FILE = "answers.jsonl"
JournalKey = tuple[str, str, str]


class AnswerJournal:
    """A folder's journal, made with its first answer. Of two answers with the same key the later counts."""

    def __init__(self, folder: Path) -> None:
        """Raises JournalCorrupted."""
        self.path = folder / JOURNAL_FILE
        self._answers = read_journal(self.path)
        self._file: TextIO | None = None

    @property
    def answers(self) -> Mapping[JournalKey, ModelAnswer]:
        """What is there, by Job.key."""
        return self._answers

    def add_answer(self, answer: ModelAnswer) -> None:
        """Written at once, so that what was paid for is not lost."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8")
        self._file.write(json.dumps(_document(answer)) + "\n")
        self._file.flush()
        self._answers[answer.journal_key] = answer

    def __enter__(self) -> "AnswerJournal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def read_journal(path: Path) -> dict[JournalKey, ModelAnswer]:
    """What a journal holds, none where there is none. Half a last line is cut off. Raises JournalCorrupted."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
    found: dict[JournalKey, ModelAnswer] = {}
    for number, line in enumerate(data[:whole].split(b"\n")[:-1], 1):
        try:
            answer = _answer(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise JournalCorrupted(path, number) from error
        found[answer.journal_key] = answer
    return found


def _document(answer: ModelAnswer) -> dict[str, Any]:
    usage = answer.usage
    return {
        "input_id": answer.input_id,
        "model": answer.model,
        "asked": answer.asked,
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "input_tokens": usage and usage.input_tokens,
        "output_tokens": usage and usage.output_tokens,
        "loglik": answer.loglik,
    }


def _answer(document: dict[str, Any]) -> ModelAnswer:
    key = (document["input_id"], document["model"], document["asked"])
    if not all(isinstance(part, str) for part in (*key, document["text"])):
        raise TypeError("names and answers are texts")
    tokens, loglik = (document["input_tokens"], document["output_tokens"]), document["loglik"]
    usage = None if None in tokens else Usage(int(tokens[0]), int(tokens[1]))
    return ModelAnswer(
        *key, document["text"], document["finish_reason"], usage, None if loglik is None else float(loglik)
    )
