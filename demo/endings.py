"""Language models with log-likelihoods of their answers, and multiple-choice questions for them.

The models learn from questions of the demo's datasets; they are asked to complete questions of the same kinds that
they have not seen. Each knows its own kinds best, and its log-likelihoods show it.

    python -m demo.endings 127.0.0.1 8102
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from demo.backend import serve
from demo.datasets import DATASETS, SKILLS
from demo.ngram import NGram
from demo.questions import Question, generate_questions

TRAINING_SEED, QUESTION_SEED = 1991, 2309
TEXTS_PER_DATASET = 80
N_CHOICES = 4
STEM_SHARE = 0.55


def models() -> tuple[NGram, ...]:
    """Build two models that know some kinds well, and a third, trained on all of them, with a short context."""
    texts = generate_questions(DATASETS, TRAINING_SEED, TEXTS_PER_DATASET)
    figures, words = _of(texts, "arithmetic", "units"), _of(texts, "dates", "passages", "strings")
    return (
        NGram("ngram-figures", 6, figures),
        NGram("ngram-words", 6, words),
        NGram("ngram-short", 2, [text.text for text in texts]),
    )


def questions(per_dataset: int) -> Iterator[dict[str, object]]:
    """Yield lines of a labelled file: beginnings, with the right ending among endings of other datasets' questions."""
    asked = generate_questions(DATASETS, QUESTION_SEED, per_dataset)
    draw = Random(QUESTION_SEED)
    endings = {question.id: _cut(question.text)[1] for question in asked}
    for question in asked:
        beginning, right = _cut(question.text)
        others = sorted({endings[other.id] for other in asked if other.dataset != question.dataset} - {right})
        choices = [right, *draw.sample(others, N_CHOICES - 1)]
        draw.shuffle(choices)
        yield {
            "id": question.id,
            "dataset": question.dataset,
            "input": beginning,
            "choices": choices,
            "reference": right,
        }


def write_questions(path: Path, per_dataset: int) -> None:
    """Write the questions to a file."""
    path.write_text("".join(f"{json.dumps(line)}\n" for line in questions(per_dataset)), encoding="utf-8")


def _of(texts: Sequence[Question], *skills: str) -> list[str]:
    wanted = {dataset for skill in skills for dataset in SKILLS[skill]}
    return [text.text for text in texts if text.dataset in wanted]


def _cut(text: str) -> tuple[str, str]:
    """Split a text after somewhat more than half of its words."""
    words = text.split()
    place = max(1, min(len(words) - 1, round(STEM_SHARE * len(words))))
    return " ".join(words[:place]), " ".join(words[place:])


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), models())
