"""Nearest inputs of a dataset's inputs, outside it and outside one other dataset, for every other dataset at once.

Holding out a dataset changes an input's nearest only where one of them is in it. An input has kappa nearest, so at
most kappa datasets change anything for it: the work grows with the inputs, not with the pairs of datasets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.calibration import HeldOutDataset
from routing.neighbours.exact import most_similar
from routing.neighbours.grouped import GroupedLists

MAX_PAIRS = 1024
"""Pairs of an input and a dataset in one block: bounds memory at some hundred megabytes."""


@dataclass(frozen=True, slots=True)
class ReplacedNeighbours:
    """Neighbours of some pairs of an input and a dataset left out.

    Attributes:
        places: (n_pairs,) index of the input in its own dataset.
        away: (n_pairs,) the dataset left out.
        rows: (n_pairs, count) nearest outside both, nearest first.
        distances: (n_pairs, count).
    """

    places: Ints
    away: Ints
    rows: Ints
    distances: Floats


class NeighboursWithout:
    """Neighbours of one benchmark's inputs without each other dataset, found once for all that asks for them."""

    def __init__(
        self,
        vectors: Embeddings,
        dataset_ids: Ints,
        n_datasets: int,
        kappa: int,
        lists: GroupedLists | None = None,
    ) -> None:
        """vectors: (n_inputs, dim), unit length. lists: of the vectors, to search in; None to search exactly."""
        self._vectors, self._ids, self._n_datasets, self._kappa = vectors, dataset_ids, n_datasets, kappa
        self._lists = lists
        self._found: dict[int, list[ReplacedNeighbours]] = {}

    def of_dataset(self, one: HeldOutDataset) -> list[ReplacedNeighbours]:
        """Return the neighbours of all pairs in which the dataset left out holds one of the input's kappa nearest.

        one: a dataset with its neighbours outside it, always the same; the more of them, the fewer inputs must be
        searched again.
        """
        if one.dataset not in self._found:
            self._found[one.dataset] = list(self._replace(one))
        return self._found[one.dataset]

    def _replace(self, one: HeldOutDataset) -> Iterator[ReplacedNeighbours]:
        ids, n_datasets, kappa = self._ids, self._n_datasets, self._kappa
        touched = np.zeros((len(one.rows), n_datasets), dtype=bool)
        touched[np.arange(len(one.rows))[:, None], ids[one.near[:, :kappa]]] = True
        left = len(ids) - one.size - np.bincount(ids, minlength=n_datasets)
        # Leaving out a large dataset can leave fewer than kappa inputs: pairs are grouped by how many remain.
        for count in np.unique(np.minimum(left, kappa)[touched.any(axis=0)]).tolist():
            places, away = np.nonzero(touched & (np.minimum(left, kappa) == count))
            for start in range(0, len(places), MAX_PAIRS):
                some = slice(start, start + MAX_PAIRS)
                yield self._replace_pairs(one, places[some], away[some], count)

    def _replace_pairs(self, one: HeldOutDataset, places: Ints, away: Ints, count: int) -> ReplacedNeighbours:
        near = one.near[places]
        outside = self._ids[near] != away[:, None]
        # Stable: the neighbours outside come first, still in order of distance.
        order = np.argsort(~outside, axis=1, kind="stable")[:, :count]
        rows = np.take_along_axis(near, order, axis=1)
        distances = np.take_along_axis(one.near_distances[places], order, axis=1)
        short = np.flatnonzero(outside.sum(axis=1) < count)
        if len(short):
            if rows.shape[1] < count:
                # Every pair is short then: all rows are overwritten.
                rows = np.empty((len(places), count), dtype=np.int64)
                distances = np.empty((len(places), count))
            rows[short], distances[short] = self._search_again(one, places[short], away[short], count)
        return ReplacedNeighbours(places, away, rows, distances)

    def _search_again(self, one: HeldOutDataset, places: Ints, away: Ints, count: int) -> tuple[Ints, Floats]:
        """Return the neighbours of the pairs of which too few were known, both (n_pairs, count)."""
        inputs, which = np.unique(places, return_inverse=True)
        if self._lists is not None and count:
            without = np.stack([np.full(len(away), one.dataset), away], axis=1)
            return self._lists.find_outside(self._vectors[one.rows[places]], count, without)
        rows, distances = np.empty((len(places), count), dtype=np.int64), np.empty((len(places), count))
        similarity = self._vectors[one.rows[inputs]] @ self._vectors.T
        similarity[:, self._ids == one.dataset] = -np.inf
        for dataset in np.unique(away).tolist():
            some = np.flatnonzero(away == dataset)
            limited = similarity[which[some]]
            limited[:, self._ids == dataset] = -np.inf
            rows[some], distances[some] = most_similar(limited, count)
        return rows, distances
