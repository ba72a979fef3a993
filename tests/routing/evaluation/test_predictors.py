"""The systems beyond the kernel smoother on nearest neighbours: ATC, networks, log-likelihoods."""

from dataclasses import replace

import numpy as np
import pytest

from routing.arrays import Embeddings
from routing.benchmark import Benchmark
from routing.calibration import CalibrationSettings, RoutingSettings, hold_out_datasets
from routing.evaluation.evaluate import PREDICTORS, EvaluationPlan, evaluate_pool
from routing.evaluation.fold import LabelSample
from routing.evaluation.knn_folds import FoldInputs, build_knn_folds
from routing.evaluation.mlp_folds import build_mlp_folds, group_datasets
from routing.evaluation.results import Evaluation
from routing.mlp import MlpSettings
from routing.neighbours.exact import ExactIndex
from routing.predictor import predict_correct, predict_outcomes, prediction_accuracy

ROUTING, UNMIXED = RoutingSettings(), CalibrationSettings(alphas=(0.0,))
SMALL = MlpSettings(hidden=32, epochs=10, batch=32)


def material(benchmark: Benchmark, vectors: Embeddings) -> FoldInputs:
    found = list(hold_out_datasets(vectors, benchmark.dataset_ids, len(benchmark.datasets), 64))
    return FoldInputs(benchmark, vectors, found, ROUTING, UNMIXED, lambda what, done, total: None)


def test_thresholds_are_those_of_a_benchmark_without_the_dataset(benchmark_: Benchmark, vectors: Embeddings) -> None:
    """Every input predicted from the nearest others; here found anew on what is left."""
    (folds,) = build_knn_folds(material(benchmark_, vectors), [benchmark_])
    smaller, rows = benchmark_.without_datasets(["b1"])
    near, _ = ExactIndex(vectors[rows]).find_nearest(vectors[rows], ROUTING.k + 1)
    g = predict_outcomes(smaller.outcomes, near[:, 1:])  # the nearest of all is the input itself
    accuracy = prediction_accuracy(predict_correct(g), smaller.correct_outcomes())
    cuts = folds[2].cuts
    above = (np.maximum(g, 1 - g) >= cuts).mean(axis=0)
    levels = (np.maximum(g, 1 - g)[:, :, None] >= np.array([0.6, 0.8, 1.0, np.inf])).mean(axis=0)
    np.testing.assert_allclose(np.abs(above - accuracy), np.abs(levels - accuracy[:, None]).min(axis=1), atol=1e-12)


def test_networks_never_see_the_held_out_dataset(benchmark_: Benchmark, vectors: Embeddings) -> None:
    """Whatever the outcomes on a dataset are, its own fold's scores, pairs and thresholds stay what they were."""
    other = benchmark_.outcomes.copy()
    other[benchmark_.dataset_rows("a1")] = 1 - other[benchmark_.dataset_rows("a1")]
    changed = replace(benchmark_, outcomes=other)
    before, after = (build_mlp_folds(material(one, vectors), SMALL, groups=2)[0] for one in (benchmark_, changed))
    nothing = LabelSample(0.0, 0, np.empty(0, dtype=np.int64), np.arange(40))
    near = material(benchmark_, vectors).found[0]
    for fold in (before, after):
        assert fold.held_out.dataset == 0
        assert sorted(fold.calibration.dataset_ids) == [1, 2, 3]
    np.testing.assert_array_equal(before.predict(nothing, near), after.predict(nothing, near))  # type: ignore[arg-type]
    np.testing.assert_array_equal(before.calibration.accuracies, after.calibration.accuracies)
    np.testing.assert_array_equal(before.calibration.distances, after.calibration.distances)
    np.testing.assert_array_equal(before.cuts, after.cuts)


def test_labelled_inputs_teach_the_network_of_their_fold(benchmark_: Benchmark, vectors: Embeddings) -> None:
    """With all its neighbours away, what a1 is like can only be learnt from labels."""
    fold = build_mlp_folds(material(benchmark_, vectors), SMALL, groups=2)[0]
    near, places = fold.held_out, np.arange(40)
    without = fold.predict(LabelSample(0.0, 0, places[:0], places[20:]), near)  # type: ignore[arg-type]
    labelled = fold.predict(LabelSample(0.5, 0, places[:20], places[20:]), near)  # type: ignore[arg-type]
    assert without.shape == labelled.shape == (20, 4)
    assert (without != labelled).any()


def test_groups_hold_every_dataset_once_and_about_as_many_inputs() -> None:
    groups = group_datasets([10, 500, 20, 400, 30], 2)
    assert sorted(dataset for group in groups for dataset in group) == [0, 1, 2, 3, 4]
    assert groups == [[0, 1, 4], [2, 3]]
    assert group_datasets([5, 5], 5) == [[0], [1]]


@pytest.fixture(scope="module")
def by_network(benchmark_: Benchmark, vectors: Embeddings) -> Evaluation:
    return evaluate_pool(benchmark_, vectors, EvaluationPlan(predictor="mlp", systems=PREDICTORS["mlp"]))


@pytest.mark.slow
def test_every_system_is_judged_with_networks_too(by_network: Evaluation) -> None:
    rows = {row.system: row for row in by_network.rows}
    assert {"S1", "S2", "S3", "S3_true_p", "S3_atc", "BMA", "oracle", "honest_oracle", "random"} == set(rows)
    assert {row.predictor for row in by_network.rows} == {"mlp"}
    assert rows["oracle"].accuracy >= rows["S1"].accuracy > rows["BMA"].accuracy
    (quality,) = by_network.quality
    assert quality.accuracy > 0.7
    assert 0 <= quality.mae_of_p < 0.5
    assert 0 <= quality.mae_of_atc < 0.5


def test_log_likelihoods_choose_where_a_benchmark_has_them(benchmark_: Benchmark, vectors: Embeddings) -> None:
    """`left` is the likeliest on a1 and a2, `poor` elsewhere; NaN is left out."""
    loglik = np.full((160, 4), -2.0)
    loglik[benchmark_.dataset_ids < 2, 0] = -1.0
    loglik[benchmark_.dataset_ids >= 2, 3] = -0.5
    loglik[3, :] = np.nan
    done = evaluate_pool(
        replace(benchmark_, loglik=loglik), vectors, EvaluationPlan(per_input=True), calibration=UNMIXED
    )
    chosen = {choice.dataset: choice.model for choice in done.choices if choice.system == "LL"}
    assert chosen == {"a1": "left", "a2": "left", "b1": "poor", "b2": "poor"}
    assert any(one.system == "LL" for one in done.sparse)
    without = evaluate_pool(benchmark_, vectors, EvaluationPlan(), calibration=UNMIXED)
    assert not [choice for choice in without.choices if choice.system == "LL"]


def test_choosing_input_by_input_is_cut_by_distance(benchmark_: Benchmark, vectors: Embeddings) -> None:
    done = evaluate_pool(benchmark_, vectors, EvaluationPlan(per_input=True), calibration=UNMIXED)
    asked = [one for one in done.sparse if one.system == "S1"]
    assert [one.share for one in asked] == sorted(one.share for one in asked)
    assert asked[-1].share == 1
    assert [one.cutoff for one in asked] == sorted(one.cutoff for one in asked)
    assert {one.system for one in done.sparse} == {"S1", "BMA", "random", "oracle"}
