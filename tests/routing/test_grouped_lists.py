"""Searches of a large benchmark dataset by dataset, against exact ones; all lists read, so that both agree."""

import numpy as np
import pytest

from routing.arrays import Embeddings, Ints, unit_rows
from routing.errors import NeighboursError
from routing.neighbours.exact import ExactIndex
from routing.neighbours.grouped import GroupedLists
from routing.neighbours.ivf import InvertedLists, IvfIndex

N, DATASETS, COUNT = 900, 5, 12


@pytest.fixture(scope="module")
def inputs() -> tuple[Embeddings, Ints]:
    generator = np.random.default_rng(0)
    ids = np.arange(N) % DATASETS
    centres = generator.normal(size=(DATASETS, 10))
    return unit_rows(centres[ids] + generator.normal(size=(N, 10))), ids


@pytest.fixture(scope="module")
def whole(inputs: tuple[Embeddings, Ints]) -> GroupedLists:
    vectors, ids = inputs
    lists = InvertedLists.divide(vectors)
    return GroupedLists.of_benchmark(IvfIndex(vectors, lists, len(lists.centres)), ids)


def test_each_query_has_its_own_datasets_that_it_may_not_find(
    inputs: tuple[Embeddings, Ints], whole: GroupedLists
) -> None:
    vectors, ids = inputs
    queries, without = vectors[:20], np.stack([ids[:20], (ids[:20] + 1) % DATASETS], axis=1)
    rows, distances = whole.find_outside(queries, COUNT, without)
    for query, out, found, near in zip(queries, without, rows, distances, strict=True):
        left = np.flatnonzero(~np.isin(ids, out))
        expected, expected_distances = ExactIndex(vectors[left]).find_nearest(query[None], COUNT)
        np.testing.assert_array_equal(found, left[expected[0]])
        np.testing.assert_allclose(near, expected_distances[0], atol=1e-6)


def test_a_part_finds_its_own_rows_alone_and_numbers_them_itself(
    inputs: tuple[Embeddings, Ints], whole: GroupedLists
) -> None:
    vectors, ids = inputs
    rows = np.sort(np.random.default_rng(1).permutation(N)[: N // 2])
    part = whole.select_rows(rows)
    assert (part.size, part.dim) == (N // 2, 10)
    found, _ = part.find_nearest(vectors[:30], COUNT)
    np.testing.assert_array_equal(found, ExactIndex(vectors[rows]).find_nearest(vectors[:30], COUNT)[0])
    outside, _ = part.find_outside(vectors[:30], COUNT, ids[:30, None])
    assert (ids[rows[outside]] != ids[:30, None]).all()


def test_an_input_does_not_find_itself(inputs: tuple[Embeddings, Ints], whole: GroupedLists) -> None:
    vectors, _ = inputs
    own = np.arange(0, N, 50)
    found, distances = whole.find_others(vectors[own], COUNT, own)
    assert (found != own[:, None]).all()
    assert (np.diff(distances, axis=1) >= -1e-6).all()
    similarity = vectors[own] @ vectors.T
    similarity[np.arange(len(own)), own] = -1
    np.testing.assert_array_equal(np.sort(found), np.sort(np.argsort(-similarity, axis=1)[:, :COUNT]))


def test_more_neighbours_than_are_left_are_refused(inputs: tuple[Embeddings, Ints], whole: GroupedLists) -> None:
    vectors, ids = inputs
    left = int((ids != 0).sum())
    with pytest.raises(NeighboursError, match=f"{left + 1} neighbours requested from an index of {left} inputs"):
        whole.find_outside(vectors[:1], left + 1, np.array([[0]]))
    assert whole.find_outside(vectors[:1], left, np.array([[0]]))[0].shape == (1, left)
