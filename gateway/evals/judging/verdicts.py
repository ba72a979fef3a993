"""Verdicts of a judge: strict parsing, and retries of those that cannot be parsed.

Only the last line counts, and only if it is exactly one of those that the prompt asks for. Otherwise the judge is
reminded of them, at most MAX_REMINDERS times; after that there is no verdict. A reminder continues the conversation, so
that each has a key of its own in the journal and a run resumes at any request.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.evals.answers import JournalKey, ModelAnswer
from gateway.evals.judging.prompts import MAX_SCORE, JudgeMethod, expected_lines
from gateway.evals.marking import parse_verdict
from gateway.evals.questions import EvalRequest

MAX_REMINDERS = 2

_PAIR = re.compile(r"^VERDICT: (first|second|tie)\Z", re.MULTILINE)
_SCORE = re.compile(r"^SCORE: (10|[0-9])\Z", re.MULTILINE)
_PAIR_VALUES = {"first": 1.0, "second": 0.0, "tie": 0.5}


def parse_pair(text: str) -> float | None:
    """Parse a comparison: 1 for the first answer, 0 for the second, 0.5 for a tie; None for an invalid last line."""
    found = _PAIR.search(text.strip())
    return None if found is None else _PAIR_VALUES[found.group(1)]


def parse_score(text: str) -> float | None:
    """Parse a score, scaled to [0, 1]; None for an invalid last line."""
    found = _SCORE.search(text.strip())
    return None if found is None else int(found.group(1)) / MAX_SCORE


PARSERS: Mapping[JudgeMethod, Callable[[str], float | None]] = {
    JudgeMethod.SCORE: parse_verdict,
    JudgeMethod.PAIRWISE: parse_pair,
    JudgeMethod.RUBRIC: parse_score,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """State of a verdict.

    Attributes:
        value: in [0, 1]; None if there is none.
        pending: the request that would give it, None if nothing is left to ask.
        calls: answered requests so far.
    """

    value: float | None
    pending: EvalRequest | None
    calls: int

    @property
    def is_unreadable(self) -> bool:
        """Return True if the judge answered, and no answer could be parsed."""
        return self.value is None and self.pending is None


def follow_verdict(request: EvalRequest, method: JudgeMethod, answers: Mapping[JournalKey, ModelAnswer]) -> Verdict:
    """Return the state of a verdict by the answers so far. request: the first one of it."""
    for calls in range(1 + MAX_REMINDERS):
        answer = answers.get(request.journal_key)
        if answer is None:
            return Verdict(None, request, calls)
        value = PARSERS[method](answer.text)
        if value is not None:
            return Verdict(value, None, calls + 1)
        request = remind(request, method, answer.text)
    return Verdict(None, None, 1 + MAX_REMINDERS)


def remind(request: EvalRequest, method: JudgeMethod, answer: str) -> EvalRequest:
    """Return the request that follows an answer that cannot be parsed."""
    text = (
        f"Your last line is none of the expected ones. Reply with one of these lines alone:\n\n{expected_lines(method)}"
    )
    more = ({"role": "assistant", "content": answer}, {"role": "user", "content": text})
    return EvalRequest(request.input_id, request.model, (*request.messages, *more), request.settings)
