"""One model's outcomes on a pack's inputs: found by id or text, or refused as a whole with every row at fault."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routing.benchmark import Model
from routing.importing.errors import NothingImported, OutcomesRejected, UnreadableFile
from routing.importing.outcomes_file import read_column
from routing.input_index import InputIndex
from routing.tidy import write_benchmark

INPUTS = InputIndex.from_texts(("a", "b", "c", "d"), ("one", "two", "three", "two"))


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> dict[int, float]:
    found = read_column(path, "m", INPUTS)
    return dict(zip(found.rows.tolist(), found.outcomes.tolist(), strict=True))


def test_ids_and_texts_name_inputs_in_csv_jsonl_and_parquet(tmp_path: Path) -> None:
    expected = {0: 1.0, 2: 0.25}
    assert (
        read(lines(tmp_path / "x.jsonl", {"input_id": "a", "score": 1}, {"text": "three", "score": 0.25})) == expected
    )
    (tmp_path / "x.csv").write_text("input_id,text,outcome\na,,1\n,three,0.25\n")
    assert read(tmp_path / "x.csv") == expected
    pq.write_table(pa.table({"input_id": ["a", "c"], "score": [1.0, 0.25]}), tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet") == expected


def test_a_text_that_is_asked_twice_counts_for_both(tmp_path: Path) -> None:
    assert read(lines(tmp_path / "x.jsonl", {"input": "two", "score": True})) == {1: 1.0, 3: 1.0}


def test_other_models_rows_are_passed_over(tmp_path: Path) -> None:
    rows = [{"input_id": "a", "model": "m", "score": 0}, {"input_id": "a", "model": "n", "score": 7}]
    assert read(lines(tmp_path / "x.jsonl", *rows)) == {0: 0.0}


def test_a_benchmarks_folder_will_do(tmp_path: Path) -> None:
    inputs = [("p", "d", "three"), ("q", "d", "one")]
    write_benchmark(tmp_path / "b", inputs, [("p", "m", 0.5), ("q", "n", 1.0)], [Model("m"), Model("n")])
    assert read(tmp_path / "b") == {2: 0.5}
    with pytest.raises(NothingImported, match="unknown model 'x'; it has m, n"):
        read_column(tmp_path / "b", "x", INPUTS)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"input_id": "zebra", "score": 1}, "line 2: the pack has no input 'zebra'"),
        ({"text": "unheard of", "score": 1}, "no input with the text 'unheard of'"),
        ({"input_id": "b", "score": 1.01}, "score 1.01 is outside"),
        ({"input_id": "b", "score": -0.1}, "score -0.1 is outside"),
        ({"input_id": "b", "score": "good"}, "score 'good' is not a number"),
        ({"input_id": "b"}, "score is missing"),
        ({"score": 1}, "input_id and text are both missing"),
        ({"text": "one", "score": 1}, "duplicate of x.jsonl line 1"),
        ([], "expected an object"),
    ],
)
def test_a_row_at_fault_is_named_and_nothing_is_taken(tmp_path: Path, row: Any, told: str) -> None:
    with pytest.raises(OutcomesRejected, match=told):
        read(lines(tmp_path / "x.jsonl", {"input_id": "a", "score": 1}, row))


def test_every_unknown_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutcomesRejected) as caught:
        read(lines(tmp_path / "x.jsonl", *({"input_id": f"z{n}", "score": 1} for n in range(30))))
    assert len(caught.value.faults) == 30
    assert all(f"z{n}" in fault for n, fault in enumerate(caught.value.faults))


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("input_id,score\n" if name.endswith("csv") else "\n")
    with pytest.raises(NothingImported, match="no outcomes of m"):
        read(tmp_path / name)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text("<x/>")
    with pytest.raises(UnreadableFile, match=r"neither a \.csv"):
        read(tmp_path / "x.xml")
    (tmp_path / "x.parquet").write_text("no parquet")
    with pytest.raises(UnreadableFile, match="not a readable parquet"):
        read(tmp_path / "x.parquet")


def test_names_do_not_hold_texts() -> None:
    assert "one" not in INPUTS.digests
    assert np.unique(INPUTS.digests).size == 3
