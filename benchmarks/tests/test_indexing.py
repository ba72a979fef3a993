"""Embeddings for the index benchmark: real rows first, then copies about as far apart as real neighbours are."""

from pathlib import Path

import numpy as np

from benchmarks.indexing.__main__ import find_true
from benchmarks.indexing.building import measure_build
from benchmarks.indexing.folders import write_folder
from benchmarks.indexing.repeated import RealEmbeddings, find_nearest_other, read_real_embeddings
from routing.arrays import unit_rows
from routing.benchmark import Dataset, Model
from routing.tidy import read_benchmark, write_benchmark

DIM, DATASETS, ROWS = 24, 10, 40


def read(folder: Path) -> RealEmbeddings:
    """Write a small benchmark with embeddings, and read it."""
    draw = np.random.default_rng(0)
    names = [f"d{place}" for place in range(DATASETS)]
    inputs = [(f"{name}-{row}", name, f"{name} {row}") for name in names for row in range(ROWS)]
    outcomes = [(key, model, 1.0) for key, _, _ in inputs for model in ("a", "b")]
    write_benchmark(folder, inputs, outcomes, [Model("a"), Model("b")], [Dataset(name) for name in names])
    centres = np.repeat(draw.normal(size=(DATASETS, DIM)), ROWS, axis=0)
    rows = unit_rows(centres + 0.3 * draw.normal(size=centres.shape))
    np.save(folder / "embeddings.f16.npy", rows.astype(np.float16))
    return read_real_embeddings([folder], queries=20)


def test_copies_lie_as_far_from_their_row_as_its_neighbour_does_by_the_square_root_of_two(tmp_path: Path) -> None:
    real = read(tmp_path / "benchmark")
    n = len(real.known)
    assert (len(real.known_queries), len(real.new_queries)) == (20, 2 * ROWS)
    assert n == 8 * ROWS - 20
    made = real.repeat_to(5 * n)
    np.testing.assert_array_equal(made, real.repeat_to(5 * n))
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-5)
    order = np.random.default_rng(0).permutation(n)
    np.testing.assert_allclose(made[:n], real.known[order], atol=1e-6)
    apart = np.linalg.norm(made[n:] - np.tile(real.known[order], (4, 1)), axis=1)
    ratio = np.median(apart / np.tile(real.nearest[order], 4))
    assert 0.6 < ratio < 0.8, "about 1 / sqrt(2), a little less after scaling to unit length"


def test_no_query_is_in_the_index_and_the_true_nearest_are_those_of_all_pairs(tmp_path: Path) -> None:
    real = read(tmp_path / "benchmark")
    known, new = real.draw_queries(10)
    assert float((np.concatenate([known, new]) @ real.known.T).max()) < 0.9999
    distances, found = find_nearest_other(real.known)
    cosines = real.known @ real.known.T - 2 * np.eye(len(real.known))
    np.testing.assert_array_equal(found, cosines.argmax(axis=1))
    np.testing.assert_allclose(distances, np.sqrt(2 - 2 * cosines.max(axis=1)), atol=1e-3)
    best = find_true(real.known, known)
    np.testing.assert_array_equal(best[:, 0], (known @ real.known.T).argmax(axis=1))


def test_a_benchmark_folder_repeats_rows_with_their_texts_and_is_built_whole(tmp_path: Path) -> None:
    real = read(tmp_path / "benchmark")
    n = 3 * len(real.known)
    write_folder(real, n, 4, tmp_path / "repeated")
    made = read_benchmark(tmp_path / "repeated")
    assert (made.n_inputs, len(made.models), len(made.datasets)) == (n, 4, 8)
    rows = real.rows_of(n)
    assert made.texts == tuple(real.texts[row] for row in rows)
    assert [made.datasets[place].name for place in made.dataset_ids] == [
        f"d{place:03}" for place in real.datasets[rows]
    ]
    assert set(np.unique(made.outcomes)) == {0.0, 1.0}
    row = measure_build(real, n, 4)
    assert (row["n"], row["datasets"], row["index"], row["sample"]) == (n, 8, None, None)
    assert {"reading", "indexing", "calibrating", "writing"} <= {one["phase"] for one in row["phases"]}
    assert min(row["cpu_s"], row["wall_s"], row["peak_mb"], row["open_cpu_s"]) > 0
