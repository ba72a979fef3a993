"""Synthetic clustered unit vectors."""

import numpy as np

from routing.arrays import Embeddings, unit_rows

DIM = 384
INTRINSIC = 32
"""Directions in which a cluster spreads: embeddings of one dataset fill few of the dimensions they have."""

PER_CLUSTER = 400
SPREAD = 0.7
NOISE = 0.1
BLOCK = 50_000


def clustered_vectors(count: int, seed: int = 0) -> Embeddings:
    """Return unit vectors, (count, DIM), about PER_CLUSTER to a cluster, cluster by cluster."""
    generator = np.random.default_rng(seed)
    centres = unit_rows(generator.normal(size=(max(10, count // PER_CLUSTER), DIM)))
    return _around(centres, np.sort(generator.integers(len(centres), size=count)), generator)


def _around(centres: Embeddings, at: np.ndarray, generator: np.random.Generator) -> Embeddings:
    directions = generator.normal(size=(INTRINSIC, DIM)).astype(np.float32) / np.sqrt(DIM)
    made = np.empty((len(at), DIM), dtype=np.float32)
    for start in range(0, len(at), BLOCK):
        some = slice(start, start + BLOCK)
        count = len(at[some])
        spread = (
            generator.normal(size=(count, INTRINSIC)).astype(np.float32)
            @ directions
            * (SPREAD / np.sqrt(INTRINSIC) * 4)
        )
        noise = generator.normal(size=(count, DIM)).astype(np.float32) * (NOISE / np.sqrt(DIM))
        made[some] = unit_rows(centres[at[some]] + spread + noise)
    return made
