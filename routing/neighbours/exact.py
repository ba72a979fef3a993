"""Exact nearest neighbours by one matrix product per block."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints
from routing.neighbours import TIE_DECIMALS, check_queries, sort_by_distance

BLOCK_CELLS = 16_000_000
"""Similarities in memory at a time: 64 MB of float32."""


class ExactIndex:
    """Brute-force search; O(n_inputs) per query."""

    def __init__(self, vectors: Embeddings, *, one_by_one: bool = False) -> None:
        """vectors: (n_inputs, dim), unit length.

        one_by_one: give each query what it is given alone, to the last bit: those of a product depend on its size.
        """
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._one_by_one = one_by_one

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._vectors.shape[1])

    @property
    def size(self) -> int:
        """Number of indexed inputs."""
        return len(self._vectors)

    def find_nearest(self, queries: Embeddings, count: int) -> tuple[Ints, Floats]:
        """Return the exact nearest rows and their distances."""
        queries = check_queries(queries, count, self.dim, self.size)
        rows = np.empty((len(queries), count), dtype=np.int64)
        distances = np.empty((len(queries), count))
        block = max(1, BLOCK_CELLS // self.size)
        for start in range(0, len(queries), block):
            some = queries[start : start + block]
            alone = np.array([self._vectors @ one for one in some]) if self._one_by_one else None
            similarity = some @ self._vectors.T if alone is None else alone.reshape(len(some), self.size)
            rows[start : start + block], distances[start : start + block] = most_similar(similarity, count)
        return rows, distances


def most_similar(similarity: Embeddings, count: int, labels: NDArray[Any] | None = None) -> tuple[Ints, Floats]:
    """Return the columns of the `count` largest similarities of each row, largest first, ties by the higher column.

    similarity: (n, size); -inf marks a column that must not be selected. labels: (n, size) what each column stands for,
    returned in its place, and ties are by the higher label.
    Returns columns and distances 1 - similarity, both (n, count).
    """
    size = similarity.shape[1]
    if count >= size:
        candidates = np.broadcast_to(np.arange(size), similarity.shape)
    else:
        # One column more than requested, so that a tie at the cut can be detected below.
        candidates = np.argpartition(-similarity, count, axis=1)[:, : count + 1]
    distances = 1.0 - np.take_along_axis(similarity, candidates, axis=1).astype(np.float64)
    named = candidates if labels is None else np.take_along_axis(labels, candidates, axis=1)
    columns, distances = sort_by_distance(named.astype(np.int64), distances)
    if count < size:
        # There is one candidate more than requested: where it ties with the last one selected, argpartition's cut
        # between equally near columns was arbitrary, and the row is sorted in full.
        rounded = np.round(distances, TIE_DECIMALS)
        for row in np.flatnonzero(rounded[:, count] == rounded[:, count - 1]):
            rounded_row = np.round(1.0 - similarity[row].astype(np.float64), TIE_DECIMALS)
            names = np.arange(size) if labels is None else labels[row].astype(np.int64)
            order = np.lexsort((-names, rounded_row))[:count]
            columns[row, :count], distances[row, :count] = names[order], 1.0 - similarity[row, order]
    # float32 rounding can make 1 - similarity of a duplicate slightly negative.
    return columns[:, :count], np.maximum(distances[:, :count], 0.0)
