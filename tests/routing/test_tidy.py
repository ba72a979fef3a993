"""The tidy format: what is written is read again, and what is wrong is refused with its file and row."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routing.benchmark import Dataset, Model
from routing.errors import BenchmarkError
from routing.tidy import check_vectors, read_benchmark, read_embeddings, write_benchmark

INPUTS = [("1", "a", "one"), ("2", "a", "two"), ("3", "b", "three")]
OUTCOMES = [("1", "m", 1.0), ("1", "n", 0.25), ("2", "m", 0.0), ("3", "n", 1.0)]
MODELS = [Model("m", 7.0, 0.1, 0.2), Model("n")]


def table(**columns: list[Any]) -> pa.Table:
    return pa.table(columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_benchmark(tmp_path / "bench", INPUTS, OUTCOMES, MODELS, [Dataset("b", 0.3, "here", "MIT")])
    return tmp_path / "bench"


def faults(folder: Path) -> list[str]:
    with pytest.raises(BenchmarkError) as caught:
        read_benchmark(folder)
    return caught.value.faults


def test_what_is_written_is_read_again(folder: Path) -> None:
    read = read_benchmark(folder)
    assert (read.name, read.texts, read.model_names) == ("bench", ("one", "two", "three"), ("m", "n"))
    assert read.datasets == (Dataset("a"), Dataset("b", 0.3, "here", "MIT"))
    assert read.dataset_ids.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(read.outcomes, [[1, 0.25], [0, np.nan], [np.nan, 1]])
    assert read.models == tuple(MODELS)


def test_correct_is_above_the_datasets_own_threshold_and_missing_stays_missing(folder: Path) -> None:
    write_benchmark(folder, INPUTS, [("1", "m", 0.5), ("1", "n", 0.51), ("3", "m", 0.31), ("3", "n", 0.3)], MODELS)
    write_benchmark(
        folder,
        INPUTS,
        [("1", "m", 0.5), ("1", "n", 0.51), ("3", "m", 0.31), ("3", "n", 0.3)],
        MODELS,
        [Dataset("b", 0.3)],
    )
    np.testing.assert_array_equal(read_benchmark(folder).correct_outcomes(), [[0, 1], [np.nan, np.nan], [1, 0]])


def test_log_likelihoods_are_read_where_there_are_any(folder: Path) -> None:
    assert read_benchmark(folder).loglik is None

    def add(columns: dict[str, list[Any]]) -> None:
        columns["loglik"] = [-0.5, None, -2.0, None]

    rewrite(folder, "outcomes.parquet", add)
    np.testing.assert_array_equal(read_benchmark(folder).loglik, [[-0.5, np.nan], [-2, np.nan], [np.nan, np.nan]])
    rewrite(folder, "outcomes.parquet", lambda columns: columns.update(loglik=[0.5, None, -2.0, 1.0]))
    assert faults(folder) == ["outcomes.parquet row 1, 4: loglik is above 0"]
    rewrite(folder, "outcomes.parquet", lambda columns: columns.update(loglik=["x"] * 4))
    assert faults(folder) == ["outcomes.parquet: column loglik has type string, expected numbers"]


def rewrite(folder: Path, file: str, change: Callable[[dict[str, list[Any]]], None]) -> None:
    columns = pq.read_table(folder / file).to_pydict()
    change(columns)
    pq.write_table(pa.table(columns), folder / file)


def drop_last(columns: dict[str, list[Any]]) -> None:
    for column in columns.values():
        column.pop()


def put(column: str, row: int, value: Any) -> Callable[[dict[str, list[Any]]], None]:
    return lambda columns: columns[column].__setitem__(row, value)


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("inputs.parquet", put("input_id", 2, "1"), "inputs.parquet row 3: input_id is a duplicate"),
        ("inputs.parquet", put("text", 1, None), "inputs.parquet row 2: text is missing"),
        ("inputs.parquet", put("dataset", 0, " "), "inputs.parquet row 1: dataset is empty"),
        ("outcomes.parquet", put("input_id", 3, "9"), "outcomes.parquet row 4: input_id is not in inputs.parquet"),
        ("outcomes.parquet", put("model", 1, "zz"), "outcomes.parquet row 2: model is not in models.csv"),
        ("outcomes.parquet", put("score", 0, 1.01), "outcomes.parquet row 1: score is outside [0, 1]"),
        ("outcomes.parquet", put("score", 0, float("nan")), "outcomes.parquet row 1: score is outside [0, 1]"),
        ("outcomes.parquet", put("score", 0, None), "outcomes.parquet row 1: score is missing"),
        ("outcomes.parquet", put("model", 1, "m"), "outcomes.parquet row 2: input_id and model are a duplicate"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_row(
    folder: Path, file: str, change: Callable[[dict[str, list[Any]]], None], told: str
) -> None:
    rewrite(folder, file, change)
    assert told in faults(folder)


def test_a_dataset_without_outcomes_is_empty(folder: Path) -> None:
    rewrite(folder, "outcomes.parquet", drop_last)
    assert faults(folder) == ["outcomes.parquet: dataset 'b' has no outcomes"]


def test_several_faults_are_told_at_once(folder: Path) -> None:
    (folder / "models.csv").write_text("model,params_b\nm,seven\nm,1\n,2\n")
    (folder / "inputs.parquet").unlink()
    told = "\n".join(faults(folder))
    for fault in (
        "models.csv row 1: params_b 'seven' is not a non-negative number",
        "models.csv row 2: model 'm' is a duplicate",
        "models.csv row 3: model '' is empty",
        "inputs.parquet is missing",
    ):
        assert fault in told


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "outcomes.parquet").unlink(), "outcomes.parquet is missing"),
        (lambda f: (f / "models.csv").unlink(), "models.csv is missing"),
        (lambda f: (f / "models.csv").write_text("name\nm\n"), "models.csv: missing column model"),
        (lambda f: (f / "models.csv").write_text("model\n"), "models.csv: no models"),
        (lambda f: (f / "models.csv").write_text("model,params_b\nm,-1\nn,\n"), "models.csv row 1: params_b '-1'"),
        (lambda f: (f / "models.csv").write_text("model,params_b\nm,inf\nn,\n"), "models.csv row 1: params_b 'inf'"),
        (lambda f: (f / "datasets.csv").write_text("dataset\nzz\n"), "datasets.csv: dataset 'zz' has no inputs"),
        (lambda f: (f / "inputs.parquet").write_text("no"), "inputs.parquet: not a readable parquet file"),
        (lambda f: pq.write_table(table(input_id=["1"]), f / "inputs.parquet"), "missing column dataset, text"),
        (
            lambda f: pq.write_table(table(input_id=["1"], dataset=[1], text=["x"]), f / "inputs.parquet"),
            "column dataset has type int64, expected text",
        ),
        (
            lambda f: pq.write_table(table(input_id=["1"], model=["m"], score=["1"]), f / "outcomes.parquet"),
            "column score has type string, expected numbers",
        ),
        (
            lambda f: pq.write_table(
                pa.table({name: pa.array([], pa.string()) for name in ("input_id", "dataset", "text")}),
                f / "inputs.parquet",
            ),
            "inputs.parquet: no inputs",
        ),
    ],
)
def test_a_bad_file_is_refused(folder: Path, spoil: Callable[[Path], object], told: str) -> None:
    spoil(folder)
    assert any(told in fault for fault in faults(folder)), faults(folder)


def give(folder: Path, vectors: Any, about: str | None = '{"embedder": "e"}') -> None:
    np.save(folder / "embeddings.f16.npy", vectors)
    if about is not None:
        (folder / "embeddings.json").write_text(about)


def test_embeddings_beside_a_benchmark_are_read_as_unit_rows(folder: Path) -> None:
    assert read_embeddings(folder, 3) is None
    give(folder, np.array([[3, 4], [0, 2], [1, 0]], dtype=np.float16))
    given = read_embeddings(folder, 3)
    assert given is not None
    assert given.embedder == "e"
    np.testing.assert_allclose(given.vectors, np.array([[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]]), atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "about", "told"),
    [
        (np.ones((3, 2)), None, "embeddings.json is missing"),
        (np.ones((3, 2)), "{}", "embedder"),
        (np.ones((3, 2)), "no json", "embeddings"),
        (np.ones((2, 2)), json.dumps({"embedder": "e"}), "expected (3, dim)"),
        (np.ones(3), json.dumps({"embedder": "e"}), "expected (3, dim)"),
        (
            np.array([[1, 0], [np.nan, 1], [0, 0]]),
            json.dumps({"embedder": "e"}),
            "row 2: the vector is zero, or contains",
        ),
        (
            np.array([[1, 0], [np.inf, 1], [0, 0]]),
            json.dumps({"embedder": "e"}),
            "row 3: the vector is zero, or contains",
        ),
    ],
)
def test_embeddings_that_cannot_be_used_are_refused(folder: Path, vectors: Any, about: str | None, told: str) -> None:
    give(folder, vectors, about)
    with pytest.raises(BenchmarkError) as caught:
        read_embeddings(folder, 3)
    assert told in str(caught.value)


def test_a_file_that_is_no_array_is_refused(folder: Path) -> None:
    give(folder, np.ones((3, 2)))
    (folder / "embeddings.f16.npy").write_bytes(b"nothing of the kind")
    with pytest.raises(BenchmarkError, match="embeddings"):
        read_embeddings(folder, 3)


def test_a_long_list_of_faults_is_cut_where_it_is_shown_and_kept_whole() -> None:
    with pytest.raises(BenchmarkError) as caught:
        check_vectors(np.zeros((50, 2)), 50, "here")
    assert len(caught.value.faults) == 50
    assert "and 30 more" in str(caught.value)


def test_unknown_names_are_refused(folder: Path) -> None:
    read = read_benchmark(folder)
    with pytest.raises(BenchmarkError, match="unknown dataset 'zz'; known datasets: a, b"):
        read.without_datasets(["zz"])
    with pytest.raises(BenchmarkError, match="unknown model 'zz'"):
        read.select_models(["m", "zz"])
    smaller, rows = read.without_datasets(["a"])
    assert (smaller.texts, rows.tolist(), smaller.dataset_ids.tolist()) == (("three",), [2], [0])
