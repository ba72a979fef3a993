"""The index of a pack: which one it has, and its files.

| inputs             | index                       | file       | schema of the pack |
|--------------------|-----------------------------|------------|--------------------|
| up to MAX_GRAPH    | HNSW graph                  | index.hnsw | 2                  |
| more               | inverted lists              | index.ivf  | 3                  |

index.json has the arguments of either. A pack with inverted lists stores its vectors as float32, so that they can be
mapped.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from routing.arrays import Embeddings, Ints
from routing.manifest import GRAPH_FILE, LISTS_FILE, MAX_GRAPH
from routing.neighbours.grouped import GroupedLists
from routing.neighbours.hnsw import HnswIndex
from routing.neighbours.ivf import InvertedLists, IvfIndex
from routing.neighbours.probing import NEAREST, choose_probes

ARGUMENTS_FILE = "index.json"

PackIndex: TypeAlias = HnswIndex | IvfIndex


def build_index(
    vectors: Embeddings, dataset_ids: Ints, lists: InvertedLists | None = None, threads: int = 1
) -> tuple[PackIndex, Mapping[str, Any]]:
    """Build the index of a pack.

    vectors: (n_inputs, dim), unit length. dataset_ids: (n_inputs,). lists: of a large pack's vectors, if known.
    threads: of a large pack's (routing.parallel).

    Returns it and, for the pack's report, what was measured; nothing for a graph.
    """
    if len(vectors) <= MAX_GRAPH:
        return HnswIndex.build_index(vectors), {}
    return _measure_lists(vectors, dataset_ids, lists or InvertedLists.divide(vectors, threads=threads), threads)


def search_lists(index: PackIndex, dataset_ids: Ints, threads: int = 1) -> GroupedLists | None:
    """Return the lists of a large pack, to search in while it is built; None where exact searches are fast enough."""
    return GroupedLists.of_benchmark(index, dataset_ids, threads) if isinstance(index, IvfIndex) else None


def divide_large(vectors: Embeddings, dataset_ids: Ints) -> GroupedLists | None:
    """Return inverted lists for searches while a pack is built; None where exact searches are fast enough."""
    if len(vectors) <= MAX_GRAPH:
        return None
    return search_lists(_measure_lists(vectors, dataset_ids, InvertedLists.divide(vectors))[0], dataset_ids)


def _measure_lists(
    vectors: Embeddings, dataset_ids: Ints, lists: InvertedLists, threads: int = 1
) -> tuple[IvfIndex, Mapping[str, Any]]:
    chosen = choose_probes(vectors, lists, dataset_ids, threads)
    measured = {
        "kind": "inverted lists",
        "n_lists": len(lists.centres),
        "n_probe": chosen.n_probe,
        "neighbours": NEAREST,
        "recall_known": chosen.recall_known,
        "recall_new": chosen.recall_new,
        "is_exhaustive": chosen.is_exhaustive,
    }
    return IvfIndex(vectors, lists, chosen.n_probe), measured


def index_file(index: PackIndex) -> str:
    """Return the name of an index's file."""
    return LISTS_FILE if isinstance(index, IvfIndex) else GRAPH_FILE


def save_index(index: PackIndex, folder: Path, vectors: Embeddings) -> None:
    """Write an index and its arguments. vectors: (n_inputs, dim) of the pack."""
    path, about = folder / index_file(index), folder / ARGUMENTS_FILE
    if isinstance(index, IvfIndex):
        index.save_lists(path, about)
    else:
        index.save_graph(path, about, vectors)


def load_index(folder: Path, name: str, vectors: Embeddings) -> PackIndex:
    """Open an index. name: of its file. vectors: (n_inputs, dim) of the pack. Raises NeighboursError."""
    load = IvfIndex.load_lists if name == LISTS_FILE else HnswIndex.load_graph
    return load(folder / name, folder / ARGUMENTS_FILE, vectors)
