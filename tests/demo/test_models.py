"""What the demo models can do, measured: all their answers to all questions, marked."""

from collections.abc import Iterable, Mapping

import numpy as np
import pytest

from demo import benchmark
from demo.datasets import DATASETS, SKILLS
from demo.marking import mark_answer
from demo.models import BY_NAME, GENERALIST, MODELS, SPECIALISTS
from demo.questions import Question
from demo.run import new_tasks
from demo.tasks import MADE_FOR
from routing.benchmark import order_on_average

Accuracies = Mapping[str, Mapping[str, float]]
"""dataset -> model -> mean mark"""


def _measured(questions: Iterable[Question]) -> Accuracies:
    marks: dict[str, dict[str, list[float]]] = {}
    for question in questions:
        for model in MODELS:
            got = mark_answer(model.answer(question.text), question.reference, question.rule)
            marks.setdefault(question.dataset, {}).setdefault(model.name, []).append(got)
    return {name: {model: float(np.mean(got)) for model, got in row.items()} for name, row in marks.items()}


@pytest.fixture(scope="module")
def on_datasets() -> Accuracies:
    return _measured(benchmark.make_questions())


@pytest.fixture(scope="module")
def on_tasks() -> Accuracies:
    return _measured(question for questions in new_tasks().values() for question in questions)


def _macro(rows: Accuracies, names: Iterable[str], model: str) -> float:
    return float(np.mean([rows[name][model] for name in names]))


def test_the_generalist_is_best_on_average(on_datasets: Accuracies) -> None:
    averages = np.array([[on_datasets[name][model.name] for model in MODELS] for name in DATASETS])
    assert MODELS[order_on_average(averages)[0]].name == GENERALIST
    assert 0.65 < _macro(on_datasets, DATASETS, GENERALIST) < 0.9


@pytest.mark.parametrize(("skill", "model"), SPECIALISTS.items())
def test_a_specialist_clearly_beats_the_generalist_in_its_field(
    skill: str, model: str, on_datasets: Accuracies
) -> None:
    assert _macro(on_datasets, SKILLS[skill], model) >= 0.95
    assert _macro(on_datasets, SKILLS[skill], model) >= _macro(on_datasets, SKILLS[skill], GENERALIST) + 0.1
    assert all(on_datasets[name][model] >= 0.75 for name in SKILLS[skill])


@pytest.mark.parametrize(("skill", "model"), SPECIALISTS.items())
def test_a_specialist_is_poor_outside_its_field(skill: str, model: str, on_datasets: Accuracies) -> None:
    elsewhere = [name for name in DATASETS if name not in SKILLS[skill]]
    assert _macro(on_datasets, elsewhere, model) < 0.15
    assert all(on_datasets[name][model] < on_datasets[name][GENERALIST] for name in elsewhere)


def test_pico_is_cheap_and_mediocre(on_datasets: Accuracies) -> None:
    assert 0.2 < _macro(on_datasets, DATASETS, "pico") < 0.45
    assert min(MODELS, key=lambda model: model.input_usd_per_mtok).name == "pico"


def test_the_generalist_is_by_far_the_dearest() -> None:
    others = [model for model in MODELS if model.name != GENERALIST]
    assert all(BY_NAME[GENERALIST].cost_usd(1000, 100) > 10 * model.cost_usd(1000, 100) for model in others)


@pytest.mark.parametrize(("task", "skill"), MADE_FOR.items())
def test_specialists_understand_tasks_whose_wording_they_have_never_seen(
    task: str, skill: str, on_tasks: Accuracies
) -> None:
    assert on_tasks[task][SPECIALISTS[skill]] >= 0.95
    assert on_tasks[task][SPECIALISTS[skill]] >= on_tasks[task][GENERALIST] + 0.1


@pytest.mark.parametrize("task", ["pub-quiz", "odd-jobs"])
def test_the_generalist_is_best_where_the_benchmark_cannot_help(task: str, on_tasks: Accuracies) -> None:
    assert max(on_tasks[task], key=lambda model: on_tasks[task][model]) == GENERALIST
