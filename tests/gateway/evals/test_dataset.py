"""A labelled file is read as a whole: every fault is told with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.evals.dataset import read_dataset
from gateway.evals.errors import DatasetFaults
from gateway.evals.questions import Grader
from tests.gateway.evals.conftest import labelled


def test_lines_become_questions(tmp_path: Path) -> None:
    path = labelled(
        tmp_path / "capitals.jsonl",
        [
            {"input": "Capital of France?", "reference": "Paris", "whatever": 1},
            {
                "id": 7,
                "dataset": "other",
                "messages": [{"role": "user", "content": "2+2?"}],
                "reference": 4,
                "mark": "number",
            },
            {"input": "Which?", "choices": ["one", "two"], "reference": "two"},
        ],
    )
    first, second, third = read_dataset(path)
    assert (first.id, first.dataset, first.mark, first.references) == (
        "capitals-1",
        "capitals",
        Grader.EXACT,
        ("Paris",),
    )
    assert first.messages == ({"role": "user", "content": "Capital of France?"},)
    assert (second.id, second.dataset, second.text, second.references) == ("7", "other", "2+2?", ("4",))
    assert (third.mark, third.references) == (Grader.CHOICE, ("B",))
    assert third.text == "Which?\n\nA. one\nB. two\n\nAnswer with the letter of the right choice."


def test_the_commands_rule_holds_for_lines_that_do_not_say(tmp_path: Path) -> None:
    path = labelled(
        tmp_path / "q.jsonl", [{"input": "a", "reference": "b"}, {"input": "c", "reference": "d", "mark": "f1"}]
    )
    assert [question.mark for question in read_dataset(path, Grader.CONTAINS)] == [Grader.CONTAINS, Grader.F1]


def test_a_limit_holds_for_each_dataset(tmp_path: Path) -> None:
    path = labelled(tmp_path / "q.jsonl", [{"input": "a", "reference": "b", "dataset": name} for name in "xxxyy"])
    assert [question.dataset for question in read_dataset(path, limit=2)] == ["x", "x", "y", "y"]


GOOD: dict[str, Any] = {"input": "a", "reference": "b"}
CHOICE = {"input": "a", "choices": ["x", "y"], "reference": "A"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "invalid JSON"),
        ("[1]", "expected a JSON object"),
        ({"reference": "b"}, "requires either input or messages"),
        ({**GOOD, "messages": []}, "requires either input or messages"),
        ({"input": " ", "reference": "b"}, "input must be a non-empty string"),
        ({"messages": [], "reference": "b"}, "messages must be a list of objects with role and content"),
        ({"messages": [{"role": "user"}], "reference": "b"}, "messages must be a list of objects"),
        (
            {"messages": [{"role": "system", "content": "x"}], "reference": "b"},
            "messages contain no user message with text",
        ),
        ({"input": "a"}, "reference must be a non-empty string"),
        ({"input": "a", "reference": []}, "reference must be a non-empty string"),
        ({"input": "a", "reference": ["b", 1]}, "reference must be a non-empty string"),
        ({**GOOD, "mark": "best"}, "unknown mark 'best': expected exact, choice"),
        ({**GOOD, "mark": "number"}, "reference 'b': expected one number"),
        ({**GOOD, "reference": "1e999", "mark": "number"}, "reference '1e999': expected one number"),
        ({**GOOD, "reference": "(", "mark": "regex"}, "reference '(': invalid regular expression"),
        ({**GOOD, "mark": "choice"}, "mark `choice` requires choices"),
        ({**CHOICE, "choices": ["x"]}, "1 choices, expected 2 to 26"),
        ({**CHOICE, "choices": ["x", "x"]}, "duplicate choices"),
        ({**CHOICE, "choices": ["x", 1]}, "choices must be a list of non-empty strings"),
        ({**CHOICE, "reference": "z"}, "reference 'z' is neither a choice nor a letter from A to B"),
        ({**CHOICE, "choices": ["B", "A"]}, "reference 'A' is ambiguous: choices A and B"),
        ({**GOOD, "id": ""}, "id must be a non-empty string"),
        ({**GOOD, "dataset": None}, "dataset must be a non-empty string"),
        ({**GOOD, "input": "\ud800"}, "contains half a surrogate pair"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_line(tmp_path: Path, line: object, told: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join([json.dumps(GOOD), "", line if isinstance(line, str) else json.dumps(line)]))
    with pytest.raises(DatasetFaults) as refused:
        read_dataset(path)
    assert f"{path}: 1 error\n  line 3: {told}" in str(refused.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = labelled(tmp_path / "q.jsonl", [{**GOOD, "id": "x"}, {}, {**GOOD, "id": "x"}, *[{}] * 60])
    with pytest.raises(DatasetFaults) as refused:
        read_dataset(path)
    assert len(refused.value.faults) == 62
    lines = str(refused.value).splitlines()
    assert lines[2] == "  line 3: duplicate id 'x', also in line 1"
    assert lines[-1] == "  and 12 more"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    with pytest.raises(DatasetFaults, match="cannot be read: No such file"):
        read_dataset(path)
    path.write_text("\n\n")
    with pytest.raises(DatasetFaults, match="contains no question"):
        read_dataset(path)
    path.write_bytes(b"{}\n\xff")
    with pytest.raises(DatasetFaults, match="line 2: not UTF-8 text"):
        read_dataset(path)
