"""Inverted lists against an exact search, on random and on clustered vectors."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.arrays import Embeddings, Ints, unit_rows
from routing.errors import NeighboursError
from routing.neighbours import ivf, kmeans, probing
from routing.neighbours.exact import ExactIndex
from routing.neighbours.ivf import InvertedLists, IvfIndex
from routing.neighbours.probing import LEAST_RECALL, choose_probes

DIM, NEAREST = 16, 19


def clustered(n: int, n_clusters: int = 40, seed: int = 0) -> tuple[Embeddings, Ints]:
    """Vectors and the cluster of each."""
    generator = np.random.default_rng(seed)
    ids = np.sort(generator.integers(n_clusters, size=n))
    centres = generator.normal(size=(n_clusters, DIM))
    return unit_rows(centres[ids] + 0.7 * generator.normal(size=(n, DIM))), ids


def uniform(n: int, seed: int = 0) -> tuple[Embeddings, Ints]:
    return unit_rows(np.random.default_rng(seed).normal(size=(n, DIM))), np.arange(n) % 3


HIDDEN = np.array([[1]])
"""The group of rows that may not be found."""


def recall(found: Ints, true: Ints) -> float:
    return float(
        np.mean([len(np.intersect1d(one, other)) / len(other) for one, other in zip(found, true, strict=True)])
    )


@pytest.mark.parametrize("make", [clustered, uniform])
@pytest.mark.parametrize("seed", range(3))
def test_the_lists_read_find_what_was_measured(make, seed: int) -> None:  # type: ignore[no-untyped-def]
    vectors, ids = make(6000, seed=seed)
    # Queries of the same kind that the index does not have.
    asked, kept = vectors[::10], np.delete(np.arange(len(vectors)), np.s_[::10])
    lists = InvertedLists.divide(vectors[kept])
    chosen = choose_probes(vectors[kept], lists, ids[kept])
    assert chosen.recall_known is not None
    assert chosen.recall_new is not None
    assert min(chosen.recall_known, chosen.recall_new) >= LEAST_RECALL
    found, _ = IvfIndex(vectors[kept], lists, chosen.n_probe).find_nearest(asked, NEAREST)
    true, _ = ExactIndex(vectors[kept]).find_nearest(asked, NEAREST)
    assert recall(found, true) >= LEAST_RECALL - 0.02


def test_fewer_lists_would_have_found_less_than_what_is_required() -> None:
    vectors, ids = clustered(6000)
    lists = InvertedLists.divide(vectors)
    chosen = choose_probes(vectors, lists, ids)
    assert not chosen.is_exhaustive
    drawn = np.sort(np.random.default_rng(kmeans.SEED).permutation(len(vectors))[: probing.SAMPLED])
    for n_probe, is_enough in ((chosen.n_probe, True), (chosen.n_probe - 1, False)):
        index, recalls = IvfIndex(vectors, lists, n_probe), []
        for groups in (np.arange(len(vectors)), ids):
            shares = []
            for row in drawn:
                allowed = groups != groups[row]
                found = index.find_outside(vectors[[row]], NEAREST, (~allowed).astype(np.int64), HIDDEN)[0][0]
                true = np.flatnonzero(allowed)[np.argsort(-(vectors[allowed] @ vectors[row]))[:NEAREST]]
                shares.append(len(np.intersect1d(found, true)) / NEAREST)
            recalls.append(np.mean(shares))
        # The sample's own neighbours are computed on the grid: a few at the cut are others.
        assert (min(recalls) >= LEAST_RECALL - 0.003) if is_enough else (min(recalls) < LEAST_RECALL + 0.003)


def test_vectors_without_structure_are_searched_exactly() -> None:
    generator = np.random.default_rng(0)
    vectors = unit_rows(generator.normal(size=(2000, 200)))
    lists = InvertedLists.divide(vectors)
    chosen = choose_probes(vectors, lists, np.zeros(2000, dtype=np.int64))
    assert (chosen.is_exhaustive, chosen.n_probe, chosen.recall_known) == (True, len(lists.centres), 1.0)
    # With one dataset no input has a neighbour outside it.
    assert chosen.recall_new is None
    queries = unit_rows(generator.normal(size=(30, 200)))
    index = IvfIndex(vectors, lists, chosen.n_probe)
    np.testing.assert_array_equal(
        index.find_nearest(queries, NEAREST)[0], ExactIndex(vectors).find_nearest(queries, NEAREST)[0]
    )


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 300),
    count=st.integers(1, 40),
    n_probe=st.integers(1, 20),
    excluded=st.integers(0, 4),
    seed=st.integers(0, 3),
)
def test_rows_that_are_not_allowed_are_never_found(n: int, count: int, n_probe: int, excluded: int, seed: int) -> None:
    vectors, _ = uniform(n, seed)
    ids = np.arange(n) * 5 // n
    allowed = ids != excluded
    lists = InvertedLists.divide(vectors)
    index = IvfIndex(vectors, lists, min(n_probe, len(lists.centres)))
    queries = vectors[ids == excluded][:7]
    if count > allowed.sum():
        with pytest.raises(NeighboursError, match="neighbours requested"):
            index.find_outside(vectors[:1], count, ids, np.array([[excluded]]))
        return
    without = np.full((len(queries), 1), excluded)
    rows, distances = index.find_outside(queries, count, ids, without)
    assert allowed[rows].all()
    assert all(len(set(row)) == count for row in rows.tolist())
    assert (np.diff(distances, axis=1) >= -1e-6).all()
    np.testing.assert_allclose(distances, 1 - np.einsum("qd,qnd->qn", queries, vectors[rows]), atol=1e-5)
    whole = IvfIndex(vectors, lists, len(lists.centres)).find_outside(queries, count, ids, without)
    left = np.flatnonzero(allowed)
    np.testing.assert_array_equal(whole[0], left[ExactIndex(vectors[left]).find_nearest(queries, count)[0]])


@pytest.mark.parametrize("cells", [1, 700, 40_000])
def test_results_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    vectors, _ = clustered(3000)
    queries, _ = clustered(50, seed=1)
    lists = InvertedLists.divide(vectors)
    expected = IvfIndex(vectors, lists, 5).find_nearest(queries, NEAREST)
    alone = [IvfIndex(vectors, lists, 5).find_nearest(query[None], NEAREST)[0][0] for query in queries]
    np.testing.assert_array_equal(expected[0], alone)
    monkeypatch.setattr(ivf, "BLOCK_CELLS", cells)
    monkeypatch.setattr(kmeans, "BLOCK_CELLS", cells)
    again = InvertedLists.divide(vectors)
    np.testing.assert_array_equal(again.centres, lists.centres)
    np.testing.assert_array_equal(again.members, lists.members)
    rows, distances = IvfIndex(vectors, lists, 5).find_nearest(queries, NEAREST)
    np.testing.assert_array_equal(rows, expected[0])
    np.testing.assert_allclose(distances, expected[1], atol=1e-6)


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_products_on_the_grid_are_exact(seed: int) -> None:
    """So no order of summation, block or thread changes a list."""
    generator = np.random.default_rng(seed)
    dim = int(generator.integers(1, 4000))
    grid = kmeans.round_to_grid(unit_rows(generator.normal(size=(20, dim)) ** 5))
    exact = grid.astype(np.int64) @ grid.astype(np.int64).T
    np.testing.assert_array_equal(grid @ grid.T, exact)
    np.testing.assert_array_equal(grid[:, ::-1] @ grid[:, ::-1].T, exact)


def test_vectors_in_list_order_are_searched_as_in_any_other() -> None:
    vectors, _ = clustered(3000)
    queries, _ = clustered(50, seed=1)
    lists = InvertedLists.divide(vectors)
    rows, distances = IvfIndex(vectors[lists.members], lists.sort_rows(), 5).find_nearest(queries, NEAREST)
    expected = IvfIndex(vectors, lists, 5).find_nearest(queries, NEAREST)
    np.testing.assert_array_equal(lists.members[rows], expected[0])
    np.testing.assert_allclose(distances, expected[1], atol=1e-6)


def test_a_mapped_file_is_searched_as_an_array_in_memory(tmp_path: Path) -> None:
    vectors, _ = clustered(2000)
    built = IvfIndex(vectors, InvertedLists.divide(vectors), 4)
    built.save_lists(tmp_path / "i", tmp_path / "i.json")
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    loaded = IvfIndex.load_lists(tmp_path / "i", tmp_path / "i.json", mapped)
    for one, two in zip(built.find_nearest(vectors[:40], 19), loaded.find_nearest(vectors[:40], 19), strict=True):
        np.testing.assert_array_equal(one, two)
    loaded.save_lists(tmp_path / "again", tmp_path / "again.json")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "i").read_bytes()
    assert (tmp_path / "i").stat().st_size < vectors.nbytes / 5


@pytest.mark.parametrize(
    ("arguments", "arrays", "said"),
    [
        ({"form": "graph"}, {}, "i.json names"),
        ({"n": 199}, {}, "i.json names"),
        ({"dim": "x"}, {}, "i cannot be read"),
        ({"n_probe": 0}, {}, "0 of 56 lists are read"),
        ({"n_probe": 57}, {}, "57 of 56 lists are read"),
        ({}, {"lists": np.full(200, 56, np.uint8)}, "lists do not fit the vectors"),
        ({}, {"lists": np.zeros(199, np.uint8)}, "lists do not fit the vectors"),
        ({}, {"lists": np.full(200, -1, np.int8)}, "lists do not fit the vectors"),
        ({}, {"centres": np.full((56, DIM), np.nan)}, "centres have shape"),
        ({}, {"centres": np.zeros((56, DIM + 1), np.int16)}, "centres have shape"),
        ({}, {"centres": None}, "i cannot be read"),
        (None, {}, "i cannot be read"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(
    tmp_path: Path, arguments: dict[str, object] | None, arrays: dict[str, np.ndarray | None], said: str
) -> None:
    vectors, _ = clustered(200)
    path, about = tmp_path / "i", tmp_path / "i.json"
    IvfIndex(vectors, InvertedLists.divide(vectors), 4).save_lists(path, about)
    if arguments is None:
        path.write_bytes(path.read_bytes()[:-100])
    else:
        about.write_text(json.dumps(json.loads(about.read_text()) | arguments))
        with np.load(path) as saved:
            changed = {name: array for name, array in ({**saved} | arrays).items() if array is not None}
        with path.open("wb") as file:
            np.savez(file, **changed)
    with pytest.raises(NeighboursError, match=said):
        IvfIndex.load_lists(path, about, vectors)
