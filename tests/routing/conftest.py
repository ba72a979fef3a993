"""A small benchmark with skills that can be checked by hand, and vectors to go with it."""

import numpy as np
import pytest

from routing.arrays import Embeddings, unit_rows
from routing.benchmark import Benchmark, Dataset, Model

DIM = 16
MODELS = ("left", "right", "broad", "poor")
DATASETS = ("a1", "a2", "b1", "b2")


def clustered(seed: int, centre: int, n: int, spread: float = 0.25) -> Embeddings:
    """n unit vectors around the `centre`-th axis."""
    generator = np.random.default_rng(seed)
    points = spread * generator.normal(size=(n, DIM))
    points[:, centre] += 1.0
    return unit_rows(points)


@pytest.fixture(scope="session")
def vectors() -> Embeddings:
    return np.concatenate([clustered(place, place // 2, 40) for place in range(4)])


@pytest.fixture(scope="session")
def benchmark_() -> Benchmark:
    """`left` is right on a1 and a2, `right` on b1 and b2, `broad` mostly everywhere, `poor` seldom."""
    generator = np.random.default_rng(7)
    ids = np.repeat(np.arange(4), 40)
    chance = np.array([[0.97, 0.1, 0.8, 0.2], [0.97, 0.1, 0.8, 0.2], [0.1, 0.97, 0.8, 0.2], [0.1, 0.97, 0.8, 0.2]])
    outcomes = (generator.random((160, 4)) < chance[ids]).astype(np.float64)
    return Benchmark(
        name="small",
        texts=tuple(f"input {row}" for row in range(160)),
        datasets=tuple(Dataset(name) for name in DATASETS),
        dataset_ids=ids,
        models=tuple(Model(name) for name in MODELS),
        outcomes=outcomes,
    )
