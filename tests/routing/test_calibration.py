"""The predictor, the pairs (u, p) and their smoother, by hand."""

import numpy as np
import pytest

from routing.arrays import Embeddings
from routing.benchmark import Benchmark
from routing.calibration import (
    Calibration,
    CalibrationSettings,
    RoutingSettings,
    calibrate_reliability,
    hold_out_datasets,
)
from routing.predictor import predict_correct, predict_outcomes, prediction_accuracy

NAN = np.nan


def test_g_is_the_mean_of_what_is_known_of_the_neighbours() -> None:
    outcomes = np.array([[1.0, NAN], [0.0, NAN], [0.5, 1.0]])
    rows = np.array([[0, 1, 2], [0, 1, 1]])
    np.testing.assert_array_equal(predict_outcomes(outcomes, rows), [[0.5, 1.0], [1 / 3, NAN]])


def test_g_bar_is_strictly_above_the_threshold() -> None:
    np.testing.assert_array_equal(predict_correct(np.array([[0.5, 0.6, NAN]])), [[0.0, 1.0, NAN]])
    np.testing.assert_array_equal(predict_correct(np.array([[0.5]]), 0.4), [[1.0]])


def test_accuracy_counts_only_what_is_known_on_both_sides() -> None:
    g_bar = np.array([[1.0, 1.0, NAN], [0.0, NAN, NAN], [1.0, 0.0, 1.0]])
    correct = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.0, NAN]])
    np.testing.assert_array_equal(prediction_accuracy(g_bar, correct), [2 / 3, 0.5, NAN])


def pairs(distances: list[float], accuracies: list[list[float]], weights: list[float]) -> Calibration:
    return Calibration(np.array(distances), np.array(accuracies), np.array(weights), np.arange(len(weights)))


def test_the_smoother_of_two_pairs_by_hand() -> None:
    made = pairs([0.2, 0.4], [[0.9], [0.5]], [1.0, 1.0])
    assert made.reliability_at(0.3, 0.1) == pytest.approx([0.7])
    near, far = 1.0, np.exp(-(0.2**2) / (2 * 0.1**2))
    assert made.reliability_at(0.2, 0.1) == pytest.approx([(0.9 * near + 0.5 * far) / (near + far)])
    assert pairs([0.2, 0.4], [[0.9], [0.5]], [3.0, 1.0]).reliability_at(0.3, 0.1) == pytest.approx([0.8])


def test_a_task_far_from_every_pair_gets_the_nearest_ones_accuracy() -> None:
    assert pairs([0.2, 0.4], [[0.9], [0.5]], [1, 1]).reliability_at(2.0, 0.01) == pytest.approx([0.5])


def test_a_model_without_pairs_is_as_good_as_a_coin() -> None:
    made = pairs([0.2, 0.4], [[0.9, NAN], [0.5, NAN]], [1, 1])
    assert made.reliability_at(0.2, 0.09)[1] == 0.5
    known_once = pairs([0.2, 0.4], [[0.9, NAN], [0.5, 0.8]], [1, 1])
    assert known_once.reliability_at(0.2, 0.09)[1] == pytest.approx(0.8)


def test_a_datasets_own_pairs_can_be_left_out() -> None:
    made = pairs([0.2, 0.4], [[0.9], [0.5]], [1, 1]).without_dataset(0)
    assert (made.distances.tolist(), made.dataset_ids.tolist()) == ([0.4], [1])


@pytest.fixture(scope="module")
def made(vectors: Embeddings, benchmark_: Benchmark) -> Calibration:
    held_out = list(hold_out_datasets(vectors, benchmark_.dataset_ids, 4, 19))
    settings = CalibrationSettings(alphas=(0.0, 0.01, 0.1, 0.35), repeats=3)
    return calibrate_reliability(vectors, benchmark_, held_out, RoutingSettings(), settings)


def test_a_share_that_moves_nothing_is_computed_once_and_counts_for_all_repeats(made: Calibration) -> None:
    """Of 40 inputs, 0 and 0.01 move none; 0.1 moves 4 and 0.35 moves 14, three times each."""
    of_first = made.dataset_ids == 0
    assert made.weights[of_first].tolist() == [3, 3, 1, 1, 1, 1, 1, 1]
    assert made.weights.sum() == 4 * 4 * 3


def test_the_first_pair_is_the_held_out_datasets_by_hand(
    made: Calibration, vectors: Embeddings, benchmark_: Benchmark
) -> None:
    rows, others = np.arange(40), np.arange(40, 160)
    distances = 1 - vectors[rows].astype(np.float64) @ vectors[others].T.astype(np.float64)
    order = np.argsort(distances, axis=1, kind="stable")
    u = np.take_along_axis(distances, order[:, :19], axis=1).mean()
    assert made.distances[0] == pytest.approx(u, abs=1e-6)
    g = benchmark_.outcomes[others][order[:, :5]].mean(axis=1)
    np.testing.assert_allclose(made.accuracies[0], ((g > 0.5) == benchmark_.correct_outcomes()[rows]).mean(axis=0))


def test_moving_inputs_into_the_benchmark_brings_the_rest_nearer(made: Calibration) -> None:
    of_first = made.distances[made.dataset_ids == 0]
    assert of_first[-1] < of_first[2] < of_first[0]


def test_no_more_than_the_cap_is_moved(vectors: Embeddings, benchmark_: Benchmark) -> None:
    held_out = list(hold_out_datasets(vectors, benchmark_.dataset_ids, 4, 19))
    capped = CalibrationSettings(alphas=(0.1,), repeats=2, cap=4)
    uncapped = CalibrationSettings(alphas=(0.35,), repeats=2, cap=4)
    four = calibrate_reliability(vectors, benchmark_, held_out, RoutingSettings(), capped)
    many = calibrate_reliability(vectors, benchmark_, held_out, RoutingSettings(), uncapped)
    np.testing.assert_array_equal(four.distances, many.distances)


def test_one_dataset_alone_gives_no_pair_where_nothing_is_moved(vectors: Embeddings, benchmark_: Benchmark) -> None:
    alone, rows = benchmark_.without_datasets(["a2", "b1", "b2"])
    held_out = list(hold_out_datasets(vectors[rows], alone.dataset_ids, 1, 19))
    none = calibrate_reliability(vectors[rows], alone, held_out, RoutingSettings(), CalibrationSettings(alphas=(0.0,)))
    assert none.distances.shape == (0,)
    assert none.accuracies.shape == (0, 4)


def test_the_pairs_of_some_models_smooth_as_those_of_all_do() -> None:
    made = pairs([0.2, 0.4, 0.5], [[0.9, NAN, 0.1], [0.5, 0.8, 0.4], [0.6, NAN, 0.2]], [1, 2, 1])
    some = made.select_models([2, 1]).reliability_at(0.3, 0.09)
    assert some == pytest.approx(made.reliability_at(0.3, 0.09)[[2, 1]])
    assert len(pairs([], [], []).select_models([0]).distances) == 0
