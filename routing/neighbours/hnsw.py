"""Approximate nearest neighbours: hierarchical navigable small worlds (Malkov & Yashunin, arXiv 1603.09320).

Only this module imports hnswlib. hnswlib 0.8 leaves to the caller: `knn_query` checks neither dimension nor NaN, `ef`
is not saved, loading under another space is silent, and a build on several threads is not reproducible. The arguments
are therefore saved next to the index, and a build uses one thread.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints
from routing.bounded import read_file
from routing.bounded_arrays import load_npz
from routing.errors import NeighboursError
from routing.neighbours import check_queries, sort_by_distance
from routing.neighbours.graph import check_state, has_vectors, join_vectors, strip_vectors

MAX_EF, MAX_DIM = 1_000_000, 65_536
"""Beyond any graph that was built: larger numbers are a damaged file's."""

SEED = 100
GRAPH = "graph"
"""`form` in the arguments of a graph without vectors."""


@dataclass(frozen=True, slots=True)
class HnswSettings:
    """Parameters of the graph.

    The defaults are generous, because a new task's inputs are off the benchmark's clusters, where a narrow search
    misses most: on 20,000 real inputs, M=16 and ef=200 found 84 % of the 19 nearest, these find 99 % at 1 ms per
    query, under a tenth of the cost of embedding the input.

    Attributes:
        m: links per node (M).
        ef_construction: breadth of the search while building.
        ef: breadth of the search while querying.
    """

    m: int = 32
    ef_construction: int = 400
    ef: int = 800


class HnswIndex:
    """An HNSW graph over unit vectors. Immutable once built: a new pack builds a new one."""

    def __init__(self, index: hnswlib.Index, settings: HnswSettings) -> None:
        self._index = index
        # hnswlib does not save ef with the index: without this a loaded index searches with ef = 10.
        self._index.set_ef(settings.ef)
        self._index.set_num_threads(1)
        self.settings = settings

    @classmethod
    def build_index(cls, vectors: Embeddings, settings: HnswSettings | None = None) -> "HnswIndex":
        """Build the graph over `vectors`, (n_inputs, dim), unit length. The same vectors give the same graph.

        A benchmark comes dataset by dataset, and a graph grown cluster by cluster has few links between clusters: a
        search that enters in the wrong one misses. Rows are therefore added in a shuffled order, the same every time.
        """
        settings = settings or HnswSettings()
        checked = check_queries(vectors, 1, vectors.shape[1], len(vectors))
        index = hnswlib.Index(space="cosine", dim=checked.shape[1])
        index.init_index(len(checked), M=settings.m, ef_construction=settings.ef_construction, random_seed=SEED)
        order = np.random.default_rng(SEED).permutation(len(checked))
        # One thread: insertion order decides the links, and with several threads it depends on scheduling.
        index.add_items(checked[order], order, num_threads=1)
        # With the vectors as `load_graph` normalizes them: distances then are the same before and after saving, to the
        # last bit.
        return cls(_from_graph(strip_vectors(index.__getstate__()[0]), checked), settings)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._index.dim)

    @property
    def size(self) -> int:
        """Number of indexed inputs."""
        return int(self._index.element_count)

    def find_nearest(self, queries: Embeddings, count: int) -> tuple[Ints, Floats]:
        """Return the approximately nearest rows and their distances: a true neighbour can be missed."""
        queries = check_queries(queries, count, self.dim, self.size)
        if len(queries) == 0:
            return np.empty((0, count), dtype=np.int64), np.empty((0, count))
        # hnswlib needs ef >= k, and set_ef is global to the index.
        self._index.set_ef(max(self.settings.ef, count))
        try:
            labels, distances = self._index.knn_query(queries, k=count, num_threads=1)
        except RuntimeError as error:
            # The search reached fewer nodes than k: the graph has separate components.
            raise NeighboursError(f"the index found fewer than {count} neighbours: {error}") from error
        return sort_by_distance(labels.astype(np.int64), np.maximum(distances.astype(np.float64), 0.0))

    def save_index(self, index_path: Path, about_path: Path) -> None:
        """Write the graph and, in a second file, the arguments that loading it needs."""
        self._index.save_index(str(index_path))
        arguments = {"space": "cosine", "dim": self.dim, "n": self.size, **asdict(self.settings)}
        about_path.write_text(json.dumps(arguments, indent=2) + "\n")

    def save_graph(self, graph_path: Path, about_path: Path, vectors: Embeddings) -> None:
        """Write the graph without its vectors, which the caller keeps, and the arguments as above.

        vectors: (n_inputs, dim). An index of other vectors is written whole, so that it stays what it is.
        """
        state = self._index.__getstate__()[0]
        if not has_vectors(state, vectors):
            self.save_index(graph_path, about_path)
            return
        graph = strip_vectors(state)
        # A file object, since numpy would add .npz to a name.
        with graph_path.open("wb") as file:
            np.savez_compressed(file, **graph)
        arguments = {"space": "cosine", "dim": self.dim, "n": self.size, **asdict(self.settings), "form": GRAPH}
        about_path.write_text(json.dumps(arguments, indent=2) + "\n")

    @classmethod
    def load_graph(cls, graph_path: Path, about_path: Path, vectors: Embeddings) -> "HnswIndex":
        """Open a graph and the vectors it was built over; also a file with vectors, as `save_index` writes it.

        vectors: (n_inputs, dim). Raises NeighboursError where graph, arguments and vectors do not match.
        """
        arguments = _read_arguments(about_path)
        if arguments.form != GRAPH:
            return cls.load_index(graph_path, about_path)
        if vectors.shape != (arguments.size, arguments.dim):
            raise NeighboursError(
                f"{about_path.name} names {arguments.size} x {arguments.dim}, the vectors have shape {vectors.shape}"
            )
        try:
            return cls(_from_graph(load_npz(graph_path), vectors), arguments.settings)
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            OverflowError,
            RuntimeError,
            MemoryError,
        ) as error:
            raise NeighboursError(f"{graph_path.name} cannot be read: {error!r}") from error

    @classmethod
    def load_index(cls, index_path: Path, about_path: Path) -> "HnswIndex":
        """Open a saved graph. Raises NeighboursError where graph and arguments do not match."""
        arguments = _read_arguments(about_path)
        dim, size = arguments.dim, arguments.size
        saved_dim = _saved_dim(index_path)
        if saved_dim != dim:
            raise NeighboursError(
                f"{index_path.name} has vectors of {saved_dim} dimensions, {about_path.name} names {dim}"
            )
        # Checked before loading: load_index trusts the dim it is given and reads past the vectors otherwise.
        index = hnswlib.Index(space="cosine", dim=dim)
        try:
            index.load_index(str(index_path), max_elements=size)
        except (RuntimeError, MemoryError, OverflowError) as error:
            raise NeighboursError(f"{index_path.name} cannot be loaded: {error}") from error
        if index.element_count != size:
            raise NeighboursError(f"{index_path.name} has {index.element_count} inputs, {about_path.name} names {size}")
        try:
            check_state(index.__getstate__()[0], dim)
        except (ValueError, KeyError, IndexError) as error:
            raise NeighboursError(f"{index_path.name} cannot be used: {error}") from error
        return cls(index, arguments.settings)


@dataclass(frozen=True, slots=True)
class _SavedArguments:
    """Content of index.json."""

    settings: HnswSettings
    dim: int
    size: int
    form: str


def _read_arguments(about_path: Path) -> _SavedArguments:
    """Raises NeighboursError for arguments that cannot be read, or of another space."""
    try:
        raw = json.loads(read_file(about_path))
        settings = HnswSettings(int(raw["m"]), int(raw["ef_construction"]), int(raw["ef"]))
        space, dim, size, form = raw["space"], int(raw["dim"]), int(raw["n"]), str(raw.get("form", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise NeighboursError(f"{about_path.name} cannot be read: {error!r}") from error
    if not (0 < settings.ef <= MAX_EF and 0 < dim <= MAX_DIM and size >= 0):
        raise NeighboursError(f"{about_path.name} names ef {settings.ef}, {size} inputs of {dim} dimensions")
    if space != "cosine":
        raise NeighboursError(f"the index was built for space {space!r}, expected 'cosine'")
    return _SavedArguments(settings, dim, size, form)


def _from_graph(graph: Mapping[str, NDArray[Any]], vectors: Embeddings) -> hnswlib.Index:
    """Raises ValueError where graph and vectors do not match."""
    index = hnswlib.Index.__new__(hnswlib.Index)
    index.__setstate__((join_vectors(graph, vectors),))
    return index


def _saved_dim(index_path: Path) -> int:
    """Return the dimension of the vectors in a saved graph, which hnswlib does not check when it loads one.

    hnswlib's file starts with six size_t: level-0 offset, capacity, count, bytes per element, label offset, data
    offset; an element's float32 vector is stored between its data offset and its label offset.
    """
    header = struct.Struct("@6N")
    try:
        with index_path.open("rb") as file:
            *_, label_offset, data_offset = header.unpack(file.read(header.size))
    except (OSError, struct.error) as error:
        raise NeighboursError(f"{index_path.name} cannot be read: {error}") from error
    return int(label_offset - data_offset) // 4
