"""Inputs as points in a plane, to show a task's position among a benchmark's datasets.

The plane is computed once, when a pack is built: the two directions in which the datasets' mean embeddings differ
most (principal components of the dataset means; of the inputs themselves where there are fewer than three datasets).
It separates datasets better than components of the inputs, most of whose variance is within datasets. It is for
display only: near in the plane is not near in the space that scores are computed in.

| array  | shape          |
|--------|----------------|
| mean   | (dim,)         |
| axes   | (2, dim), rows orthonormal |
| rows   | (n_shown,), of the benchmark's inputs |
| points | (n_shown, 2)   |
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints

MAX_POINTS = 1200
"""Maximum number of points: more overlap, and slow the browser down."""

MIN_DATASETS = 3
"""Datasets below which their means do not span a plane."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A plane and the points shown in it. Shapes as in the table above."""

    mean: Floats
    axes: Floats
    rows: Ints
    points: Floats

    def place_vectors(self, vectors: Embeddings) -> Floats:
        """Project other inputs into the plane. vectors: (n, dim). Returns (n, 2)."""
        return np.asarray((vectors - self.mean) @ self.axes.T, dtype=np.float64)


def fit_projection(vectors: Embeddings, dataset_ids: Ints, shown: int = MAX_POINTS) -> Projection:
    """Return the plane of a benchmark, and up to `shown` of its inputs in it, spread evenly over every dataset.

    vectors: (n_inputs, dim); dataset_ids: (n_inputs,). The same arguments give the same plane.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    datasets = np.unique(dataset_ids)
    means = np.array([vectors[dataset_ids == dataset].mean(axis=0, dtype=np.float64) for dataset in datasets])
    axes = _axes((means if len(datasets) >= MIN_DATASETS else vectors.astype(np.float64)) - mean)
    rows = _evenly(dataset_ids, datasets, shown)
    points = np.asarray((vectors[rows] - mean) @ axes.T, dtype=np.float64)
    return Projection(mean, axes, rows, points)


def _axes(centred: Floats) -> Floats:
    """Return the two directions of most variance, each with its largest component positive. (2, dim)"""
    _, _, directions = np.linalg.svd(centred - centred.mean(axis=0), full_matrices=False)
    axes = np.zeros((2, centred.shape[1]))
    axes[: len(directions[:2])] = directions[:2]
    # The sign of a singular vector is arbitrary; fixing it makes the picture reproducible across LAPACKs.
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(2), largest])
    return axes * np.where(signs == 0, 1, signs)[:, None]


def _evenly(dataset_ids: Ints, datasets: Ints, shown: int) -> Ints:
    """Return evenly spaced rows of every dataset in proportion to its size, at least one."""
    share = min(1.0, shown / len(dataset_ids))
    chosen = []
    for dataset in datasets:
        # Evenly spaced rows instead of random ones: the same pack always shows the same points.
        rows = np.flatnonzero(dataset_ids == dataset)
        chosen.append(rows[np.linspace(0, len(rows) - 1, max(1, int(len(rows) * share))).astype(int)])
    return np.sort(np.concatenate(chosen))
