"""Questions, and their generation from a seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from demo.marking import MarkingRule

DUPLICATES_ALLOWED = 1000


@dataclass(frozen=True, slots=True)
class Draft:
    """A question as drawn by a maker.

    Attributes:
        text: the question.
        reference: the right answer.
        rule: rule of grading.
    """

    text: str
    reference: str
    rule: MarkingRule


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a dataset or of a new task. `id` is unique over the whole benchmark."""

    id: str
    dataset: str
    text: str
    reference: str
    rule: MarkingRule


Maker = Callable[[Random], Draft]
"""Draws one question."""


def generate_questions(makers: Mapping[str, Maker], seed: int, n_each: int) -> tuple[Question, ...]:
    """Return n_each questions of every maker, no text twice. The same seed gives the same questions.

    Every dataset draws from a generator of its own, so adding one leaves the others unchanged.
    """
    return tuple(question for name, maker in makers.items() for question in _dataset(name, maker, seed, n_each))


def _dataset(name: str, maker: Maker, seed: int, n: int) -> list[Question]:
    generator = Random(f"{seed}/{name}")
    drafts: dict[str, Draft] = {}
    for _ in range(n + DUPLICATES_ALLOWED):
        if len(drafts) == n:
            break
        draft = maker(generator)
        drafts.setdefault(draft.text, draft)
    if len(drafts) < n:
        raise ValueError(f"{name}: only {len(drafts)} different questions, {n} wanted")
    return [
        Question(f"{name}-{place:03d}", name, draft.text, draft.reference, draft.rule)
        for place, draft in enumerate(drafts.values())
    ]
