"""The library against an independent implementation on a real benchmark, where that lies beside the checkout.

Many inputs of that benchmark have the very same embedding. Where such duplicates tie at the cut of the k nearest,
which of them is taken is a convention, and the other implementation's is not ours (the higher row). For those inputs
every choice among the tied is admitted; everything else must agree.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routing.arrays import Floats
from routing.benchmark import Benchmark, order_on_average
from routing.calibration import HeldOutDataset, hold_out_datasets
from routing.neighbours import TIE_DECIMALS
from routing.neighbours.exact import ExactIndex
from routing.neighbours.hnsw import HnswIndex
from routing.predictor import predict_correct, predict_outcomes, prediction_accuracy
from routing.tidy import GivenEmbeddings, read_benchmark, read_embeddings

SHARED = Path(__file__).parents[3] / "shared"
FOLDER, GOLDEN = SHARED / "benchmarks" / "openllm_v2", SHARED / "golden" / "openllm_v2_carrot.json"
K = 5

pytestmark = [
    pytest.mark.skipif(not GOLDEN.exists(), reason="the reference benchmark does not lie beside the checkout"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return dict(json.loads(GOLDEN.read_text()))


@pytest.fixture(scope="module")
def real(golden: Mapping[str, Any]) -> Benchmark:
    return read_benchmark(FOLDER).select_models(golden["models"])


@pytest.fixture(scope="module")
def given(real: Benchmark) -> GivenEmbeddings:
    embeddings = read_embeddings(FOLDER, real.n_inputs)
    assert embeddings is not None
    return embeddings


@pytest.fixture(scope="module")
def held_out(real: Benchmark, given: GivenEmbeddings) -> list[HeldOutDataset]:
    return list(hold_out_datasets(given.vectors, real.dataset_ids, len(real.datasets), 64))


def tied_at_the_cut(one: HeldOutDataset) -> Floats:
    """Whether an input's k-th and next neighbour are equally near. (n_inputs,)"""
    near = np.round(one.near_distances, TIE_DECIMALS)
    return np.asarray(near[:, K - 1] == near[:, K])


def admitted(one: HeldOutDataset, real: Benchmark, correct: Floats) -> dict[str, tuple[Floats, Floats]]:
    """The least and the largest S1, S2 and true p over all choices among equally near neighbours. (n_models,) each."""
    low_g, high_g = (np.empty((len(one.rows), len(real.models))) for _ in range(2))
    for row, (near, distances) in enumerate(zip(one.near, np.round(one.near_distances, TIE_DECIMALS), strict=True)):
        sure = real.outcomes[near[distances < distances[K - 1]]].sum(axis=0)
        tied = np.sort(real.outcomes[near[distances == distances[K - 1]]], axis=0)
        places = K - int((distances < distances[K - 1]).sum())
        low_g[row], high_g[row] = (sure + tied[:places].sum(axis=0)) / K, (sure + tied[::-1][:places].sum(axis=0)) / K
    low, high = predict_correct(low_g), predict_correct(high_g)
    certain, truth = low == high, correct[one.rows]
    right = (low == truth) & certain
    return {
        "S1": (low_g.mean(axis=0), high_g.mean(axis=0)),
        "S2": (low.mean(axis=0), high.mean(axis=0)),
        "p_true": (right.mean(axis=0), (right | ~certain).mean(axis=0)),
    }


def test_every_score_agrees_with_the_independent_implementation(
    golden: Mapping[str, Any], real: Benchmark, held_out: list[HeldOutDataset], record_property: Any
) -> None:
    correct, averages = real.correct_outcomes(), real.dataset_averages()
    untied: list[Floats] = []
    tied: list[Floats] = []
    outside: list[Floats] = []
    for one in held_out:
        expected = golden["datasets"][real.datasets[one.dataset].name]
        assert one.near_distances[:, :19].mean() == pytest.approx(expected["u"], abs=1e-5)
        np.testing.assert_allclose(averages[one.dataset], expected["accuracy"], atol=1e-4)
        g = predict_outcomes(real.outcomes, one.near[:, :K])
        g_bar = predict_correct(g)
        ours = {"S1": g.mean(axis=0), "S2": g_bar.mean(axis=0), "p_true": prediction_accuracy(g_bar, correct[one.rows])}
        has_ties, bounds = tied_at_the_cut(one).any(), admitted(one, real, correct)
        for name, values in ours.items():
            theirs = np.array(expected[name])
            (tied if has_ties else untied).append(np.abs(values - theirs))
            low, high = bounds[name]
            outside.append(np.maximum(0, np.maximum(low - theirs, theirs - high)))
    assert np.max(untied) < 1e-4
    assert np.max(outside) < 1e-4
    assert np.mean(tied + untied) < 2e-3
    record_property("largest difference, no ties", float(np.max(untied)))
    record_property("largest difference, ties", float(np.max(tied)))
    record_property("mean difference", float(np.mean(tied + untied)))


def test_the_best_model_on_average_is_the_same(golden: Mapping[str, Any], real: Benchmark) -> None:
    for name, best in golden["best_on_average"].items():
        smaller, _ = real.without_datasets([name])
        assert real.model_names[order_on_average(smaller.dataset_averages())[0]] == best


@pytest.mark.slow
def test_hnsw_finds_what_exact_search_finds(real: Benchmark, given: GivenEmbeddings) -> None:
    """recall@19 of at least 0.99 and every S within 0.01, task by task."""
    for name in ("bbh_sports_understanding", "mmlu_pro_law", "math_algebra_hard"):
        smaller, rows = real.without_datasets([name])
        queries, vectors = given.vectors[real.dataset_rows(name)], given.vectors[rows]
        exact_rows, exact_distances = ExactIndex(vectors).find_nearest(queries, 19)
        found_rows, found_distances = HnswIndex.build_index(vectors).find_nearest(queries, 19)
        # A duplicate in another's place is as near and counts as found.
        recall = np.mean(np.round(found_distances, TIE_DECIMALS) <= np.round(exact_distances[:, -1:], TIE_DECIMALS))
        assert recall >= 0.99
        g, found_g = (
            predict_outcomes(smaller.outcomes, exact_rows[:, :K]),
            predict_outcomes(smaller.outcomes, found_rows[:, :K]),
        )
        np.testing.assert_allclose(found_g.mean(axis=0), g.mean(axis=0), atol=0.01)
        np.testing.assert_allclose(predict_correct(found_g).mean(0), predict_correct(g).mean(0), atol=0.01)
