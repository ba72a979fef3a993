"""Nearest benchmark inputs by cosine distance: one contract, an exact backend and an approximate one.

`Exact` is the oracle that `Hnsw` is tested against, and what calibration uses. All native-code traps (a wrong
dimension, NaN, too many neighbours) are refused in Python first: hnswlib aborts the process on some of them.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints
from routing.errors import NeighboursError


class Neighbours(Protocol):
    """The inputs of a benchmark, searchable by cosine distance."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def size(self) -> int:
        """How many inputs are indexed."""

    def find_nearest(self, queries: Embeddings, count: int) -> tuple[Ints, Floats]:
        """The `count` nearest rows of each query, nearest first, equally near ones by the higher row.

        queries: (n, dim), unit length.
        Returns rows and cosine distances in [0, 2], both (n, count).
        Raises NeighboursError for a wrong dimension, a NaN, or a count outside 1 to size.
        """


def check_queries(queries: NDArray[Any], count: int, dim: int, size: int) -> Embeddings:
    """The queries as a contiguous float32 array. Raises NeighboursError instead of letting native code see bad ones."""
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise NeighboursError(f"queries have shape {queries.shape}, expected (n, {dim})")
    if not 1 <= count <= size:
        raise NeighboursError(f"{count} neighbours asked of an index that holds {size}")
    checked = np.ascontiguousarray(queries, dtype=np.float32)
    if not np.isfinite(checked).all():
        raise NeighboursError("queries hold a NaN or an infinity")
    return checked


TIE_DECIMALS = 6
"""Cosine distances that agree to this many decimals count as equal: float32 cannot tell them apart, and which of two
duplicates comes first must not depend on how a matrix product was split over threads."""


def sort_by_distance(rows: Ints, distances: Floats) -> tuple[Ints, Floats]:
    """Every row of both arrays sorted by distance, equal ones by the higher row first. Both (n, count).

    Which of two duplicates comes first is a convention; this one is what reading a list sorted by similarity from its
    end gives, and the implementation that ours is compared with does that.
    """
    order = np.lexsort((-rows, np.round(distances, TIE_DECIMALS)), axis=-1)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)
