"""Packs above the size up to which a graph is built: inverted lists in files, mapped."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from routing import build
from routing.arrays import Embeddings, unit_rows
from routing.benchmark import Benchmark, Model
from routing.build import build_pack, sort_inputs
from routing.calibration import CalibrationSettings, hold_out_datasets
from routing.errors import NeighboursError, PackCorrupted
from routing.input_sample import sample_inputs
from routing.manifest import GRAPH_SCHEMA, SCHEMA, EmbedderId, read_manifest
from routing.neighbours import stored
from routing.neighbours.exact import ExactIndex
from routing.neighbours.grouped import GroupedLists
from routing.neighbours.hnsw import HnswIndex
from routing.neighbours.ivf import InvertedLists, IvfIndex
from routing.new_model.add import NewModelOutcomes, add_model
from routing.pack import Pack, open_pack, save_pack
from routing.router import Router
from routing.task import TaskState
from tests.routing.conftest import DIM

EMBEDDER = EmbedderId("tests/axes", "1", DIM)
SAMPLED = 80


@pytest.fixture(scope="module")
def small_limit() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "MAX_GRAPH", 100)
        patch.setattr(build, "MAX_GRAPH", 100)
        yield


@pytest.fixture(scope="module")
def pack(small_limit: None, benchmark_: Benchmark, vectors: Embeddings) -> Pack:
    return build_pack(benchmark_, vectors, EMBEDDER)


@pytest.mark.parametrize("name", ["large", "large.tar"])
def test_a_large_pack_has_inverted_lists_and_decides_as_it_was_built(
    pack: Pack, vectors: Embeddings, tmp_path: Path, name: str
) -> None:
    manifest = save_pack(pack, tmp_path / name)
    again = open_pack(tmp_path / name, EMBEDDER)
    assert isinstance(again.index, IvfIndex)
    assert (manifest.schema, manifest.has_lists, again.report["index"]) == (SCHEMA, True, pack.report["index"])
    assert "index.hnsw" not in manifest.files
    for one, two in zip(pack.index.find_nearest(vectors, 19), again.index.find_nearest(vectors, 19), strict=True):
        np.testing.assert_array_equal(one, two)
    scores = []
    for router in (Router(pack), Router(again), Router(again, neighbours=ExactIndex(again.embeddings))):
        state = TaskState.from_evidence(router.find_evidence(vectors[:9]))
        scores.append(router.score_task(state, router.select_candidates()).s3)
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_allclose(scores[0], scores[2], atol=0.1)


def test_its_vectors_are_mapped_from_a_folder(pack: Pack, tmp_path: Path) -> None:
    save_pack(pack, tmp_path / "large")
    opened = open_pack(tmp_path / "large")
    assert isinstance(opened.embeddings, np.memmap)
    assert isinstance(opened.index, IvfIndex)
    # The index reads the file and holds no copy.
    assert np.shares_memory(opened.index._vectors, opened.embeddings)
    np.testing.assert_array_equal(opened.embeddings, pack.embeddings)


def test_building_again_gives_the_same_bytes(
    small_limit: None, pack: Pack, benchmark_: Benchmark, vectors: Embeddings, tmp_path: Path
) -> None:
    save_pack(pack, tmp_path / "one")
    save_pack(build_pack(benchmark_, vectors, EMBEDDER), tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        if path.name != "manifest.json":
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert read_manifest(tmp_path / "one").hash == read_manifest(tmp_path / "two").hash


def test_a_pack_of_the_limits_size_has_a_graph_and_the_earlier_schema(
    monkeypatch: pytest.MonkeyPatch, benchmark_: Benchmark, vectors: Embeddings, tmp_path: Path
) -> None:
    monkeypatch.setattr(stored, "MAX_GRAPH", len(vectors))
    manifest = save_pack(build_pack(benchmark_, vectors, EMBEDDER), tmp_path / "small")
    opened = open_pack(tmp_path / "small")
    assert isinstance(opened.index, HnswIndex)
    assert (manifest.schema, manifest.has_lists, "index" in opened.report) == (GRAPH_SCHEMA, False, False)


def test_a_changed_large_pack_stays_large(pack: Pack, tmp_path: Path) -> None:
    save_pack(pack, tmp_path / "one")
    save_pack(replace(open_pack(tmp_path / "one"), texts=("",) * pack.manifest.n_inputs), tmp_path / "two")
    first, second = read_manifest(tmp_path / "one"), read_manifest(tmp_path / "two")
    assert {name: second.files[name] for name in first.files} == first.files
    assert second.schema == SCHEMA


def test_inputs_in_list_order_are_the_same_inputs_with_the_same_neighbours(
    small_limit: None, pack: Pack, benchmark_: Benchmark, vectors: Embeddings
) -> None:
    measured = replace(
        benchmark_,
        input_ids=tuple(f"i{row}" for row in range(benchmark_.n_inputs)),
        loglik=-np.ones_like(benchmark_.outcomes) * np.arange(benchmark_.n_inputs)[:, None],
    )
    made = sort_inputs(measured, vectors)
    rows = np.array([int(name[1:]) for name in made.benchmark.input_ids])
    assert sorted(rows) == list(range(len(vectors)))
    assert not (np.diff(rows) == 1).all()
    assert made.benchmark.texts == tuple(measured.texts[row] for row in rows)
    assert made.benchmark.loglik is not None
    assert (-made.benchmark.loglik[:, 0] == rows).all()
    np.testing.assert_array_equal(made.benchmark.outcomes, measured.outcomes[rows])
    np.testing.assert_array_equal(made.benchmark.dataset_ids, measured.dataset_ids[rows])
    np.testing.assert_array_equal(made.vectors, vectors[rows])
    assert made.lists is not None
    in_order = build_pack(made.benchmark, made.vectors, EMBEDDER, lists=made.lists)
    assert in_order.report["index"] == pack.report["index"]
    found, distances = in_order.index.find_nearest(vectors, 19)
    expected, expected_distances = pack.index.find_nearest(vectors, 19)
    np.testing.assert_allclose(distances, expected_distances, atol=1e-6)
    assert np.mean(np.sort(rows[found], axis=1) == np.sort(expected, axis=1)) > 0.95, "all but ties at the cut"


def test_the_inputs_of_a_small_benchmark_stay_in_their_order(
    monkeypatch: pytest.MonkeyPatch, benchmark_: Benchmark, vectors: Embeddings
) -> None:
    monkeypatch.setattr(build, "MAX_GRAPH", len(vectors))
    made = sort_inputs(benchmark_, vectors)
    assert made.benchmark is benchmark_
    assert made.vectors is vectors
    assert made.lists is None


@pytest.mark.parametrize("file", ["index.ivf", "index.json", "embeddings.npy"])
def test_a_file_that_is_cut_or_missing_is_named(pack: Pack, tmp_path: Path, file: str) -> None:
    save_pack(pack, tmp_path / "large")
    whole = (tmp_path / "large" / file).read_bytes()
    (tmp_path / "large" / file).write_bytes(whole[:-1])
    with pytest.raises(PackCorrupted, match=file):
        open_pack(tmp_path / "large")
    (tmp_path / "large" / file).unlink()
    with pytest.raises(PackCorrupted, match=f"{file} is missing"):
        open_pack(tmp_path / "large")


def test_lists_that_do_not_fit_the_pack_are_refused_though_every_hash_fits(pack: Pack, tmp_path: Path) -> None:
    assert isinstance(pack.index, IvfIndex)
    save_pack(replace(pack, index=IvfIndex(pack.embeddings[1:], pack.index.lists, 3)), tmp_path / "large")
    assert json.loads((tmp_path / "large" / "index.json").read_text())["n"] == pack.manifest.n_inputs - 1
    with pytest.raises(NeighboursError, match=r"index\.json names"):
        open_pack(tmp_path / "large")


@pytest.mark.parametrize("n_probe", [5, 0])
def test_held_out_datasets_find_nothing_of_their_own_in_the_lists(n_probe: int) -> None:
    generator = np.random.default_rng(0)
    ids = np.arange(1200) % 6
    vectors = unit_rows(generator.normal(size=(6, 8))[ids] + generator.normal(size=(1200, 8))).astype(np.float32)
    lists = InvertedLists.divide(vectors)
    index = GroupedLists.of_benchmark(IvfIndex(vectors, lists, n_probe or len(lists.centres)), ids)
    pairs = zip(
        hold_out_datasets(vectors, ids, 6, 40), hold_out_datasets(vectors, ids, 6, 40, lists=index), strict=True
    )
    for exact, found in pairs:
        assert (ids[found.near] != found.dataset).all()
        np.testing.assert_array_equal(exact.rows, found.rows)
        if n_probe:
            # Distances to the neighbours found cannot be smaller than to the nearest.
            assert (found.near_distances >= exact.near_distances - 1e-6).all()
        else:
            np.testing.assert_array_equal(exact.near, found.near)
            np.testing.assert_allclose(exact.near_distances, found.near_distances, atol=1e-6)


def test_a_single_dataset_is_held_out_from_nothing() -> None:
    vectors = unit_rows(np.random.default_rng(0).normal(size=(50, 8)))
    index = IvfIndex(vectors, InvertedLists.divide(vectors), 2)
    ids = np.zeros(50, dtype=np.int64)
    (one,) = hold_out_datasets(vectors, ids, 1, 19, lists=GroupedLists.of_benchmark(index, ids))
    assert one.near.shape == (50, 0)


@pytest.fixture
def small_sample(small_limit: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("build", "new_model.add"):
        monkeypatch.setattr(f"routing.{module}.sample_inputs", partial(sample_inputs, most=SAMPLED))
    for module in ("reference", "known"):
        monkeypatch.setattr(f"routing.evaluation.regimes.{module}.SAMPLED", SAMPLED)


def test_a_large_pack_is_measured_on_a_sample_and_says_so(
    small_sample: None, pack: Pack, benchmark_: Benchmark, vectors: Embeddings
) -> None:
    sampled = build_pack(benchmark_, vectors, EMBEDDER)
    assert sampled.report["sample"] == {"n_measured": SAMPLED, "n_inputs": benchmark_.n_inputs}
    assert sampled.manifest.calibration["sample"] == SAMPLED
    assert "sample" not in pack.report, "all inputs are fewer than the sample"
    tasks = {one["dataset"]: one["n"] for one in sampled.report["datasets"]}
    assert sum(tasks.values()) == SAMPLED
    # Neighbours are looked for among all inputs: distances are those of the whole, but for the draw.
    unmixed = [
        one.calibration.distances[one.calibration.weights == CalibrationSettings().repeats] for one in (sampled, pack)
    ]
    np.testing.assert_allclose(np.mean(unmixed[0]), np.mean(unmixed[1]), atol=0.05)
    # What needs no neighbours is of all inputs.
    assert sampled.training_data is not None
    assert pack.training_data is not None
    np.testing.assert_array_equal(sampled.training_data.averages, pack.training_data.averages)
    np.testing.assert_array_equal(sampled.training_data.centres, pack.training_data.centres)
    np.testing.assert_array_equal(sampled.embeddings, pack.embeddings)


def test_a_model_is_added_by_the_pairs_of_the_same_sample(
    small_sample: None, benchmark_: Benchmark, vectors: Embeddings
) -> None:
    sampled = build_pack(benchmark_, vectors, EMBEDDER)
    sampled = replace(sampled, manifest=sampled.manifest.with_content_hash())
    rows = np.arange(benchmark_.n_inputs)
    grown = add_model(sampled, NewModelOutcomes(Model("new"), rows, benchmark_.outcomes[:, 0]))
    np.testing.assert_array_equal(grown.calibration.accuracies[:, -1], grown.calibration.accuracies[:, 0])
    assert grown.report["sample"] == sampled.report["sample"]
