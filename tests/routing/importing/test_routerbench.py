"""RouterBench's tables, and that reading a pickle runs nothing of it."""

import csv
import io
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from routing.importing import pandas_pickle
from routing.importing.errors import NothingImported, UnreadableFile, UnsafePickle
from routing.importing.pandas_pickle import read_frame
from tests.routing.importing.conftest import Import
from tests.routing.importing.pickles import NEWER_TEXT, PLAIN_TEXT, SHUFFLED_TEXT, pickled

COLUMNS = (
    "sample_id",
    "prompt",
    "eval_name",
    "gpt-4",
    "org/llama",
    "gpt-4|model_response",
    "org/llama|model_response",
    "gpt-4|total_cost",
    "org/llama|total_cost",
    "oracle_model_to_route_to",
)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def write_csv(path: Path, *rows: list[Any]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def row(number: int, first: object, second: object) -> list[Any]:
    return [f"mmlu.val.{number}", f"['Question {number}?']", "mmlu", first, second, "A", "B", 0.1, 0.2, "gpt-4"]


def test_a_table_that_pandas_pickled_is_read_without_pandas(tmp_path: Path) -> None:
    columns = read_frame(write(tmp_path / "t.pkl", pickled(PLAIN_TEXT)))
    assert tuple(columns) == COLUMNS
    assert columns["sample_id"] == ["mmlu.val.0", "mmlu.val.1", "mmlu.val.2"]
    assert columns["gpt-4"] == [0.0, 1.0, 0.0]
    assert columns["org/llama"] == [0.25, 0.25, 0.25]
    assert columns["org/llama|total_cost"] == [0.0001, 0.0001, 0.0001]
    assert columns["oracle_model_to_route_to"] == ["gpt-4"] * 3


def test_an_older_pandas_mixed_objects_and_moved_rows_are_read_too(tmp_path: Path) -> None:
    columns = read_frame(write(tmp_path / "t.pkl", pickled(SHUFFLED_TEXT)))
    assert columns["sample_id"] == ["mmlu.val.2", "mmlu.val.0", "mmlu.val.1"]
    assert columns["gpt-4"] == [True, 0.0, None]


def test_a_pickled_table_is_imported(tmp_path: Path, bring: Import) -> None:
    got = bring("routerbench", write(tmp_path / "routerbench_0shot.pkl", pickled(PLAIN_TEXT)))
    assert got.inputs[0] == ("mmlu.val.0", "mmlu", "Question 0?\nAnd then?")
    assert got.summary.models == {"gpt-4": 3, "org/llama": 3}
    assert got.outcomes["mmlu.val.1", "gpt-4"] == 1.0


def test_a_missing_score_is_a_missing_outcome(tmp_path: Path, bring: Import) -> None:
    got = bring("routerbench", write(tmp_path / "t.pkl", pickled(SHUFFLED_TEXT)))
    assert got.summary.models == {"gpt-4": 2, "org/llama": 3}
    assert got.outcomes["mmlu.val.2", "gpt-4"] == 1.0


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch evil-was-here",)


class Written:
    """What pickle names by GLOBAL and calls by REDUCE, written by hand."""

    def __init__(self, name: str, *arguments: object) -> None:
        self.name = name
        self.arguments = arguments

    def bytes(self) -> bytes:
        module, _, attribute = self.name.rpartition(".")
        arguments = pickle.dumps(self.arguments, protocol=2)[2:-1]
        return b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + arguments + b"R."


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Evil()),
        pickle.dumps({"a": [Evil()]}, protocol=0),
        Written("builtins.eval", "open('evil-was-here', 'w')").bytes(),
        Written("builtins.exec", "open('evil-was-here', 'w')").bytes(),
        Written("builtins.getattr", "x", "y").bytes(),
        Written("pandas.read_pickle", "x").bytes(),
        Written("pandas.core.frame.DataFrame.eval", "x").bytes(),
        Written("numpy.load", "x").bytes(),
        Written("numpy.core.multiarray.fromfile", "x").bytes(),
        Written("routing.importing.pandas_pickle.read_frame", "x").bytes(),
        Written("copyreg._reconstructor", "x").bytes(),
    ],
)
def test_a_pickle_that_asks_for_anything_else_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bring: Import, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "evil.pkl", content)
    with pytest.raises(UnsafePickle, match=r"the pickle names .*; nothing was executed"):
        read_frame(path)
    with pytest.raises(UnsafePickle):
        bring("routerbench", path)
    assert sorted(os.listdir(tmp_path)) == ["evil.pkl"]


def test_a_pickle_cannot_alter_the_stand_ins(tmp_path: Path) -> None:
    """BUILD with a pair sets attributes on what lies on the stack: here on the class itself."""
    content = b"\x80\x02cpandas._libs.internals\n_unpickle_block\n(N}X\x06\x00\x00\x00placesK\x01stb."
    with pytest.raises(UnreadableFile, match=r"Block\.places is read-only"):
        read_frame(write(tmp_path / "t.pkl", content))
    assert callable(pandas_pickle.STAND_INS["pandas._libs.internals._unpickle_block"].places)  # type: ignore[attr-defined]


def test_numpys_and_pandas_names_are_answered_by_stand_ins_only() -> None:
    answers = set(pandas_pickle.STAND_INS.values())
    assert {answer.__module__ for answer in answers if answer is not slice} == {"routing.importing.pandas_pickle"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a pickled table"),
        (b"nothing of the kind", "not a pickled table"),
        (pickled(PLAIN_TEXT)[:-200], "not a pickled table"),
        (pickle.dumps([1, 2]), "it contains a list, not a table"),
        (Written("numpy.dtype", "V8").bytes(), "it contains a DType, not a table"),
        (Written("pandas.core.internals.managers.BlockManager", [1], [2]).bytes(), "expected Block, found int"),
        (Written("numpy.core.numeric._frombuffer", "1", 2, 3, "C").bytes(), "expected DType, found int"),
    ],
)
def test_what_is_no_table_is_unreadable(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(UnreadableFile, match=told):
        read_frame(write(tmp_path / "t.pkl", content))


def test_bytes_are_never_taken_for_objects(tmp_path: Path) -> None:
    """An array of objects out of plain bytes would be pointers of somebody else's choice."""
    content = pickled(PLAIN_TEXT).replace(b"\x8c\x02f8", b"\x8c\x02O8")
    with pytest.raises(UnreadableFile, match="an array of O8 cannot be read"):
        read_frame(write(tmp_path / "t.pkl", content))


def test_a_newer_pandas_memory_is_not_read_unchecked(tmp_path: Path) -> None:
    with pytest.raises(UnsafePickle, match="from a newer pandas, save it as CSV"):
        read_frame(write(tmp_path / "t.pkl", pickled(NEWER_TEXT)))


def test_the_same_as_csv(tmp_path: Path, bring: Import) -> None:
    got = bring("routerbench", write_csv(tmp_path / "t.csv", row(0, 1.0, 0.5), row(1, "", "True")))
    assert got.outcomes == {
        ("mmlu.val.0", "gpt-4"): 1.0,
        ("mmlu.val.0", "org/llama"): 0.5,
        ("mmlu.val.1", "org/llama"): 1.0,
    }
    assert got.inputs == [("mmlu.val.0", "mmlu", "Question 0?"), ("mmlu.val.1", "mmlu", "Question 1?")]


def test_models_may_be_chosen(tmp_path: Path, bring: Import) -> None:
    path = write_csv(tmp_path / "t.csv", row(0, 1.0, 0.5))
    assert bring("routerbench", path, models=("org/llama",)).summary.models == {"org/llama": 1}


def test_bad_cells_and_rows_are_refused(tmp_path: Path, bring: Import) -> None:
    path = write_csv(
        tmp_path / "t.csv", row(0, "good", 0.5), [*row(1, 1, 1), "more"], ["", *row(2, 1, 1)[1:]], row(3, 2.0, 1.0)
    )
    assert bring("routerbench", path).refused == [
        "t.csv row 1: score of gpt-4 'good' is not a number",
        "t.csv row 2: more cells than the header has columns",
        "t.csv row 3: input_id is empty",
        "t.csv row 3: input_id is empty",
        "t.csv row 4: score 2 is outside [0, 1]",
    ]


@pytest.mark.parametrize(
    ("written", "words"), [("plain", "plain"), ("[broken", "[broken"), ("[1, 2]", "[1, 2]"), ("['a', 'b']", "a\nb")]
)
def test_a_prompt_is_the_turns_it_lists_or_as_it_is(tmp_path: Path, bring: Import, written: str, words: str) -> None:
    values = row(0, 1.0, 1.0)
    values[1] = written
    assert bring("routerbench", write_csv(tmp_path / "t.csv", values)).inputs[0][2] == words


def test_other_tables_are_unreadable(tmp_path: Path, bring: Import) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sample_id,prompt,gpt-4\n1,x,1\n")
    with pytest.raises(UnreadableFile, match="missing column eval_name; found columns: sample_id, prompt, gpt-4"):
        bring("routerbench", path)
    path.write_text("sample_id,prompt,eval_name,gpt-4\n1,x,y,1\n")
    with pytest.raises(UnreadableFile, match="no column MODEL with"):
        bring("routerbench", path)
    path.write_text("sample_id,prompt,eval_name,gpt-4\n")
    with pytest.raises(NothingImported):
        bring("routerbench", path)


def test_the_written_pickles_mean_what_the_tests_say() -> None:
    assert pickle.load(io.BytesIO(Written("builtins.slice", 1, 2).bytes())) == slice(1, 2)  # noqa: S301 - ours
