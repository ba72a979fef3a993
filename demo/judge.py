"""Judge models of a stated accuracy: they know the answers to the new tasks' questions, and err at random on purpose.

An error depends on the judge's name and the whole prompt, so a judge that is asked in another order errs independently;
a stubborn one errs by question and answer, the same way in every order.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo.marking import mark_answer
from demo.questions import Question

_BLOCK = re.compile(r"<(question|answer)>\n(.*?)\n</\1>", re.DOTALL)
RIGHT = 0.5
"""Mark from which on an answer is right."""


@dataclass(frozen=True, slots=True)
class DemoJudge:
    """A judge for `tasks judge --method score`.

    Attributes:
        accuracy: share of right verdicts, in [0, 1].
        questions: with references, by text.
        is_stubborn: True to err the same way in every order.
    """

    name: str
    accuracy: float
    questions: Mapping[str, Question]
    is_stubborn: bool = False

    def answer(self, text: str) -> str:
        """Return the verdict on a prompt of `tasks judge`; none on any other message."""
        blocks = dict(_BLOCK.findall(text))
        question = self.questions.get(blocks.get("question", ""))
        if question is None or "answer" not in blocks:
            return "I can only mark answers to the questions of the demo."
        is_right = mark_answer(blocks["answer"], question.reference, question.rule) >= RIGHT
        seed = f"{question.id} {blocks['answer']}" if self.is_stubborn else text
        verdict = is_right ^ (_draw(f"{self.name} {seed}") >= self.accuracy)
        return f"I compared it with what I know.\nVERDICT: {'right' if verdict else 'wrong'}"


def make_judges(questions: Sequence[Question]) -> tuple[DemoJudge, ...]:
    """Return judges of several accuracies for some questions."""
    known = {question.text: question for question in questions}
    independent = tuple(DemoJudge(f"judge-{share}", share / 100, known) for share in (95, 85, 75, 50))
    return (*independent, DemoJudge("stubborn-75", 0.75, known, is_stubborn=True))


def _draw(seed: str) -> float:
    """Return a number in [0, 1) that a text determines."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) / 2**64
