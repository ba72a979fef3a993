"""Adapters for each library: build, save, load and search, all on one thread, as in the scorer."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routing.arrays import Embeddings, Ints
from routing.manifest import LISTS_FILE
from routing.neighbours.exact import ExactIndex
from routing.neighbours.hnsw import HnswIndex, HnswSettings
from routing.neighbours.ivf import LISTS_PER_ROOT, InvertedLists, IvfIndex
from routing.neighbours.kmeans import TRAIN_PER_LIST, TRAIN_STEPS
from routing.neighbours.probing import choose_probes
from routing.neighbours.stored import ARGUMENTS_FILE

Search = Callable[[Embeddings, int], Ints]

PROBES = (16, 32, 64, 128, 256)
"""Lists that a search reads."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One library with one way to build.

    Attributes:
        name: as in the tables.
        build: builds an index of vectors and their datasets, and writes it into a folder.
        load: opens that folder and returns the search with each setting, by its name.
        largest: inputs up to which it is built: beyond, it takes more than half an hour.
    """

    name: str
    build: Callable[[Embeddings, Ints, Path], None]
    load: Callable[[Path], Mapping[str, Search]]
    largest: int


def backends() -> list[Backend]:
    """Return the libraries that are installed here."""
    made = [
        Backend("exact (numpy)", _build_exact, _load_exact, 1_000_000),
        Backend("hnswlib, as smaller packs have it", _build_hnsw(HnswSettings()), _load_hnsw, 100_000),
        Backend("inverted lists, as larger packs have them", _build_lists, _load_lists, 1_000_000),
        Backend("hnswlib, M=16, ef_construction=100", _build_hnsw(HnswSettings(16, 100, 200)), _load_hnsw, 300_000),
    ]
    for name, add in (("faiss", _faiss), ("usearch", _usearch)):
        try:
            made += add()
        except ImportError:
            print(f"{name} is not installed: left out")
    return made


def find_backend(name: str) -> Backend:
    """Return the backend of that name."""
    return next(one for one in backends() if one.name == name)


def _build_exact(vectors: Embeddings, datasets: Ints, folder: Path) -> None:
    np.save(folder / "vectors.npy", vectors)


def _load_exact(folder: Path) -> Mapping[str, Search]:
    index = ExactIndex(np.load(folder / "vectors.npy"))
    return {"": lambda asked, count: index.find_nearest(asked, count)[0]}


def _build_lists(vectors: Embeddings, datasets: Ints, folder: Path) -> None:
    """As a pack is built and written: vectors in list order, mapped when searched."""
    lists = InvertedLists.divide(vectors)
    order, lists = lists.members.astype(np.int64), lists.sort_rows()
    vectors = vectors[order]
    chosen = choose_probes(vectors, lists, datasets[order])
    print(json.dumps({"n": len(vectors), **asdict(chosen)}), flush=True)
    IvfIndex(vectors, lists, chosen.n_probe).save_lists(folder / LISTS_FILE, folder / ARGUMENTS_FILE)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "order.npy", order.astype(np.int32))


def _load_lists(folder: Path) -> Mapping[str, Search]:
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    index = IvfIndex.load_lists(folder / LISTS_FILE, folder / ARGUMENTS_FILE, vectors)
    order = np.load(folder / "order.npy", mmap_mode="r")
    setting = f"{index.n_probe} of {len(index.lists.centres)} lists read"
    return {setting: lambda asked, count: order[index.find_nearest(asked, count)[0]]}


def _build_hnsw(settings: HnswSettings) -> Callable[[Embeddings, Ints, Path], None]:
    return lambda vectors, datasets, folder: HnswIndex.build_index(vectors, settings).save_index(
        folder / "index.hnsw", folder / "index.json"
    )


def _load_hnsw(folder: Path) -> Mapping[str, Search]:
    index = HnswIndex.load_index(folder / "index.hnsw", folder / "index.json")
    return {f"ef={index.settings.ef}": lambda asked, count: index.find_nearest(asked, count)[0]}


def _faiss() -> list[Backend]:
    import faiss

    faiss.omp_set_num_threads(1)

    def build(make: Callable[[int, int], Any]) -> Callable[[Embeddings, Ints, Path], None]:
        def built(vectors: Embeddings, datasets: Ints, folder: Path) -> None:
            count = LISTS_PER_ROOT * int(np.sqrt(len(vectors)))
            index = make(vectors.shape[1], count)
            index.cp.niter = TRAIN_STEPS
            seen = np.random.default_rng(0).permutation(len(vectors))[: TRAIN_PER_LIST * count]
            index.train(vectors[seen])
            index.add(vectors)
            faiss.write_index(index, str(folder / "index.faiss"))

        return built

    def plain(dim: int, count: int) -> Any:
        return faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, count, faiss.METRIC_INNER_PRODUCT)

    def halves(dim: int, count: int) -> Any:
        half = faiss.ScalarQuantizer.QT_fp16
        # Not by residual: the vectors themselves are stored, so that distances are those of float16.
        return faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim), dim, count, half, faiss.METRIC_INNER_PRODUCT, False
        )

    def load(flags: int) -> Callable[[Path], Mapping[str, Search]]:
        def opened(folder: Path) -> Mapping[str, Search]:
            index: Any = faiss.read_index(str(folder / "index.faiss"), flags)

            def search(probes: int) -> Search:
                def found(asked: Embeddings, count: int) -> Ints:
                    index.nprobe = probes
                    return np.asarray(index.search(asked, count)[1])

                return found

            return {f"{probes} lists read": search(probes) for probes in PROBES if probes < index.nlist}

        return opened

    mapped = load(faiss.IO_FLAG_MMAP)
    return [
        Backend("faiss IVF", build(plain), load(0), 1_000_000),
        Backend("faiss IVF, memory-mapped", build(plain), mapped, 1_000_000),
        Backend("faiss IVF, float16", build(halves), load(0), 1_000_000),
    ]


def _usearch() -> list[Backend]:
    from usearch.index import Index

    def empty(dim: int) -> Any:
        return Index(ndim=dim, metric="ip", dtype="f32", connectivity=32, expansion_add=400, expansion_search=800)

    def build(vectors: Embeddings, datasets: Ints, folder: Path) -> None:
        index = empty(vectors.shape[1])
        index.add(np.arange(len(vectors)), vectors, threads=1)
        index.save(str(folder / "index.usearch"))
        (folder / "dim.json").write_text(json.dumps(vectors.shape[1]))

    def load(folder: Path) -> Mapping[str, Search]:
        index = empty(int(json.loads((folder / "dim.json").read_text())))
        index.view(str(folder / "index.usearch"))
        return {
            "ef=800": lambda asked, count: np.asarray(index.search(asked, count, threads=1).keys).reshape(
                len(asked), count
            )
        }

    return [Backend("usearch, M=32, memory-mapped", build, load, 100_000)]


def time_call(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, which other programs disturb least, and its result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result
