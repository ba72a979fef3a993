"""The questions come from seeds, are all different, and the new tasks are worded unlike the datasets."""

import re

import pytest

from demo import benchmark
from demo.datasets import DATASETS, SKILLS
from demo.marking import MarkingRule, mark_answer
from demo.questions import Draft, generate_questions
from demo.reading import MONTHS
from demo.run import new_tasks
from demo.tasks import MADE_FOR, TASKS

TASK_QUESTIONS = [question for questions in new_tasks().values() for question in questions]


def test_there_are_several_hundred_questions_in_eight_or_more_datasets() -> None:
    questions = benchmark.make_questions()
    assert len({question.dataset for question in questions}) >= 8
    assert len(questions) >= 500
    assert sorted(name for names in SKILLS.values() for name in names) == sorted(DATASETS)
    assert set(MADE_FOR) <= set(TASKS)
    assert set(MADE_FOR.values()) == set(SKILLS)


def test_the_same_seed_gives_the_same_questions_and_another_seed_others() -> None:
    once, again, other = (generate_questions(DATASETS, seed, 20) for seed in (3, 3, 4))
    assert once == again
    shared = {question.text for question in once} & {question.text for question in other}
    assert len(shared) < len(once) / 4


def test_a_dataset_does_not_depend_on_the_others() -> None:
    few = {name: DATASETS[name] for name in ("weekdays", "sums")}
    assert set(generate_questions(few, 3, 10)) <= set(generate_questions(DATASETS, 3, 10))


def test_ids_and_texts_are_unique_over_benchmark_and_tasks() -> None:
    questions = [*benchmark.make_questions(), *TASK_QUESTIONS]
    assert len({question.id for question in questions}) == len(questions)
    texts = [question.text for question in questions if question.dataset != "odd-jobs"]
    assert len(set(texts)) == len(texts)


def test_the_reference_itself_gets_the_full_mark() -> None:
    for question in [*benchmark.make_questions(), *TASK_QUESTIONS]:
        assert mark_answer(question.reference, question.reference, question.rule) == 1, question


def test_a_maker_that_runs_out_of_questions_is_refused() -> None:
    with pytest.raises(ValueError, match="only 1 different questions, 2 wanted"):
        generate_questions({"one": lambda _: Draft("always the same", "1", MarkingRule.NUMBER)}, 0, 2)


def test_every_dataset_has_several_wordings() -> None:
    for name, maker in DATASETS.items():
        openings = {question.text.split()[0] for question in generate_questions({name: maker}, 1, 60)}
        assert len(openings) >= 3, name


def _four_grams(text: str) -> set[tuple[str, ...]]:
    """Runs of four words; numbers, dates and quotations, which vary within a template, are all alike."""
    masked = re.sub(rf"'[^']*'|\"[^\"]*\"|\d+ (?:{'|'.join(MONTHS)}) \d+", "#", text)
    words = ["#" if word[0] in "#0123456789" else word.lower() for word in re.findall(r"[#\w.°%$@-]+", masked)]
    return set(zip(words, words[1:], words[2:], words[3:], strict=False))


def test_new_tasks_share_no_templates_with_the_datasets() -> None:
    known = {gram for question in benchmark.make_questions() for gram in _four_grams(question.text)}
    for question in TASK_QUESTIONS:
        grams = _four_grams(question.text)
        assert len(grams & known) <= 0.25 * len(grams), question.text
    every = [gram for question in TASK_QUESTIONS for gram in _four_grams(question.text)]
    assert sum(gram in known for gram in every) / len(every) < 0.02
