"""What a pack is worth: leave-one-dataset-out over its own datasets, in the short form.

For each dataset, a model is chosen from the others' evidence and its real outcomes on the dataset are counted. Short
form: the (u, p) pairs of the other datasets, and the nearest inputs that `auto` learns from, were gathered with the
held-out one still in the benchmark, which a full evaluation would not allow; S1, S2, BMA and oracle are exact.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from routing.arrays import Embeddings
from routing.auto.fit import fit
from routing.auto.training_data import Ground, Noise
from routing.benchmark import Benchmark, order_on_average
from routing.calibration import Calibration, HeldOut, RoutingSettings
from routing.decision import decide
from routing.predictor import predict, predict_correct
from routing.scores import Score
from routing.task import Evidence, TaskState, task_scores


def leave_one_out(
    benchmark: Benchmark,
    vectors: Embeddings,
    held_out: list[HeldOut],
    calibration: Calibration,
    routing: RoutingSettings,
    ground: Ground,
) -> Mapping[str, Any]:
    """Macro accuracy of S1, S2, S3, auto, best on average and oracle, over the datasets, and the choices on each.

    vectors: (n_inputs, dim). held_out: every dataset with its neighbours outside it.
    """
    noise = Noise.of(benchmark.outcomes, benchmark.dataset_ids, len(benchmark.datasets))
    rows = [
        _dataset(benchmark, vectors, one, calibration, routing, ground.without(one.dataset, ground.near, noise))
        for one in held_out
        if one.near.shape[1]
    ]
    if not rows:
        return {"form": "short", "n_datasets": 0, "accuracy": {}, "datasets": []}
    accuracy = {name: float(np.mean([row["accuracy"][name] for row in rows])) for name in rows[0]["accuracy"]}
    return {"form": "short", "n_datasets": len(rows), "accuracy": accuracy, "datasets": rows}


def _dataset(
    benchmark: Benchmark,
    vectors: Embeddings,
    held_out: HeldOut,
    calibration: Calibration,
    routing: RoutingSettings,
    rest: Ground,
) -> dict[str, Any]:
    """rest: the ground without the dataset."""
    on_average = order_on_average(rest.averages)
    g = predict(benchmark.outcomes, held_out.near[:, : routing.k])
    evidence = Evidence(
        g,
        predict_correct(g, routing.threshold),
        held_out.near_distances.mean(axis=1),
        vectors[held_out.rows],
        predict(benchmark.outcomes, held_out.near[:, : routing.kappa]),
    )
    state = TaskState.of(evidence)
    scores = task_scores(
        state,
        benchmark.model_names,
        on_average,
        calibration.without(held_out.dataset),
        routing,
        state.prior(fit(rest, on_average), on_average),
    )
    known = np.nanmean(benchmark.outcomes[held_out.rows], axis=0)
    choices = {score.value: decide(scores, routing.eta, score=score).model for score in Score}
    choices["best_on_average"] = scores.models[0]
    choices["oracle"] = benchmark.model_names[int(np.nanargmax(known))]
    accuracy = {name: float(np.nan_to_num(known[benchmark.model_names.index(m)])) for name, m in choices.items()}
    return {
        "dataset": benchmark.datasets[held_out.dataset].name,
        "n": len(held_out.rows),
        "distance": scores.distance,
        "model": choices,
        "accuracy": accuracy,
    }
