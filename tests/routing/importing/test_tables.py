"""Anybody's tables, long and wide."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routing.importing.errors import UnreadableFile
from routing.importing.formats import FORMATS, reader_for
from tests.routing.importing.conftest import Import, write_lines

MAP = {"text": "prompt", "model": "llm", "score": "acc", "dataset": "task", "input_id": "id"}
ROWS = [
    {"id": "1", "task": "a", "prompt": "One?", "llm": "m", "acc": 1.0},
    {"id": "1", "task": "a", "prompt": "One?", "llm": "n", "acc": 0.5},
    {"id": "1", "task": "b", "prompt": "Another?", "llm": "m", "acc": 0.0},
]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    path.write_text("\n".join(lines))
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize(("format_", "write"), [("csv", write_csv), ("jsonl", write_lines), ("parquet", write_parquet)])
def test_a_row_may_be_one_outcome(tmp_path: Path, bring: Import, format_: str, write: Any) -> None:
    got = bring(format_, write(tmp_path / f"t.{format_}", ROWS), columns=MAP)
    assert got.inputs == [("a/1", "a", "One?"), ("b/1", "b", "Another?")]
    assert got.outcomes == {("a/1", "m"): 1.0, ("a/1", "n"): 0.5, ("b/1", "m"): 0.0}


@pytest.mark.parametrize(("format_", "write"), [("csv", write_csv), ("jsonl", write_lines), ("parquet", write_parquet)])
def test_a_row_may_be_one_input(tmp_path: Path, bring: Import, format_: str, write: Any) -> None:
    rows = [{"text": "One?", "x": 1, "y": 0.25}, {"text": "Two?", "x": 0, "y": 0.5}]
    got = bring(format_, write(tmp_path / f"t.{format_}", rows), dataset="mine", models=("x", "y"))
    assert [row[1:] for row in got.inputs] == [("mine", "One?"), ("mine", "Two?")]
    assert list(got.outcomes.values()) == [1.0, 0.25, 0.0, 0.5]


def test_an_id_is_made_of_dataset_and_text_where_there_is_none(tmp_path: Path, bring: Import) -> None:
    rows = [{"dataset": d, "text": "same", "model": m, "score": 1} for d in "ab" for m in "mn"]
    got = bring("jsonl", write_lines(tmp_path / "t.jsonl", rows))
    assert len(got.inputs) == 2
    assert len(got.outcomes) == 4


def test_log_probabilities_are_taken_where_there_are_some(tmp_path: Path, bring: Import) -> None:
    rows = [ROWS[0] | {"ll": -0.5}, ROWS[1] | {"ll": None}, ROWS[2] | {"ll": 0.5}]
    got = bring("jsonl", write_lines(tmp_path / "t.jsonl", rows), columns=MAP | {"loglik": "ll"})
    assert got.logliks == {("a/1", "m"): -0.5}
    assert got.refused == ["t.jsonl line 3: loglik 0.5 is not a log-probability"]


def test_an_empty_cell_of_a_wide_table_is_a_missing_outcome(tmp_path: Path, bring: Import) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,x,y\nOne?,1,\nTwo?,,0\n")
    assert bring("csv", path, dataset="d", models=("x", "y")).summary.models == {"x": 1, "y": 1}


def test_bad_rows_are_refused_by_number(tmp_path: Path, bring: Import) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,text,x,y\n1,One?,1,good\n,Two?,1,1\n3,Three?,1,1,1\n4,,1,1\n5,Five?,2,1\n6\n")
    assert bring("csv", path, dataset="d", models=("x", "y"), columns={"input_id": "id"}).refused == [
        "t.csv row 1: score of y 'good' is not a number",
        "t.csv row 2: id is empty",
        "t.csv row 3: more cells than the header has columns",
        "t.csv row 4: text is empty",
        "t.csv row 4: text is empty",
        "t.csv row 5: score 2 is outside [0, 1]",
        "t.csv row 6: text is missing",
    ]


def test_files_of_a_folder_are_taken_together(tmp_path: Path, bring: Import) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    for model in "mn":
        write_csv(folder / f"{model}.csv", [{"dataset": "d", "input_id": 1, "text": "x", "model": model, "score": 1}])
    assert bring("csv", folder).summary.models == {"m": 1, "n": 1}


@pytest.mark.parametrize(("format_", "write"), [("csv", write_csv), ("parquet", write_parquet)])
def test_columns_that_are_not_there_are_told(tmp_path: Path, bring: Import, format_: str, write: Any) -> None:
    path = write(tmp_path / f"t.{format_}", ROWS)
    with pytest.raises(
        UnreadableFile, match=r"missing column text, dataset, model, score; found columns: id, task, prompt"
    ):
        bring(format_, path)
    with pytest.raises(UnreadableFile, match=r"missing column question \(for text\), z; found columns"):
        bring(format_, path, dataset="d", models=("z",), columns={"text": "question"})


def test_every_format_has_a_reader() -> None:
    for name in FORMATS:
        assert callable(reader_for(name))
