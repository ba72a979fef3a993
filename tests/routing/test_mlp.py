"""The network as a correctness predictor, on skills that the embedding tells apart."""

import numpy as np
import pytest

from routing.arrays import Embeddings, Floats
from routing.benchmark import Benchmark
from routing.errors import TrainingError
from routing.mlp import MlpSettings, train_mlp

SMALL = MlpSettings(hidden=64, epochs=20, batch=32)


def accuracy(g: Floats, outcomes: Floats) -> float:
    return float(((g > 0.5) == (outcomes > 0.5)).mean())


def test_a_network_learns_who_is_good_at_what(benchmark_: Benchmark, vectors: Embeddings) -> None:
    network = train_mlp(vectors, benchmark_.outcomes, SMALL)
    g = network.predict_outcomes(vectors)
    assert g.shape == benchmark_.outcomes.shape
    assert ((g >= 0) & (g <= 1)).all()
    a, b = benchmark_.dataset_rows("a1"), benchmark_.dataset_rows("b1")
    assert g[a, 0].mean() > 0.8 > 0.3 > g[b, 0].mean()
    assert g[b, 1].mean() > 0.8 > 0.3 > g[a, 1].mean()


def test_one_network_for_all_models_predicts_as_well_as_one_each(benchmark_: Benchmark, vectors: Embeddings) -> None:
    learnt, unseen = np.arange(0, 160, 2), np.arange(1, 160, 2)
    together = train_mlp(vectors[learnt], benchmark_.outcomes[learnt], SMALL).predict_outcomes(vectors[unseen])
    apart = np.concatenate(
        [
            train_mlp(vectors[learnt], benchmark_.outcomes[learnt][:, [model]], SMALL).predict_outcomes(vectors[unseen])
            for model in range(4)
        ],
        axis=1,
    )
    truth = benchmark_.outcomes[unseen]
    assert accuracy(together, truth) == pytest.approx(accuracy(apart, truth), abs=0.05)
    assert accuracy(together, truth) > 0.75


def test_the_same_arguments_give_the_same_network(benchmark_: Benchmark, vectors: Embeddings) -> None:
    first, again = (train_mlp(vectors, benchmark_.outcomes, SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.predict_outcomes(vectors), again.predict_outcomes(vectors))
    assert (first.held_back == again.held_back).all()


def test_a_tenth_is_held_back_and_training_stops_when_that_gets_no_better(
    benchmark_: Benchmark, vectors: Embeddings
) -> None:
    network = train_mlp(vectors, benchmark_.outcomes, MlpSettings(hidden=64, epochs=100, patience=3, batch=32))
    assert len(network.held_back) == 16
    assert network.epochs < 100
    assert 0.5 < network.accuracy <= 1


def test_a_missing_outcome_teaches_nothing(benchmark_: Benchmark, vectors: Embeddings) -> None:
    """A hole is neither right nor wrong: on a2, what `left` would do is known from a1, which lies in the same place."""
    holes = benchmark_.outcomes.copy()
    holes[benchmark_.dataset_rows("a2"), 0] = np.nan
    holes[:, 3] = np.nan
    g = train_mlp(vectors, holes, SMALL).predict_outcomes(vectors)
    assert np.isfinite(g).all()
    assert g[benchmark_.dataset_rows("a2"), 0].mean() > 0.6


def test_there_must_be_something_to_learn_from(vectors: Embeddings) -> None:
    with pytest.raises(TrainingError, match="at least two inputs to train on, got 1"):
        train_mlp(vectors[:1], np.ones((1, 2)), SMALL)
