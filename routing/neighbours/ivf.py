"""Approximate nearest neighbours in inverted lists (IVF; Jégou, Douze, Schmid, TPAMI 2011, without quantization).

k-means divides the vectors into lists; a query is compared with the vectors of the lists whose centres are nearest to
it. A build takes n^1.5, and the vectors stay where they are: in a pack's file, mapped and shared between processes.
routing.neighbours.probing chooses how many lists a query reads.

| array   | shape          | content                                            |
|---------|----------------|----------------------------------------------------|
| centres | (n_lists, dim) | on the grid of routing.neighbours.kmeans           |
| members | (n,)           | rows by list, ascending within a list              |
| starts  | (n_lists + 1,) | where each list begins in `members`, and its end   |
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints
from routing.bounded import describe, load_json
from routing.bounded_arrays import load_npz
from routing.errors import NeighboursError
from routing.neighbours import check_queries
from routing.neighbours.exact import most_similar
from routing.neighbours.kmeans import assign_lists, find_centres, round_to_grid
from routing.parallel import run_blocks

BLOCK_CELLS = 16_000_000
"""Similarities in memory at a time: 64 MB of float32, and as much for their rows."""

LISTS_PER_ROOT = 4
"""Lists for n vectors: this many times the square root of n. A query reads centres and members in about equal parts."""

LISTS = "lists"
"""`form` in the arguments of inverted lists."""


@dataclass(frozen=True, slots=True)
class InvertedLists:
    """Rows divided into lists by their nearest centre. Arrays as in the table above."""

    centres: Embeddings
    members: NDArray[np.int32]
    starts: Ints

    @classmethod
    def from_assignment(cls, centres: Embeddings, lists: Ints) -> "InvertedLists":
        """Return the lists. lists: (n,) the list of each row."""
        counts = np.bincount(lists, minlength=len(centres))
        members = np.argsort(lists, kind="stable").astype(np.int32)
        return cls(centres, members, np.concatenate([[0], np.cumsum(counts)]))

    @classmethod
    def divide(cls, vectors: Embeddings, n_lists: int = 0, threads: int = 1) -> "InvertedLists":
        """Divide vectors, (n, dim), unit length. n_lists: 0 for a number that fits n. threads: see routing.parallel.

        The same vectors give the same lists, on every machine.
        """
        count = n_lists or min(len(vectors), LISTS_PER_ROOT * math.isqrt(len(vectors)))
        centres = find_centres(vectors, count, threads)
        return cls.from_assignment(centres, assign_lists(vectors, centres, threads))

    def sort_rows(self) -> "InvertedLists":
        """Return the lists of the same vectors in list order, `vectors[members]`."""
        return InvertedLists(self.centres, np.arange(len(self.members), dtype=np.int32), self.starts)

    def assignment(self) -> Ints:
        """Return the list of each row, (n,)."""
        found = np.empty(len(self.members), dtype=np.int64)
        found[self.members] = np.repeat(np.arange(len(self.centres)), np.diff(self.starts))
        return found

    def count_groups(self, groups: Ints, n_groups: int) -> Ints:
        """Return the number of rows of each group in each list, (at least n_groups, n_lists). groups: (n,)"""
        cells = groups * len(self.centres) + self.assignment()
        n_groups = max(n_groups, int(groups.max(initial=0)) + 1)
        return np.bincount(cells, minlength=n_groups * len(self.centres)).reshape(n_groups, len(self.centres))

    def rank_lists(self, queries: Embeddings, sizes: Ints) -> Embeddings:
        """Return how near each list's centre is, (n_queries, n_lists); -inf for a list of size 0.

        sizes: (n_lists,), or (n_queries, n_lists) where they differ by query. Exact, so that the lists that a query
        reads depend on nothing but the query.
        """
        near = round_to_grid(queries) @ self.centres.T
        near[np.broadcast_to(sizes == 0, near.shape)] = -np.inf
        return near


@dataclass(frozen=True, slots=True)
class Outside:
    """Rows that queries may not find.

    Attributes:
        groups: (n,) the group of each row.
        excluded: (n_queries, n_excluded) different groups.
        counts: (n_groups, n_lists) rows of each group in each list.
    """

    groups: Ints
    excluded: Ints
    counts: Ints

    def select_queries(self, some: Ints | slice) -> "Outside":
        """Return the groups of some of the queries."""
        return Outside(self.groups, self.excluded[some], self.counts)

    def count_hidden(self) -> Ints:
        """Return how many rows of each list each query may not find, (n_queries, n_lists)."""
        return np.asarray(self.counts[self.excluded].sum(axis=1))

    def is_hidden(self, rows: NDArray[np.int32], queries: Ints) -> NDArray[np.bool_]:
        """Return which rows some of the queries may not find, (n_queries, n_rows)."""
        groups, found = self.groups[rows], np.zeros((len(queries), len(rows)), dtype=bool)
        for without in self.excluded[queries].T:
            found |= groups == without[:, None]
        return found


class IvfIndex:
    """Inverted lists over unit vectors, which may be a mapped file. Immutable."""

    def __init__(self, vectors: Embeddings, lists: InvertedLists, n_probe: int) -> None:
        """vectors: (n, dim), kept and not copied. n_probe: lists that a query reads, at least."""
        # As a plain array: indexing np.memmap costs several times as much.
        self._vectors = np.asarray(vectors)
        self.lists, self.n_probe = lists, n_probe
        # In list order a list is one stretch of the file: read in place, four times as fast as row by row.
        self._is_sorted = bool((np.diff(lists.members) == 1).all())
        largest = np.sort(np.diff(lists.starts))[::-1][:n_probe].sum()
        self._block = max(1, BLOCK_CELLS // max(1, int(largest)))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._vectors.shape[1])

    @property
    def size(self) -> int:
        """Number of indexed inputs."""
        return len(self._vectors)

    def find_nearest(self, queries: Embeddings, count: int) -> tuple[Ints, Floats]:
        """Return the approximately nearest rows and their distances: a true neighbour can be missed."""
        return self._find(check_queries(queries, count, self.dim, self.size), count, None)

    def find_outside(
        self, queries: Embeddings, count: int, groups: Ints, excluded: Ints, threads: int = 1
    ) -> tuple[Ints, Floats]:
        """Return the approximately nearest of the rows that are in none of a query's excluded groups.

        groups: (n,) the group of each row, from 0. excluded: (n_queries, n_excluded) different groups that each query
        may not find. Lists without another row are not counted as read. Raises NeighboursError as `find_nearest` does,
        and for more neighbours than rows outside.
        """
        counts = self.lists.count_groups(groups, int(excluded.max(initial=0)) + 1)
        outside = Outside(groups, excluded, counts)
        most_hidden = int(counts.sum(axis=1)[excluded].sum(axis=1).max(initial=0))
        return self._find(check_queries(queries, count, self.dim, self.size - most_hidden), count, outside, threads)

    def _find(self, queries: Embeddings, count: int, outside: Outside | None, threads: int = 1) -> tuple[Ints, Floats]:
        rows, distances = np.empty((len(queries), count), dtype=np.int64), np.empty((len(queries), count))
        sizes = np.diff(self.lists.starts)

        def find(some: slice) -> None:
            block = queries[some]
            hidden = None if outside is None else outside.select_queries(some)
            left = np.broadcast_to(sizes, (len(block), len(sizes))) if hidden is None else sizes - hidden.count_hidden()
            for places, read in self._choose_lists(block, left, count):
                without = None if hidden is None else hidden.select_queries(places)
                found = self._read_lists(block[places], read, count, without)
                rows[some.start + places], distances[some.start + places] = found

        run_blocks(find, len(queries), self._block, threads)
        return rows, distances

    def _choose_lists(self, queries: Embeddings, sizes: Ints, count: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield places of queries, and the lists that they read, (n_places, n_read).

        n_probe lists; where those have fewer than `count` rows, twice as many, until they have.
        """
        near = self.lists.rank_lists(queries, sizes)
        filled = int((sizes > 0).sum(axis=1).max(initial=0))
        left, n_read = np.arange(len(queries)), min(self.n_probe, filled)
        while len(left):
            read = np.argpartition(-near[left], n_read - 1, axis=1)[:, :n_read]
            enough = np.take_along_axis(sizes[left], read, axis=1).sum(axis=1) >= count
            if enough.any():
                yield left[enough], read[enough]
            left, n_read = left[~enough], min(2 * n_read, filled)

    def _read_lists(self, queries: Embeddings, read: Ints, count: int, outside: Outside | None) -> tuple[Ints, Floats]:
        """Return the nearest rows in the lists that each query reads, and their distances, both (n, count)."""
        sizes = np.diff(self.lists.starts)[read]
        ends = np.cumsum(sizes, axis=1)
        width = int(ends[:, -1].max(initial=0))
        similarity = np.full((len(queries), width), -np.inf, dtype=np.float32)
        rows = np.zeros((len(queries), width), dtype=np.int32)
        # List by list, so that its vectors are read once for all queries that read it.
        order = np.argsort(read, axis=None, kind="stable")
        bounds = np.flatnonzero(np.diff(read.ravel()[order], prepend=-1))
        for pairs in np.split(order, bounds[1:]):
            readers, places = np.divmod(pairs, read.shape[1])
            one = read[readers[0], places[0]]
            some = slice(self.lists.starts[one], self.lists.starts[one + 1])
            members = self.lists.members[some]
            products = queries[readers] @ self._vectors[some if self._is_sorted else members].T
            if outside is not None:
                products[outside.is_hidden(members, readers)] = -np.inf
            for reader, end, row in zip(readers.tolist(), ends[readers, places].tolist(), products, strict=True):
                similarity[reader, end - len(members) : end] = row
                rows[reader, end - len(members) : end] = members
        return most_similar(similarity, count, rows)

    def save_lists(self, lists_path: Path, about_path: Path) -> None:
        """Write the lists without the vectors, which the caller keeps, and in a second file what is read of them."""
        lists = self.lists.assignment()
        smallest = np.min_scalar_type(len(self.lists.centres))
        # A file object, since numpy would add .npz to a name.
        with lists_path.open("wb") as file:
            np.savez_compressed(file, centres=self.lists.centres.astype(np.int16), lists=lists.astype(smallest))
        arguments = {"space": "cosine", "dim": self.dim, "n": self.size, "n_probe": self.n_probe, "form": LISTS}
        about_path.write_text(json.dumps(arguments, indent=2) + "\n")

    @classmethod
    def load_lists(cls, lists_path: Path, about_path: Path, vectors: Embeddings) -> "IvfIndex":
        """Open lists over the vectors they were built over, (n, dim), which may be a mapped file.

        Raises NeighboursError where lists, arguments and vectors do not match.
        """
        try:
            arguments = load_json(about_path)
            about = (arguments["form"], arguments["space"], int(arguments["n"]), int(arguments["dim"]))
            n_probe, saved = int(arguments["n_probe"]), load_npz(lists_path)
            centres, lists = saved["centres"], saved["lists"]
        except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
            raise NeighboursError(f"{lists_path.name} cannot be read: {describe(error)}") from error
        if about != (LISTS, "cosine", *vectors.shape):
            raise NeighboursError(f"{about_path.name} names {about}, expected {(LISTS, 'cosine', *vectors.shape)}")
        if centres.dtype != np.int16 or centres.ndim != 2 or centres.shape[1:] != vectors.shape[1:]:
            raise NeighboursError(f"{lists_path.name}: centres have shape {centres.shape}, type {centres.dtype}")
        if lists.dtype.kind != "u" or lists.shape != vectors.shape[:1] or lists.max(initial=0) >= len(centres):
            raise NeighboursError(f"{lists_path.name}: the lists do not fit the vectors, {vectors.shape}")
        if not 1 <= n_probe <= len(centres):
            raise NeighboursError(f"{about_path.name}: {n_probe} of {len(centres)} lists are read")
        whole = InvertedLists.from_assignment(centres.astype(np.float32), lists.astype(np.int64))
        return cls(vectors, whole, n_probe)
