"""Results of a replay: accuracy and cost per task, routed, best on average and oracle.

Every dataset has the same weight in the means (macro). Costs are estimates: prices times tokens, an input counted as
four characters a token and every response as 100 tokens.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.replaying.checking import Check
from benchmarks.replaying.material import Task
from benchmarks.replaying.offline import Offline, Turn
from benchmarks.replaying.recording import ANSWER_TOKENS, prompt_tokens
from benchmarks.replaying.traffic import Sent
from demo.results import Comparison
from routing.arrays import Floats
from routing.benchmark import Model, dataset_averages


@dataclass(frozen=True, slots=True)
class Chosen:
    """A chosen model, and its accuracy over all of the task's inputs."""

    model: str
    accuracy: float


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of one task.

    Attributes:
        model: by the gateway, after the last of n inputs; as reason and u.
        accuracy: in [0, 1]; routed includes the cold start.
        cost_usd: of all n inputs; NaN where a price is unknown.
        scratch: eq. 6 once over all inputs.
        given: the same on the embeddings that came with the benchmark.
        given_difference: largest difference of its scores.
        largest_difference: between gateway and library, see `checking`; as differences.
    """

    task: str
    model: str
    reason: str
    n: int
    u: float
    accuracy: Comparison
    cost_usd: Comparison
    oracle: str
    routed_to: Mapping[str, int]
    history: Sequence[Turn]
    scratch: Chosen
    given: Chosen
    given_difference: Mapping[str, float]
    largest_difference: Mapping[str, float]
    differences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Compared:
    """The library's results for a task, and their difference from the gateway's."""

    offline: Offline
    check: Check
    given_model: str
    given_difference: Mapping[str, float]


def task_result(sent: Sent, compared: Compared, models: Sequence[Model], best_on_average: str) -> TaskResult:
    """Return one task's result. models: in the order of the outcome columns. best_on_average: m* of the rest."""
    task, offline = sent.task, compared.offline
    averages = _averages(task.outcomes)
    accuracy = {model.name: float(average) for model, average in zip(models, averages, strict=True)}
    oracle = models[int(np.nanargmax(averages))].name
    by_name = {model.name: model for model in models}
    routed = _averages(np.array([[call.outcome] for call in sent.calls]))
    routed_to = [call.model for call in sent.calls]
    return TaskResult(
        task=task.name,
        model=sent.account["decision"]["model"],
        reason=sent.account["decision"]["reason"],
        n=sent.account["n"],
        u=sent.account["u"],
        accuracy=Comparison(float(routed[0]), accuracy[best_on_average], accuracy[oracle]),
        cost_usd=Comparison(
            sum(_cost(by_name[call.model], call.prompt_tokens, call.completion_tokens) for call in sent.calls),
            *(_cost_of_all(by_name[name], task) for name in (best_on_average, oracle)),
        ),
        oracle=oracle,
        routed_to={model: routed_to.count(model) for model in dict.fromkeys(routed_to)},
        history=[Turn(row["version"], row["model"], row["reason"], row["n"]) for row in sent.account["history"]],
        scratch=Chosen(offline.scratch.model, accuracy[offline.scratch.model]),
        given=Chosen(compared.given_model, accuracy[compared.given_model]),
        given_difference=compared.given_difference,
        largest_difference=compared.check.largest,
        differences=compared.check.differences,
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """All tasks. accuracy, scratch, given: macro averages. cost_usd: of all n inputs."""

    n: int
    accuracy: Comparison
    cost_usd: Comparison
    scratch: float
    given: float
    largest_difference: Mapping[str, float]
    differences: int


def compute_totals(results: Sequence[TaskResult]) -> Totals:
    """Aggregate all tasks."""
    accuracies = [asdict(result.accuracy).values() for result in results]
    costs = [asdict(result.cost_usd).values() for result in results]
    largest = [result.largest_difference for result in results]
    return Totals(
        n=sum(result.n for result in results),
        accuracy=Comparison(*(_mean(column) for column in zip(*accuracies, strict=True))),
        cost_usd=Comparison(*(math.fsum(column) for column in zip(*costs, strict=True))),
        scratch=_mean([result.scratch.accuracy for result in results]),
        given=_mean([result.given.accuracy for result in results]),
        largest_difference={kind: max(one[kind] for one in largest) for kind in largest[0]},
        differences=sum(len(result.differences) for result in results),
    )


def write_results(path: Path, results: Sequence[TaskResult], about: Mapping[str, Any]) -> None:
    """Write the results as JSON. about: the benchmark and the options."""
    document = {"tasks": [asdict(result) for result in results], "totals": asdict(compute_totals(results)), **about}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_without_nan(document), indent=2, allow_nan=False) + "\n")


def _averages(outcomes: Floats) -> Floats:
    """Mean outcome of every column, (n_columns,), without missing ones. outcomes: (n_inputs, n_columns)."""
    return np.asarray(dataset_averages(outcomes, np.zeros(len(outcomes), dtype=np.int64), 1)[0])


def _cost(model: Model, asked: int, answered: int) -> float:
    if model.input_usd_per_mtok is None or model.output_usd_per_mtok is None:
        return math.nan
    return (asked * model.input_usd_per_mtok + answered * model.output_usd_per_mtok) / 1e6


def _cost_of_all(model: Model, task: Task) -> float:
    return math.fsum(_cost(model, prompt_tokens(text), ANSWER_TOKENS) for text in task.texts)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _without_nan(value: Any) -> Any:
    """Return the document with null for NaN and infinity, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
