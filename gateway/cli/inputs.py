"""A task's inputs from a file or standard input: plain lines, or JSON lines.

    txt      one input per line
    jsonl    a JSON string; or an object with `text`, `input` or `prompt`; or a chat completion's body, whose last user
             message is the input

Blank lines are skipped. Any other invalid line is an error with file and line number.
"""

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.cli.errors import InputsError
from gateway.scorer.input_text import NoInputText, extract_text

FIELDS = ("text", "input", "prompt")
STDIN = Path("-")


class InputFormat(StrEnum):
    """Formats of inputs."""

    TXT = "txt"
    JSONL = "jsonl"


SUFFIXES = {".txt": InputFormat.TXT, ".jsonl": InputFormat.JSONL, ".ndjson": InputFormat.JSONL}


def read_inputs(path: Path, format_: InputFormat | None = None) -> list[str]:
    """Read the inputs in a file, or from standard input if the path is `-`.

    format_: by default from the file's suffix, else JSON lines if the first line is a JSON string or object. Raises
    InputsError for an invalid line, and if there is no input.
    """
    where = "standard input" if path == STDIN else str(path)
    try:
        content = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise InputsError(f"{where} cannot be read: {error.strerror}") from error
    lines = list(_lines(content, where))
    if not lines:
        raise InputsError(f"{where} contains no input")
    if (format_ or SUFFIXES.get(path.suffix) or _guess(lines[0][1])) is InputFormat.TXT:
        return [line for _, line in lines]
    return [_input(line, f"{where} line {number}") for number, line in lines]


def _lines(content: bytes, where: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            text = line.decode().strip()
        except UnicodeDecodeError as error:
            raise InputsError(f"{where} line {number}: not UTF-8 text") from error
        if text:
            yield number, text


def _guess(first: str) -> InputFormat:
    try:
        return InputFormat.JSONL if isinstance(json.loads(first), str | dict) else InputFormat.TXT
    except (ValueError, RecursionError):
        return InputFormat.TXT


def _input(line: str, where: str) -> str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputsError(f"{where}: invalid JSON ({error}); use --format txt for plain lines") from error
    text = _text(value) if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise InputsError(f"{where}: expected a string, or an object with {', '.join(FIELDS)} or messages")
    if not text.strip():
        raise InputsError(f"{where}: the input is empty")
    return text


def _text(value: dict[str, Any]) -> object:
    for field in FIELDS:
        if field in value:
            return value[field]
    try:
        return extract_text(json.dumps(value.get("messages")).encode(), "last_user")
    except NoInputText:
        return None
