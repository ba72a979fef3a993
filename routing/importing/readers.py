"""Streaming readers: lines of JSON, elements of a JSON array, rows of CSV and of parquet.

An unreadable file raises UnreadableFile; an invalid row raises InvalidRow, which `collect_rejections` turns into a
rejected row before it continues with the next.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar

from routing.bounded import LIMITS, RECORD_OPTION, LimitExceeded, check_record, describe, read_file
from routing.importing.errors import InvalidRow, UnreadableFile
from routing.importing.record import Item, RejectedRow

CHUNK_CHARS = 1 << 18
NEAR_THE_END = 16
"""Characters: for JSON cut off inside a number, an escape or a literal, the error position is at most this far back."""

DELIMITERS = ",;\t"
MEMBERS = "*"
"""In a path, the members of an object; in a row, the key of the member's name."""

T = TypeVar("T")


def collect_rejections(rows: Iterable[tuple[str, T]], read: Callable[[T, str], Iterable[Item]]) -> Iterator[Item]:
    """Yield the items that `read` returns for each (where, row), a RejectedRow where it raises InvalidRow."""
    for where, row in rows:
        try:
            yield from read(row, where)
        except InvalidRow as bad:
            yield RejectedRow(where, str(bad))


def list_files(source: Path, *patterns: str) -> list[Path]:
    """Return the file itself, or the folder's files at any depth that match one of the patterns, sorted.

    Raises UnreadableFile where there is no such file or folder, or nothing in the folder matches.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UnreadableFile(source, "no such file or folder")
    found = sorted({path for pattern in patterns for path in source.rglob(pattern) if path.is_file()})
    if not found:
        raise UnreadableFile(source, f"no file in it matches {' or '.join(patterns)}")
    return found


def iter_json_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (where, line) of every non-blank line; `require_object` parses it. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file), 1):
                if line.strip():
                    yield f"{path.name} line {number}", line
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except LimitExceeded as error:
        raise UnreadableFile(path, str(error)) from error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    number, longest = 0, LIMITS.get().max_record_bytes + 1
    while line := file.readline(longest):
        number += 1
        check_record(len(line), f"line {number}")
        yield line


def require_object(value: object) -> dict[str, Any]:
    """Return the JSON object that a value is, or that a line of bytes contains. Raises InvalidRow."""
    if isinstance(value, bytes):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InvalidRow(f"invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRow(f"expected an object, found {type(value).__name__}")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """Read a small JSON file that contains an object. Raises UnreadableFile."""
    try:
        return require_object(read_file(path))
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except (InvalidRow, LimitExceeded) as error:
        raise UnreadableFile(path, str(error)) from error


def iter_json_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield (where, value) of a file of JSON lines, or of one JSON array. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            # The first non-blank byte decides, behind a byte order mark if there is one.
            begins = file.read(CHUNK_CHARS).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    return iter_json_elements(path) if begins == b"[" else iter_json_lines(path)


def iter_json_elements(path: Path, key: str | None = None) -> Iterator[tuple[str, Any]]:
    """Yield (where, element) of the array that the file is, or that is at this key of the object that it is.

    key: may be a dotted path into nested objects; `KEY.*` stands for the members of the object at KEY, each with its
    name under the key `*`. Only the current element is in memory. Raises UnreadableFile, also where there is no such
    array.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = _Text(file)
            parts = key.split(".") if key else []
            for name in parts:
                if name != MEMBERS:
                    _go_to(text, name)
            found = _members(text) if parts[-1:] == [MEMBERS] else _elements(text)
            yield from ((f"{path.name} record {number}", value) for number, value in enumerate(found, 1))
            if key is None:
                text.end()
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except LimitExceeded as error:
        raise UnreadableFile(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(path, f"invalid JSON, or truncated: {describe(error)}") from error


def read_json_head(path: Path, before: str) -> tuple[dict[str, Any], bool]:
    """Return the members of the object that a file is, up to this key, and True if it has the key.

    Raises UnreadableFile.
    """
    found: dict[str, Any] = {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = _Text(file)
            text.take("{")
            while text.ahead() != "}":
                name = text.value()
                text.take(":")
                if name == before:
                    return found, True
                found[str(name)] = text.value()
                if text.ahead() == ",":
                    text.take(",")
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except LimitExceeded as error:
        raise UnreadableFile(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(path, f"invalid JSON, or truncated: {describe(error)}") from error
    return found, False


def _go_to(text: "_Text", key: str) -> None:
    """Read an object up to the value of a key. Raises ValueError if there is none."""
    text.take("{")
    while text.ahead() != "}":
        name = text.value()
        text.take(":")
        if name == key:
            return
        text.value()
        if text.ahead() == ",":
            text.take(",")
    raise ValueError(f"the object has no {key!r}")


def _elements(text: "_Text") -> Iterator[Any]:
    text.take("[")
    while text.ahead() != "]":
        yield text.value()
        if text.ahead() != "]":
            text.take(",")
    text.take("]")


def _members(text: "_Text") -> Iterator[Any]:
    """Yield the members of an object that are objects, with their names."""
    text.take("{")
    while text.ahead() != "}":
        name = text.value()
        text.take(":")
        value = text.value()
        if isinstance(value, dict):
            yield {MEMBERS: name, **value}
        if text.ahead() != "}":
            text.take(",")
    text.take("}")


class _Text:
    """JSON text read ahead in chunks and discarded behind the current position."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._decoder = json.JSONDecoder()
        self._held = ""
        self._at = 0
        self._ended = False

    def ahead(self) -> str:
        """Return the next non-blank character. Raises ValueError at the end of the file."""
        char = self._next()
        if not char:
            raise ValueError("the file ends too early")
        return char

    def end(self) -> None:
        """Raise ValueError if anything but blanks remains."""
        if self._next():
            raise ValueError(f"unexpected {self._next()!r} after the end of the array")

    def _next(self) -> str:
        while True:
            while self._at < len(self._held) and self._held[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._held) or self._ended:
                return self._held[self._at : self._at + 1]
            self._more()

    def take(self, char: str) -> None:
        """Skip this character. Raises ValueError where there is another."""
        if self.ahead() != char:
            raise ValueError(f"expected {char!r}, found {self.ahead()!r}")
        self._at += 1

    def value(self) -> Any:
        """Return the next JSON value. Raises ValueError."""
        self.ahead()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                truncated = error.msg.startswith("Unterminated") or error.pos > len(self._held) - NEAR_THE_END
                if self._ended or not truncated:
                    raise
            else:
                # A number that reaches the end of the chunk may continue in the next one.
                if end < len(self._held) or self._ended:
                    self._at = end
                    return value
            self._more()

    def _more(self) -> None:
        self._held = self._held[self._at :]
        self._at = 0
        # What is held is one value, or the beginning of one.
        check_record(len(self._held), "one JSON value")
        # Doubling: a value of n chunks is decoded log n times, not n times.
        chunk = self._file.read(max(CHUNK_CHARS, len(self._held)))
        self._ended = not chunk
        self._held += chunk


def iter_csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row) of a CSV file with a header; any of DELIMITERS separates cells. Raises UnreadableFile."""
    # The csv module's own limit, 131,072 characters, is less than some prompts.
    limit = LIMITS.get().max_record_bytes
    csv.field_size_limit(limit)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline(limit + 1)
            check_record(len(header), "the first line")
            file.seek(0)
            # Spreadsheets of many countries write semicolons, and some tools tabs, under the same suffix.
            delimiter = next((sign for sign in DELIMITERS if sign in header), DELIMITERS[0])
            reader = csv.DictReader(file, strict=True, delimiter=delimiter)
            if not reader.fieldnames or len(set(reader.fieldnames)) < len(reader.fieldnames):
                raise UnreadableFile(path, "the first line is not a header: it is empty, or repeats a column name")
            yield from ((f"{path.name} row {number}", row) for number, row in enumerate(reader, 1))
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except LimitExceeded as error:
        raise UnreadableFile(path, str(error)) from error
    except (csv.Error, UnicodeDecodeError) as error:
        reason = (
            f"a cell has more than {limit:,} characters ({RECORD_OPTION})" if "field larger" in str(error) else error
        )
        raise UnreadableFile(path, f"invalid CSV, or not UTF-8: {reason}") from error


def iter_parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row) of a parquet file. Raises UnreadableFile."""
    from routing.bounded_tables import TABLE_ERRORS, iter_rows

    number = 0
    rows = iter_rows(path)
    while True:
        try:
            row = next(rows, None)
        except TABLE_ERRORS as error:
            raise UnreadableFile(path, f"not a readable parquet file: {describe(error)}") from error
        if row is None:
            return
        number += 1
        yield f"{path.name} row {number}", row
