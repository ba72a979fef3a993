"""Report of a pack: the gain on new and known tasks, and the score to lead with, measured on its own datasets.

The same evaluation as `benchroute evaluate` makes (routing.evaluation.regimes), after all of a task's inputs and
after the few that the recommendation looks at, without controls.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from routing.arrays import Embeddings
from routing.auto.training_data import TrainingData
from routing.auto.twins import find_twins
from routing.benchmark import Benchmark
from routing.calibration import CalibrationSettings, HeldOutDataset, RoutingSettings
from routing.evaluation.regimes.reference import NO_PAIRS, MeasuredBenchmark, Reference
from routing.evaluation.regimes.results import BMA, ORACLE, RegimeEvaluation, TaskRow
from routing.evaluation.regimes.run import MAX_NEIGHBOURS, RECOMMENDING, RegimePlan, evaluate_regimes, learn_folds
from routing.evaluation.regimes.serialise import summarise_regimes
from routing.neighbours.grouped import GroupedLists

REPORT_NEIGHBOURS = MAX_NEIGHBOURS
"""Neighbours of each input that a report should be given."""

REPORT_PLAN = RegimePlan(("new", "known"), RECOMMENDING, controls=False)

NAMES = {"s1": "S1", "s2": "S2", "s3": "S3", "auto": "auto", "best_on_average": BMA, "oracle": ORACLE}
"""Name in `accuracy` and `datasets` -> the system."""


def build_report(
    benchmark: Benchmark,
    embedded: tuple[Embeddings, Embeddings],
    held_out: Sequence[HeldOutDataset],
    routing: RoutingSettings,
    settings: CalibrationSettings,
    training_data: TrainingData,
    lists: GroupedLists | None = None,
) -> Mapping[str, Any]:
    """Return the content of report.json: `regimes` and the recommendation (routing.evaluation.regimes.results), the
    macro accuracy on new tasks after all inputs, the choices on each of them, and twins.

    embedded: vectors of the benchmark, and of the same inputs as tasks embed them, both (n_inputs, dim). held_out:
    every dataset with the nearest of its inputs outside it, as tasks embed them. lists: of the benchmark's vectors,
    where it is so large that `held_out` is a sample of its inputs: the report is then measured on a sample, and says
    of how many in `sample`.
    """
    whole = learn_folds(benchmark, embedded, held_out, routing, settings, training_data, lists=lists)
    evaluation = evaluate_regimes(whole, settings, REPORT_PLAN)
    measured, n = sum(len(one.rows) for one in held_out), benchmark.n_inputs
    return {
        "form": "short",
        **({"sample": {"n_measured": measured, "n_inputs": n}} if measured < n else {}),
        **_new_tasks(evaluation),
        **summarise_regimes(evaluation),
        "twins": name_twins(benchmark, training_data, routing),
    }


def name_twins(benchmark: Benchmark, training_data: TrainingData, routing: RoutingSettings) -> list[dict[str, Any]]:
    """Return the datasets that embeddings cannot tell apart although their winners differ, most at stake first.

    at_stake: points lost on the first by the winner of the second.
    """
    # Of all models: which of them a gateway routes to is not known when a pack is built.
    reference = Reference.from_training_data(MeasuredBenchmark.of(benchmark), training_data, NO_PAIRS, routing)
    names = [benchmark.model_names[column] for column in reference.columns]
    return [
        {
            "datasets": [benchmark.datasets[one].name for one in (twins.first, twins.second)],
            "winners": [names[twins.first_winner], names[twins.second_winner]],
            "confusion": twins.confusion,
            "at_stake": 100 * twins.at_stake,
        }
        for twins in find_twins(reference.fit)
    ]


def _new_tasks(evaluation: RegimeEvaluation) -> dict[str, Any]:
    """Return accuracy and choices on every dataset held out."""
    found = [result for result in evaluation.results if result.regime == "new" and result.n is None]
    if not found:
        return {"n_datasets": 0, "accuracy": {}, "datasets": []}
    (result,) = found
    accuracy = {name: result.systems[system].accuracy for name, system in NAMES.items()}
    return {"n_datasets": result.n_tasks, "accuracy": accuracy, "datasets": [_dataset(row) for row in result.tasks]}


def _dataset(row: TaskRow) -> dict[str, Any]:
    return {
        "dataset": row.task,
        "n": row.n,
        "distance": row.distance,
        "model": {name: row.choices[system] for name, system in NAMES.items()},
        "accuracy": {name: row.accuracy[system] for name, system in NAMES.items()},
    }
