"""Reference inputs of every dataset, and the similarity of any input to each dataset.

    a_d(x) = mean cosine of x to the NEAREST of d's reference inputs that are nearest to it, x itself left out

A dataset's references are drawn independently of all other datasets, so leaving a dataset out is a slice.
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Ints

NEAREST = 3
"""References that a similarity averages over."""
MAX_PER_DATASET, MAX_REFERENCES = 60, 3000
"""References of one dataset, and of all together: these bound the cost of an input."""
BLOCK_CELLS = 2_000_000
"""Cosines computed at once, which bounds memory."""


@dataclass(frozen=True, slots=True)
class DatasetReferences:
    """Reference inputs of every dataset.

    Attributes:
        rows: (n_datasets, n_references) rows of the benchmark, -1 where a dataset has fewer.
        vectors: (n_datasets, n_references, dim) their embeddings, 0 where there is none.
        similarities: (n_datasets, n_references, n_datasets) of each reference to every dataset, itself left out; NaN
            where there is none.
    """

    rows: Ints
    vectors: Embeddings
    similarities: Embeddings

    @classmethod
    def draw_references(cls, vectors: Embeddings, dataset_ids: Ints, n_datasets: int) -> "DatasetReferences":
        """Draw references. vectors: (n_inputs, dim), unit length. The same arguments give the same references."""
        room = max(NEAREST + 1, min(MAX_PER_DATASET, MAX_REFERENCES // max(1, n_datasets)))
        counts = np.bincount(dataset_ids, minlength=n_datasets)
        rows = np.full((n_datasets, min(room, int(counts.max(initial=0)))), -1, dtype=np.int64)
        for dataset in range(n_datasets):
            own = np.flatnonzero(dataset_ids == dataset)
            # A generator of its own for every dataset: which others there are must not change the draw.
            drawn = np.sort(np.random.default_rng(0).permutation(len(own))[: rows.shape[1]])
            rows[dataset, : len(drawn)] = own[drawn]
        return cls.from_rows(vectors, rows)

    @classmethod
    def from_rows(cls, vectors: Embeddings, rows: Ints, similarities: Embeddings | None = None) -> "DatasetReferences":
        """Return the references at given rows of the benchmark. similarities: as stored, else they are computed."""
        chosen = np.where((rows >= 0)[..., None], np.asarray(vectors)[np.maximum(rows, 0)], 0).astype(np.float32)
        if similarities is None:
            similarities = np.full((*rows.shape, len(rows)), np.nan, dtype=np.float32)
            made = cls(rows, chosen, similarities)
            for dataset in range(len(rows)):
                known = rows[dataset] >= 0
                similarities[dataset, known] = made.find_similarities(chosen[dataset, known], dataset)
        return cls(rows, chosen, similarities)

    @property
    def counts(self) -> Ints:
        """References of each dataset, (n_datasets,)."""
        return np.asarray((self.rows >= 0).sum(axis=1))

    def without_dataset(self, dataset: int) -> "DatasetReferences":
        """Return the references of all other datasets."""
        others = np.delete(np.arange(len(self.rows)), dataset)
        return DatasetReferences(self.rows[others], self.vectors[others], self.similarities[others][:, :, others])

    def find_similarities(self, vectors: Embeddings, own: int | None = None, *, one_by_one: bool = False) -> Embeddings:
        """Return a_d(x), (n_inputs, n_datasets).

        vectors: (n_inputs, dim), unit length. own: the dataset whose references, all of them in order, these are.
        one_by_one: give each input what it is given alone, to the last bit: those of a product depend on its size.
        """
        n_datasets, n_references, dim = self.vectors.shape
        found = np.empty((len(vectors), n_datasets), dtype=np.float32)
        stacked, missing = self.vectors.reshape(-1, dim).T, self.rows < 0
        size = max(1, BLOCK_CELLS // max(1, stacked.shape[1]))
        for start in range(0, len(vectors), size):
            some = vectors[start : start + size]
            product = np.array([(one[None] @ stacked)[0] for one in some]) if one_by_one else some @ stacked
            block = np.asarray(product, dtype=np.float32).reshape(-1, n_datasets, n_references)
            block[:, missing] = -np.inf
            if own is not None:
                places = np.arange(len(block))
                block[places, own, start + places] = -np.inf
            found[start : start + size] = _mean_of_nearest(block)
        return found


def _mean_of_nearest(cosines: Embeddings) -> Embeddings:
    """Return the mean of the NEAREST highest along the last axis, -1 (the lowest cosine) where there is none."""
    k = min(NEAREST, cosines.shape[-1])
    highest = np.partition(cosines, cosines.shape[-1] - k, axis=-1)[..., cosines.shape[-1] - k :]
    known = np.isfinite(highest)
    counts = known.sum(axis=-1)
    sums = np.where(known, highest, 0.0).sum(axis=-1)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), -1.0), dtype=np.float32)
