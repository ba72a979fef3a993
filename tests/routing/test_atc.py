"""Average thresholded confidence, by numbers one can check by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routing.arrays import Floats
from routing.atc import estimate_accuracy, fit_thresholds, max_confidence
from routing.errors import ShapeError

G = np.array([[0.9], [0.2], [0.6], [0.45]])  # confidences 0.9, 0.8, 0.6, 0.55


def test_confidence_is_the_probability_of_what_is_predicted() -> None:
    assert max_confidence(G)[:, 0].tolist() == pytest.approx([0.9, 0.8, 0.6, 0.55])


@pytest.mark.parametrize(
    ("right", "cut"), [([1, 1, 0, 0], 0.8), ([1, 1, 1, 1], 0.55), ([0, 0, 0, 0], np.inf), ([0, 0, 0, 1], 0.9)]
)
def test_as_many_predictions_lie_above_the_threshold_as_are_right(right: list[float], cut: float) -> None:
    found = fit_thresholds(G, np.array(right, dtype=np.float64)[:, None])
    assert found.tolist() == pytest.approx([cut])
    assert estimate_accuracy(G, found).tolist() == [np.mean(right)]


def test_what_is_unknown_is_left_out() -> None:
    g = np.array([[0.9, np.nan], [0.6, np.nan], [np.nan, np.nan]])
    found = fit_thresholds(g, np.array([[1.0, 1.0], [np.nan, 1.0], [0.0, 1.0]]))
    assert found[0] == 0.9
    assert np.isnan(found[1])
    assert estimate_accuracy(g, found).tolist() == [0.5, 0.5]


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="right has shape"):
        fit_thresholds(G, np.ones((3, 1)))


@given(arrays(np.float64, (20, 3), elements=st.floats(0, 1)), st.floats(0, 1))
def test_an_estimate_is_a_share_and_falls_as_the_threshold_rises(g: Floats, low: float) -> None:
    lower, higher = estimate_accuracy(g, np.full(3, low)), estimate_accuracy(g, np.full(3, (1 + low) / 2))
    assert ((lower >= 0) & (lower <= 1)).all()
    assert (higher <= lower).all()
