"""Inverted lists of a large benchmark, searched dataset by dataset: what is nearest outside of some datasets.

One division into lists serves every phase of a build: searches of a part of the benchmark read the same lists, and may
not find the other rows.
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.neighbours.ivf import IvfIndex


@dataclass(frozen=True, slots=True)
class GroupedLists:
    """The inputs of a benchmark, or of a part of it.

    Attributes:
        index: over all inputs of the benchmark.
        groups: (n_indexed,) the dataset of each; of those outside the part, one more than there are datasets.
        places: (n_indexed,) the row of each in the part, -1 for those outside; None where all are in it.
        size: inputs that can be found.
        threads: of a search (routing.parallel).
    """

    index: IvfIndex
    groups: Ints
    places: Ints | None
    size: int
    threads: int = 1

    @classmethod
    def of_benchmark(cls, index: IvfIndex, dataset_ids: Ints, threads: int = 1) -> "GroupedLists":
        """Return the lists of a whole benchmark. dataset_ids: (n_inputs,)."""
        return cls(index, dataset_ids, None, index.size, threads)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.index.dim

    def select_rows(self, rows: Ints) -> "GroupedLists":
        """Return the lists of a part of the whole benchmark. rows: (n_part,) of the whole; those of the part count
        from 0 in this order.
        """
        groups = np.full(len(self.groups), int(self.groups.max()) + 1)
        groups[rows] = self.groups[rows]
        places = np.full(len(self.groups), -1)
        places[rows] = np.arange(len(rows))
        return GroupedLists(self.index, groups, places, len(rows), self.threads)

    def find_nearest(self, queries: Embeddings, count: int) -> tuple[Ints, Floats]:
        """Return the nearest rows, and their distances, as Neighbours does."""
        return self.find_outside(queries, count, np.empty((len(queries), 0), dtype=np.int64))

    def find_others(self, queries: Embeddings, count: int, own: Ints) -> tuple[Ints, Floats]:
        """Return the nearest rows but each query's own, and their distances. own: (n_queries,) rows; count < size."""
        rows, distances = self.find_nearest(queries, count + 1)
        # Stable: the others stay in order of distance, and where its own was not found, the last is dropped.
        order = np.argsort(rows == own[:, None], axis=1, kind="stable")[:, :count]
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)

    def find_outside(self, queries: Embeddings, count: int, datasets: Ints) -> tuple[Ints, Floats]:
        """Return the nearest rows outside of some datasets, and their distances, both (n_queries, count).

        datasets: (n_queries, n_excluded) different ones that each query may not find. Raises NeighboursError for more
        neighbours than there are.
        """
        if self.places is None:
            return self.index.find_outside(queries, count, self.groups, datasets, self.threads)
        hidden = np.full((len(queries), 1), int(self.groups.max()))
        without = np.hstack([datasets, hidden])
        found, distances = self.index.find_outside(queries, count, self.groups, without, self.threads)
        return self.places[found], distances
