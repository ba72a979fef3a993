"""Adapters for each library: build, save, load and search, all on one thread, as in the scorer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.indexing.vectors import DIM
from routing.arrays import Embeddings, Ints
from routing.neighbours.exact import ExactIndex
from routing.neighbours.hnsw import HnswIndex, HnswSettings

Search = Callable[[Embeddings, int], Ints]


@dataclass(frozen=True, slots=True)
class Backend:
    """One library.

    Attributes:
        name: as in the tables.
        build: builds an index and writes it into a folder.
        load: opens that folder and returns the search.
    """

    name: str
    build: Callable[[Embeddings, Path], None]
    load: Callable[[Path], Search]
    largest: int


def backends() -> list[Backend]:
    """Return the libraries that are installed here."""
    made = [
        Backend("exact (numpy)", _build_exact, _load_exact, 1_000_000),
        Backend("hnswlib, as packs have it", _build_hnsw(HnswSettings()), _load_hnsw, 100_000),
        Backend("hnswlib, M=16 ef=200", _build_hnsw(HnswSettings(16, 200, 200)), _load_hnsw, 1_000_000),
    ]
    for name, add in (("faiss", _faiss), ("usearch", _usearch)):
        try:
            made += add()
        except ImportError:
            print(f"{name} is not installed: left out")
    return made


def _build_exact(vectors: Embeddings, folder: Path) -> None:
    np.save(folder / "vectors.npy", vectors)


def _load_exact(folder: Path) -> Search:
    index = ExactIndex(np.load(folder / "vectors.npy"))
    return lambda asked, count: index.find_nearest(asked, count)[0]


def _build_hnsw(settings: HnswSettings) -> Callable[[Embeddings, Path], None]:
    return lambda vectors, folder: HnswIndex.build_index(vectors, settings).save_index(
        folder / "index.hnsw", folder / "index.json"
    )


def _load_hnsw(folder: Path) -> Search:
    index = HnswIndex.load_index(folder / "index.hnsw", folder / "index.json")
    return lambda asked, count: index.find_nearest(asked, count)[0]


def _faiss() -> list[Backend]:
    import faiss

    faiss.omp_set_num_threads(1)

    def built(make: Callable[[Embeddings], Any]) -> Callable[[Embeddings, Path], None]:
        return lambda vectors, folder: faiss.write_index(make(vectors), str(folder / "index.faiss"))

    def hnsw(vectors: Embeddings) -> Any:
        index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 400
        index.add(vectors)
        return index

    def lists(vectors: Embeddings) -> Any:
        count = max(16, int(4 * np.sqrt(len(vectors))))
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], count, faiss.METRIC_INNER_PRODUCT
        )
        index.train(vectors[np.random.default_rng(0).permutation(len(vectors))[: 40 * count]])
        index.add(vectors)
        return index

    def load(tune: Callable[[Any], None]) -> Callable[[Path], Search]:
        def opened(folder: Path) -> Search:
            index = faiss.read_index(str(folder / "index.faiss"))
            tune(index)
            return lambda asked, count: np.asarray(index.search(asked, count)[1])

        return opened

    return [
        Backend("faiss HNSW, M=32", built(hnsw), load(lambda index: setattr(index.hnsw, "efSearch", 800)), 100_000),
        Backend("faiss IVF, 32 lists asked", built(lists), load(lambda index: setattr(index, "nprobe", 32)), 1_000_000),
    ]


def _usearch() -> list[Backend]:
    from usearch.index import Index

    def empty(dim: int) -> Any:
        return Index(ndim=dim, metric="ip", dtype="f32", connectivity=32, expansion_add=400, expansion_search=800)

    def build(vectors: Embeddings, folder: Path) -> None:
        index = empty(vectors.shape[1])
        index.add(np.arange(len(vectors)), vectors, threads=1)
        index.save(str(folder / "index.usearch"))

    def load(folder: Path, is_mapped: bool) -> Search:
        index = empty(DIM)
        (index.view if is_mapped else index.load)(str(folder / "index.usearch"))
        return lambda asked, count: np.asarray(index.search(asked, count, threads=1).keys).reshape(len(asked), count)

    return [
        Backend("usearch, M=32", build, lambda folder: load(folder, is_mapped=False), 100_000),
        Backend("usearch, M=32, memory-mapped", build, lambda folder: load(folder, is_mapped=True), 100_000),
    ]


def time_call(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, which other programs disturb least, and its result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result
