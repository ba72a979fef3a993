"""Nearest benchmark inputs by cosine distance: one interface, an exact backend and two approximate ones.

    exact     every query against every input: the oracle of the tests, and what calibration uses
    hnsw      approximate graph search with hnswlib
    graph     its graph on disk, without the vectors
    ivf       approximate search in inverted lists, for large packs
    grouped   the same, outside of some datasets, in a whole benchmark or a part
    kmeans    division into lists
    probing   how many lists a query reads
    stored    which index a pack has, and its files

Invalid queries (wrong dimension, NaN, too many neighbours) are refused in Python first: hnswlib aborts the process on
some of them.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints
from routing.errors import NeighboursError


class Neighbours(Protocol):
    """Inputs of a benchmark, searchable by cosine distance."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def size(self) -> int:
        """Number of indexed inputs."""

    def find_nearest(self, queries: Embeddings, count: int) -> tuple[Ints, Floats]:
        """Return the `count` nearest rows of each query, nearest first; of equal distances, the higher row first.

        queries: (n, dim), unit length.
        Returns rows and cosine distances in [0, 2], both (n, count).
        Raises NeighboursError for a wrong dimension, a NaN, or a count outside 1 to size.
        """


def check_queries(queries: NDArray[Any], count: int, dim: int, size: int) -> Embeddings:
    """Return the queries as a contiguous float32 array. Raises NeighboursError before native code reads bad ones."""
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise NeighboursError(f"queries have shape {queries.shape}, expected (n, {dim})")
    if not 1 <= count <= size:
        raise NeighboursError(f"{count} neighbours requested from an index of {size} inputs")
    # hnswlib 0.8 reads dim floats per query unchecked: a wrong dimension aborts the process or returns garbage, and a
    # NaN yields NaN distances in arbitrary order.
    checked = np.ascontiguousarray(queries, dtype=np.float32)
    if not np.isfinite(checked).all():
        raise NeighboursError("queries contain a NaN or an infinity")
    return checked


TIE_DECIMALS = 6
"""Cosine distances that agree to this many decimals count as equal: float32 does not resolve the difference, and
the order of two duplicates must not depend on how a matrix product was split over threads."""


def sort_by_distance(rows: Ints, distances: Floats) -> tuple[Ints, Floats]:
    """Sort every row of both arrays by distance, equal distances by the higher row first. Both (n, count).

    The order of duplicates is a convention; this one equals reading a list sorted by similarity from its end, which
    the reference implementation does.
    """
    order = np.lexsort((-rows, np.round(distances, TIE_DECIMALS)), axis=-1)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)
