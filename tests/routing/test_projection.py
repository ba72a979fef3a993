import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.arrays import unit_rows
from routing.projection import fit_projection


def cloud(n_datasets: int, per_dataset: int = 40, dim: int = 8, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    centres = 3 * draw.normal(size=(n_datasets, dim))
    ids = np.repeat(np.arange(n_datasets), per_dataset)
    return unit_rows((centres[ids] + draw.normal(size=(len(ids), dim))).astype(np.float32)), ids


@pytest.mark.parametrize("n_datasets", [1, 2, 3, 6])
def test_the_axes_are_orthonormal_and_the_same_every_time(n_datasets: int) -> None:
    vectors, ids = cloud(n_datasets)
    first, second = fit_projection(vectors, ids), fit_projection(vectors, ids)
    assert np.allclose(first.axes @ first.axes.T, np.eye(2), atol=1e-9)
    assert np.array_equal(first.points, second.points)


def test_an_input_of_the_benchmark_is_placed_where_it_is_drawn() -> None:
    vectors, ids = cloud(4)
    made = fit_projection(vectors, ids, shown=20)
    assert np.allclose(made.place_vectors(vectors[made.rows]), made.points)


def test_datasets_lie_apart() -> None:
    vectors, ids = cloud(5)
    made = fit_projection(vectors, ids)
    centres = np.array([made.points[ids[made.rows] == dataset].mean(axis=0) for dataset in range(5)])
    within = np.mean([made.points[ids[made.rows] == dataset].std(axis=0).mean() for dataset in range(5)])
    assert centres.std(axis=0).mean() > 2 * within


@given(st.integers(1, 300), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_every_dataset_is_drawn_and_few_inputs_of_it(shown: int, n_datasets: int) -> None:
    vectors, ids = cloud(n_datasets)
    made = fit_projection(vectors, ids, shown)
    assert len(made.rows) <= max(shown, n_datasets)
    assert set(ids[made.rows]) == set(range(n_datasets))
    assert len(set(made.rows)) == len(made.rows)


def test_one_input_is_a_point() -> None:
    made = fit_projection(unit_rows(np.ones((1, 4), dtype=np.float32)), np.array([0]))
    assert np.isfinite(made.points).all()
