"""All indexes through the same tests; Exact is checked against sorting everything."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from routing.arrays import Embeddings, unit_rows
from routing.errors import NeighboursError
from routing.neighbours import Neighbours
from routing.neighbours.exact import ExactIndex
from routing.neighbours.hnsw import HnswIndex
from routing.neighbours.ivf import InvertedLists, IvfIndex

Make = Callable[[Embeddings], Neighbours]


def make_ivf(vectors: Embeddings) -> IvfIndex:
    """Inverted lists that are all read."""
    lists = InvertedLists.divide(vectors)
    return IvfIndex(vectors, lists, len(lists.centres))


BACKENDS: dict[str, Make] = {"exact": ExactIndex, "hnsw": HnswIndex.build_index, "ivf": make_ivf}


@pytest.fixture(params=sorted(BACKENDS))
def make(request: pytest.FixtureRequest) -> Make:
    return BACKENDS[request.param]


def random_vectors(n: int, dim: int = 8, seed: int = 0) -> Embeddings:
    return unit_rows(np.random.default_rng(seed).normal(size=(n, dim)))


def test_the_nearest_are_those_that_sorting_everything_finds(make: Make) -> None:
    vectors, queries = random_vectors(300), random_vectors(20, seed=1)
    rows, distances = make(vectors).find_nearest(queries, 7)
    expected = 1.0 - queries.astype(np.float64) @ vectors.T.astype(np.float64)
    order = np.argsort(expected, axis=1, kind="stable")[:, :7]
    assert (rows == order).all()
    np.testing.assert_allclose(distances, np.take_along_axis(expected, order, axis=1), atol=1e-6)


def test_equally_near_inputs_come_by_the_higher_row(make: Make) -> None:
    vectors = random_vectors(5)
    rows, distances = make(np.concatenate([vectors, vectors, vectors])).find_nearest(vectors, 3)
    assert rows.tolist() == [[row + 10, row + 5, row] for row in range(5)]
    np.testing.assert_allclose(distances, 0.0, atol=1e-6)


def test_a_cut_between_equally_near_inputs_keeps_the_higher_rows() -> None:
    vectors = random_vectors(4)
    rows, _ = ExactIndex(np.concatenate([vectors] * 6)).find_nearest(vectors, 4)
    assert rows.tolist() == [[row + 20, row + 16, row + 12, row + 8] for row in range(4)]


def test_all_of_a_small_index_can_be_asked_for(make: Make) -> None:
    rows, distances = make(random_vectors(6)).find_nearest(random_vectors(2, seed=3), 6)
    assert sorted(rows[0].tolist()) == list(range(6))
    assert (np.diff(distances, axis=1) >= -1e-6).all()


@pytest.mark.parametrize(
    ("queries", "count", "said"),
    [
        (random_vectors(2, dim=9), 1, r"shape \(2, 9\), expected \(n, 8\)"),
        (random_vectors(2)[0], 1, "shape"),
        (np.full((1, 8), np.nan, dtype=np.float32), 1, "NaN"),
        (random_vectors(2), 0, "0 neighbours"),
        (random_vectors(2), 11, "11 neighbours requested from an index of 10 inputs"),
    ],
)
def test_what_native_code_would_choke_on_is_refused(make: Make, queries: Embeddings, count: int, said: str) -> None:
    with pytest.raises(NeighboursError, match=said):
        make(random_vectors(10)).find_nearest(queries, count)


def test_a_saved_graph_answers_as_before(tmp_path: Path) -> None:
    vectors, queries = random_vectors(200), random_vectors(9, seed=2)
    built = HnswIndex.build_index(vectors)
    built.save_index(tmp_path / "i", tmp_path / "i.json")
    loaded = HnswIndex.load_index(tmp_path / "i", tmp_path / "i.json")
    assert loaded.settings == built.settings
    assert (loaded.find_nearest(queries, 5)[0] == built.find_nearest(queries, 5)[0]).all()


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        HnswIndex.build_index(random_vectors(200)).save_index(tmp_path / name, tmp_path / f"{name}.json")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"space": "l2"}, "built for space 'l2'"),
        ({"n": 7}, "i.json names|cannot be loaded"),
        ({"dim": 9}, "cannot be loaded|dimension"),
        ({"m": None}, "cannot be read"),
    ],
)
def test_a_graph_beside_other_arguments_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    HnswIndex.build_index(random_vectors(20)).save_index(tmp_path / "i", tmp_path / "i.json")
    about = json.loads((tmp_path / "i.json").read_text()) | change
    if change.get("m", 1) is None:
        del about["m"]
    (tmp_path / "i.json").write_text(json.dumps(about))
    with pytest.raises(NeighboursError, match=said):
        HnswIndex.load_index(tmp_path / "i", tmp_path / "i.json")


def test_a_graph_without_its_vectors_answers_as_before(tmp_path: Path) -> None:
    vectors = random_vectors(300)
    built = HnswIndex.build_index(vectors)
    built.save_graph(tmp_path / "g", tmp_path / "g.json", vectors)
    built.save_index(tmp_path / "i", tmp_path / "i.json")
    assert (tmp_path / "g").stat().st_size < (tmp_path / "i").stat().st_size - vectors.nbytes
    loaded = HnswIndex.load_graph(tmp_path / "g", tmp_path / "g.json", vectors)
    whole = HnswIndex.load_graph(tmp_path / "i", tmp_path / "i.json", vectors)
    for other in (loaded, whole):
        for one, two in zip(built.find_nearest(vectors[:40], 19), other.find_nearest(vectors[:40], 19), strict=True):
            np.testing.assert_array_equal(one, two)
    loaded.save_graph(tmp_path / "again", tmp_path / "again.json", vectors)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "g").read_bytes()


def test_an_index_of_other_vectors_keeps_its_own(tmp_path: Path) -> None:
    vectors = random_vectors(60)
    HnswIndex.build_index(vectors[::-1]).save_graph(tmp_path / "g", tmp_path / "g.json", vectors)
    rows, _ = HnswIndex.load_graph(tmp_path / "g", tmp_path / "g.json", vectors).find_nearest(vectors[:1], 1)
    assert rows.tolist() == [[59]]


def test_a_graph_that_does_not_fit_the_vectors_is_refused(tmp_path: Path) -> None:
    vectors = random_vectors(60)
    graph, about = tmp_path / "g", tmp_path / "g.json"
    HnswIndex.build_index(vectors).save_graph(graph, about, vectors)
    with pytest.raises(NeighboursError, match=r"the vectors have shape \(59, "):
        HnswIndex.load_graph(graph, about, vectors[1:])
    with np.load(graph) as saved:
        arrays = dict(saved)
    outside = arrays["links"].copy()
    outside[0] = 60
    for changed in ({"links": outside}, {"links": outside[1:]}, {"labels": arrays["labels"] * 0}, {"counts": None}):
        kept = {name: array for name, array in {**arrays, **changed}.items() if array is not None}
        with graph.open("wb") as file:
            np.savez_compressed(file, **kept)
        with pytest.raises(NeighboursError, match="g cannot be read"):
            HnswIndex.load_graph(graph, about, vectors)
    graph.write_bytes(b"no graph")
    with pytest.raises(NeighboursError, match="g cannot be read"):
        HnswIndex.load_graph(graph, about, vectors)
