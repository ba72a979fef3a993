"""Results of the demo: routing against best on average and the oracle, in accuracy and cost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demo.ask import MarkedAnswer
from demo.traffic import TaskTraffic


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure for routing, for the best model on average, and for the best model on the task."""

    routed: float
    best_on_average: float
    oracle: float


@dataclass(frozen=True, slots=True)
class TaskResult:
    """Result of one task.

    Attributes:
        model: of the last decision; likewise reason and why.
        n: inputs sent.
        u: distance to the benchmark.
        accuracy: in [0, 1], over all n inputs, cold start included.
        cost_usd: for all n inputs.
        oracle: the model that is best on the task.
        routed_to: model -> number of inputs it got.
        scores: per candidate {model, s1, s2, s3, p, n}.
        history: the decisions in order.
    """

    task: str
    model: str
    reason: str
    why: str
    n: int
    u: float | None
    accuracy: Comparison
    cost_usd: Comparison
    oracle: str
    routed_to: Mapping[str, int]
    scores: Sequence[Mapping[str, Any]]
    nearest_datasets: Sequence[Mapping[str, Any]]
    history: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Totals:
    """Results over all tasks, all inputs weighted equally."""

    n: int
    accuracy: Comparison
    cost_usd: Comparison


def task_result(traffic: TaskTraffic, asked: Sequence[MarkedAnswer], best_on_average: str) -> TaskResult:
    """Return one task's result. asked: every model's answers to the task's questions, asked directly."""
    explanation, decision = traffic.explanation, traffic.explanation["decision"]
    by_model = _by_model(asked)
    oracle = _best(by_model)
    compared = (by_model[best_on_average], by_model[oracle])
    models = [call.model for call in traffic.calls]
    return TaskResult(
        task=traffic.task,
        model=decision["model"],
        reason=decision["reason"],
        why=decision["why"],
        n=len(traffic.calls),
        u=explanation.get("u"),
        accuracy=Comparison(
            _mean([call.mark for call in traffic.calls]), *(_accuracy(answers) for answers in compared)
        ),
        cost_usd=Comparison(sum(call.cost_usd for call in traffic.calls), *(_cost(answers) for answers in compared)),
        oracle=oracle,
        routed_to={model: models.count(model) for model in dict.fromkeys(models)},
        scores=explanation["scores"],
        nearest_datasets=explanation.get("nearest_datasets", []),
        history=explanation["history"],
    )


def compute_totals(results: Sequence[TaskResult]) -> Totals:
    """Return the results of all tasks together."""
    n = sum(result.n for result in results)
    sums = [[getattr(result.accuracy, name) * result.n for result in results] for name in Comparison.__slots__]
    costs = [[getattr(result.cost_usd, name) for result in results] for name in Comparison.__slots__]
    return Totals(n, Comparison(*(sum(column) / max(n, 1) for column in sums)), Comparison(*map(sum, costs)))


def write_results(path: Path, results: Sequence[TaskResult], models: Mapping[str, Any]) -> None:
    """Write the results as JSON. models: further members, such as the best model on average."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"tasks": [asdict(result) for result in results], "totals": asdict(compute_totals(results)), **models}
    path.write_text(json.dumps(document, indent=2) + "\n")


def _by_model(asked: Sequence[MarkedAnswer]) -> dict[str, list[MarkedAnswer]]:
    found: dict[str, list[MarkedAnswer]] = {}
    for answer in asked:
        found.setdefault(answer.model, []).append(answer)
    return found


def _best(by_model: Mapping[str, Sequence[MarkedAnswer]]) -> str:
    """Return the most accurate model; of equals the cheapest."""
    return max(by_model, key=lambda model: (_accuracy(by_model[model]), -_cost(by_model[model])))


def _accuracy(answers: Sequence[MarkedAnswer]) -> float:
    return _mean([answer.mark for answer in answers])


def _cost(answers: Sequence[MarkedAnswer]) -> float:
    return sum(answer.cost_usd for answer in answers)


def _mean(marks: Sequence[float]) -> float:
    return sum(marks) / max(len(marks), 1)
