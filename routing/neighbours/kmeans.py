"""k-means of unit vectors by cosine (spherical k-means), the same on every machine.

Products of vectors are exact: numbers are rounded to multiples of 1 / GRID, so that the product of two unit vectors is
an integer below 2^24, and so is every partial sum of it (Cauchy-Schwarz). float32 adds such integers without rounding,
in whatever order and block a matrix product adds them.

| array   | shape          | content                                     |
|---------|----------------|---------------------------------------------|
| grid    | (n, dim)       | vectors in multiples of 1 / GRID, as float32|
| centres | (n_lists, dim) | likewise                                    |
| lists   | (n,)           | the nearest centre of each vector           |
"""

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.parallel import run_blocks

GRID = 2048
"""2048^2 is a quarter of 2^24: room for the rounding of each number. Cosines change by about 1e-4."""

SEED = 100
TRAIN_PER_LIST, TRAIN_STEPS = 32, 8
"""Vectors of a list that k-means sees, and its iterations: more of either hardly moves the centres."""

BLOCK_CELLS = 16_000_000
"""Numbers in memory at a time: 64 MB of float32."""


def round_to_grid(vectors: Embeddings) -> Embeddings:
    """Return unit vectors in multiples of 1 / GRID, (n, dim) whole numbers."""
    return np.asarray(np.rint(vectors * np.float32(GRID)))


def find_centres(vectors: Embeddings, count: int, threads: int = 1) -> Embeddings:
    """Return the centres of `count` clusters, (count, dim) on the grid. vectors: (n, dim), n >= count, unit length."""
    # Sorted, so that a mapped file is read from its beginning to its end.
    drawn = np.random.default_rng(SEED).permutation(len(vectors))[: TRAIN_PER_LIST * count]
    sample = round_to_grid(vectors[np.sort(drawn)])
    centres = sample[np.random.default_rng(SEED).permutation(len(sample))[:count]]
    for _ in range(TRAIN_STEPS):
        centres = _move_centres(centres, sample, _nearest(sample, centres, threads))
    return centres


def assign_lists(vectors: Embeddings, centres: Embeddings, threads: int = 1) -> Ints:
    """Return the nearest centre of each vector, of equally near ones the lowest. (n,)"""
    found = np.empty(len(vectors), dtype=np.int64)

    def assign(some: slice) -> None:
        found[some] = _nearest(round_to_grid(vectors[some]), centres)

    run_blocks(assign, len(vectors), max(1, BLOCK_CELLS // vectors.shape[1]), threads)
    return found


def _nearest(grid: Embeddings, centres: Embeddings, threads: int = 1) -> Ints:
    found = np.empty(len(grid), dtype=np.int64)

    def find(some: slice) -> None:
        found[some] = (grid[some] @ centres.T).argmax(axis=1)

    run_blocks(find, len(grid), max(1, BLOCK_CELLS // len(centres)), threads)
    return found


def _move_centres(centres: Embeddings, grid: Embeddings, lists: Ints) -> Embeddings:
    """Return the directions of the lists' means. A centre without vectors stays."""
    counts = np.bincount(lists, minlength=len(centres))
    used = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[used]
    # Sums of whole numbers, and of their squares, are exact in float64.
    sums: Floats = np.add.reduceat(grid[np.argsort(lists, kind="stable")], starts, axis=0, dtype=np.float64)
    lengths = np.sqrt((sums * sums).sum(axis=1, keepdims=True))
    moved = centres.copy()
    moved[used] = np.rint(sums * (GRID / np.where(lengths > 0, lengths, 1)))
    return moved
