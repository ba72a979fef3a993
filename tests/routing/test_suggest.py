"""Which inputs to label next: laws of the choice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.arrays import Embeddings, Floats, unit_rows
from routing.auto.posterior import AccuracyPosterior
from routing.auto.suggest import ALIKE, TOP, model_disagreement, suggest_labels
from routing.errors import ShapeError


def material(seed: int, n: int = 12, models: int = 8) -> tuple[AccuracyPosterior, Floats, Embeddings]:
    draw = np.random.default_rng(seed)
    posterior = AccuracyPosterior(draw.random(models), 0.01 * np.eye(models), 0.2 * np.eye(models))
    return posterior, draw.random((n, models)), unit_rows(draw.normal(size=(n, 16)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_each_input_comes_once_and_those_that_tell_most_come_first(seed: int, n: int) -> None:
    posterior, expected, vectors = material(seed)
    found = suggest_labels(posterior, expected, vectors, n)
    assert len(set(found.rows)) == len(found.rows) == min(n, 12)
    assert list(found.disagreement) == sorted(found.disagreement, reverse=True)
    assert found.top == tuple(np.argsort(-posterior.mean)[:TOP])
    assert suggest_labels(posterior, expected, vectors, 1).rows == found.rows[:1]


@given(st.integers(0, 2**32 - 1), st.permutations(range(12)), st.permutations(range(8)))
def test_permuting_inputs_and_models_permutes_the_choice(seed: int, inputs: list[int], models: list[int]) -> None:
    posterior, expected, vectors = material(seed)
    here = suggest_labels(posterior, expected, vectors, 5)
    other = AccuracyPosterior(posterior.mean[models], posterior.covariance, posterior.within)
    there = suggest_labels(other, expected[np.ix_(inputs, models)], vectors[inputs], 5)
    assert [inputs[row] for row in there.rows] == list(here.rows)


def test_inputs_on_which_all_are_expected_to_do_alike_come_last() -> None:
    posterior, expected, vectors = material(1)
    expected[3] = 0.7
    assert suggest_labels(posterior, expected, vectors, 12).rows[-1] == 3


def test_candidates_that_seldom_win_have_no_say() -> None:
    posterior, expected, vectors = material(2)
    other = expected.copy()
    other[:, np.argsort(-posterior.mean)[TOP:]] = np.random.default_rng(3).random((12, 8 - TOP))
    assert suggest_labels(posterior, other, vectors, 12) == suggest_labels(posterior, expected, vectors, 12)


def test_an_input_nearly_the_same_as_a_chosen_one_comes_behind_the_others() -> None:
    posterior, expected, vectors = material(4)
    first = suggest_labels(posterior, expected, vectors, 1).rows[0]
    twin = (first + 1) % 12
    vectors[twin], expected[twin] = vectors[first], expected[first]
    assert float(vectors[twin] @ vectors[first]) >= ALIKE
    assert suggest_labels(posterior, expected, vectors, 12).rows[-1] == max(first, twin)


def test_what_is_not_known_counts_as_the_others_do() -> None:
    told = model_disagreement(np.array([[0.2, 0.4, np.nan], [0.2, 0.4, 0.3], [np.nan, np.nan, np.nan]]))
    assert told[0] == pytest.approx(0.1)
    assert told[0] > told[1] > told[2] == 0


def test_vectors_of_other_inputs_are_refused() -> None:
    posterior, expected, vectors = material(5)
    with pytest.raises(ShapeError, match="vectors"):
        suggest_labels(posterior, expected, vectors[:3], 1)
