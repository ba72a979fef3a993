"""Real embeddings, repeated with noise to any size, and real inputs as queries.

Every row x of the benchmarks is repeated as x + d / sqrt(2) * z, scaled to unit length: d is the distance of x to its
nearest neighbour, and z ~ N(0, C), with C the covariance of all rows' differences to their nearest neighbour, each of
length 1. So two copies of a row are about as far apart as the row and its nearest neighbour are, in the directions in
which real neighbours differ.

Queries are no rows of the index, and nothing of them is repeated: half are held out one by one, as inputs of known
tasks, half are of datasets that are left out as a whole, as inputs of new tasks.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routing.arrays import Embeddings, Floats, Ints, unit_rows
from routing.tidy import read_benchmark

HELD_OUT_EVERY = 5
"""One dataset in five is left out as a whole."""

BLOCK = 50_000
SEARCH_BLOCK = 2_000
SAME = 1e-3
"""Distance, on vectors of length 1, below which two inputs are the same text."""


@dataclass(frozen=True, slots=True)
class RealEmbeddings:
    """Embeddings of benchmarks' inputs.

    Attributes:
        known: (n_known, dim) unit vectors, to repeat in an index.
        datasets: (n_known,) the dataset of each.
        nearest: (n_known,) distance to the nearest other row.
        directions: (dim, dim) a square root of the covariance C.
        known_queries: (n, dim) held out of the known datasets.
        new_queries: (n, dim) of datasets that are left out as a whole.
        texts: (n_known,) the texts of the rows.
        embedder: name of the embedder.
    """

    known: Embeddings
    datasets: Ints
    nearest: Floats
    directions: Embeddings
    known_queries: Embeddings
    new_queries: Embeddings
    texts: tuple[str, ...] = ()
    embedder: str = ""

    def repeat_to(self, count: int, seed: int = 0) -> Embeddings:
        """Return (count, dim) unit vectors: the rows themselves first, then noisy copies of all, in turn."""
        generator = np.random.default_rng(seed)
        made = np.empty((count, self.known.shape[1]), dtype=np.float32)
        rows = generator.permutation(len(self.known))
        for start in range(0, count, BLOCK):
            places = np.arange(start, min(count, start + BLOCK))
            at = rows[places % len(rows)]
            noise = generator.normal(size=(len(places), len(self.directions))).astype(np.float32) @ self.directions.T
            # The first round of rows is real, and gets none.
            scale = np.where(places < len(rows), 0.0, self.nearest[at] / np.sqrt(2.0)).astype(np.float32)
            made[places] = unit_rows(self.known[at] + scale[:, None] * noise)
        return made

    def datasets_of(self, count: int, seed: int = 0) -> Ints:
        """Return the dataset of each of those vectors, (count,)."""
        return self.datasets[self.rows_of(count, seed)]

    def rows_of(self, count: int, seed: int = 0) -> Ints:
        """Return the row that each of those vectors repeats, (count,)."""
        rows = np.random.default_rng(seed).permutation(len(self.known))
        return rows[np.arange(count) % len(rows)]

    def draw_queries(self, count: int, seed: int = 1) -> tuple[Embeddings, Embeddings]:
        """Return `count` queries of known datasets, and as many of new ones."""
        generator = np.random.default_rng(seed)

        def drawn(rows: Embeddings) -> Embeddings:
            return rows[generator.choice(len(rows), size=min(count, len(rows)), replace=False)]

        return drawn(self.known_queries), drawn(self.new_queries)


def read_real_embeddings(folders: Sequence[Path], queries: int = 1000, seed: int = 0) -> RealEmbeddings:
    """Read embeddings.f16.npy of benchmark folders. queries: to hold out of the known datasets."""
    vectors, datasets, texts, offset = [], [], list[str](), 0
    for folder in folders:
        benchmark = read_benchmark(folder)
        texts += benchmark.texts
        vectors.append(unit_rows(np.load(folder / "embeddings.f16.npy").astype(np.float32)))
        datasets.append(benchmark.dataset_ids + offset)
        offset += len(benchmark.datasets)
    rows, ids = np.concatenate(vectors), np.concatenate(datasets)
    keep = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    rows, ids, said = rows[keep], ids[keep], [texts[place] for place in keep]
    generator = np.random.default_rng(seed)
    is_new = np.isin(ids, generator.permutation(offset)[: offset // HELD_OUT_EVERY])
    new, known, ids = rows[is_new], rows[~is_new], ids[~is_new]
    said = [text for text, is_left_out in zip(said, is_new, strict=True) if not is_left_out]
    order = generator.permutation(len(known))
    kept = np.sort(order[queries:])
    held_out, known, ids = known[order[:queries]], known[kept], ids[kept]
    nearest, neighbour = find_nearest_other(known)
    apart = (known - known[neighbour])[nearest > SAME] / nearest[nearest > SAME, None]
    values, axes = np.linalg.eigh(np.cov(apart.T))
    directions = (axes * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
    about = folders[0] / "embeddings.json"
    embedder = str(json.loads(about.read_text())["embedder"]) if about.exists() else ""
    kept_texts = tuple(said[place] for place in kept)
    return RealEmbeddings(known, ids, nearest, directions, held_out, new, kept_texts, embedder)


def find_nearest_other(rows: Embeddings) -> tuple[Floats, Ints]:
    """Return the distance to each row's nearest other row, and which it is."""
    distances, found = np.empty(len(rows)), np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), SEARCH_BLOCK):
        block = slice(start, start + SEARCH_BLOCK)
        cosines = rows[block] @ rows.T
        places = np.arange(len(cosines))
        cosines[places, start + places] = -1.0
        found[block] = cosines.argmax(axis=1)
        distances[block] = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosines[places, found[block]]))
    return distances, found
