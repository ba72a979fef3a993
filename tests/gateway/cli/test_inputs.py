"""Inputs are read from plain lines and JSON lines; what is none is named by file and line."""

import json
from pathlib import Path

import pytest

from gateway.cli.errors import InputsError
from gateway.cli.inputs import InputFormat, read_inputs


def given(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_text_is_one_input_a_line_without_blank_ones(tmp_path: Path) -> None:
    assert read_inputs(given(tmp_path, "a.txt", "\ufeffeins\r\n\r\n  \nzwei ü\n")) == ["eins", "zwei ü"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
        ({"id": 3, "text": "a"}, "a"),
        ({"input": "b"}, "b"),
        ({"prompt": "c"}, "c"),
        ({"model": "auto", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "d"}]}, "d"),
        ({"messages": [{"role": "user", "content": "old"}, {"role": "user", "content": "new"}]}, "new"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "e"}, {"type": "image_url", "image_url": {}}]}
                ]
            },
            "e",
        ),
    ],
)
def test_json_lines_hold_strings_objects_and_chat_bodies(value: object, text: str, tmp_path: Path) -> None:
    assert read_inputs(given(tmp_path, "a.jsonl", f"\n{json.dumps(value)}\n")) == [text]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "invalid JSON"),
        ("[" * 100_000, "invalid JSON"),
        ("17", "expected a string, or an object with text, input, prompt or messages"),
        ('{"question": "?"}', "expected a string"),
        ('{"text": 3}', "expected a string"),
        ('{"messages": []}', "expected a string"),
        ('{"messages": [{"role": "assistant", "content": "hm"}]}', "expected a string"),
        ('""', "the input is empty"),
        ('{"text": " "}', "the input is empty"),
    ],
)
def test_a_line_that_is_no_input_is_named(line: str, fault: str, tmp_path: Path) -> None:
    path = given(tmp_path, "a.jsonl", f'"fine"\n\n{line}\n')
    with pytest.raises(InputsError) as caught:
        read_inputs(path)
    assert str(caught.value).startswith(f"{path} line 3: ")
    assert fault in str(caught.value)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputsError, match=r"a\.txt line 2: not UTF-8 text"):
        read_inputs(given(tmp_path, "a.txt", b"fine\n\xff\n"))


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_nothing_at_all_is_an_error(content: str, tmp_path: Path) -> None:
    with pytest.raises(InputsError, match="contains no input"):
        read_inputs(given(tmp_path, "a.txt", content))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputsError, match="cannot be read: No such file"):
        read_inputs(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('"a"\n{"text": "b"}\n', ["a", "b"]),
        ('{"text": "b"}\n', ["b"]),
        ('"Halt!" he said\n', ['"Halt!" he said']),
        ("12\n13\n", ["12", "13"]),
    ],
)
def test_the_first_line_decides_where_the_name_does_not(content: str, texts: list[str], tmp_path: Path) -> None:
    assert read_inputs(given(tmp_path, "inputs", content)) == texts


def test_the_format_can_be_named(tmp_path: Path) -> None:
    path = given(tmp_path, "a.jsonl", '"a"\n')
    assert read_inputs(path, InputFormat.TXT) == ['"a"']
    assert read_inputs(given(tmp_path, "a.txt", '"a"\n'), InputFormat.JSONL) == ["a"]
