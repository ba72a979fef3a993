"""Files gone through piece by piece: lines of JSON, elements of a JSON array, rows of CSV and of parquet.

What cannot be read at all is an UnreadableFile; a wrong row is an InvalidRow, which `collect_rejections` turns into
a refusal, and the rows after it go on.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO, TypeVar

from routing.importing.errors import InvalidRow, UnreadableFile
from routing.importing.record import Item, RejectedRow

CHUNK_CHARS = 1 << 18
CELL_CHARS = 1 << 30
NEAR_THE_END = 16
"""Characters: where JSON breaks off inside a number, an escape or a word, the fault is told at most so far back."""

BATCH_ROWS = 1024

T = TypeVar("T")


def collect_rejections(rows: Iterable[tuple[str, T]], read: Callable[[T, str], Iterable[Item]]) -> Iterator[Item]:
    """What `read` makes of each (where, row), a Refusal where it raises InvalidRow."""
    for where, row in rows:
        try:
            yield from read(row, where)
        except InvalidRow as bad:
            yield RejectedRow(where, str(bad))


def list_files(source: Path, *patterns: str) -> list[Path]:
    """The file itself, or the folder's files at any depth that fit one of the patterns, sorted.

    Raises UnreadableFile where there is no such file or folder, or nothing in the folder fits.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UnreadableFile(source, "no such file or folder")
    found = sorted({path for pattern in patterns for path in source.rglob(pattern) if path.is_file()})
    if not found:
        raise UnreadableFile(source, f"nothing in it is named {' or '.join(patterns)}")
    return found


def iter_json_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """(where, line) of every line that is not blank; `an_object` reads it. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path.name} line {number}", line
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error


def require_object(value: object) -> dict[str, Any]:
    """The JSON object that a value is, or that a line of bytes holds. Raises InvalidRow."""
    if isinstance(value, bytes):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InvalidRow(f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRow(f"expected an object, found {type(value).__name__}")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file that holds an object. Raises UnreadableFile."""
    try:
        return require_object(path.read_bytes())
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except InvalidRow as error:
        raise UnreadableFile(path, str(error)) from error


def iter_json_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """(where, value) of a file of JSON lines, or of one JSON array, whichever it is. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            begins = file.read(CHUNK_CHARS).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    return iter_json_elements(path) if begins == b"[" else iter_json_lines(path)


def iter_json_elements(path: Path, key: str | None = None) -> Iterator[tuple[str, Any]]:
    """(where, element) of the array that the file is, or that is at this key of the object that it is.

    Nothing but the element at hand is in memory. Raises UnreadableFile, also where there is no such array.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = _Text(file)
            if key is not None:
                _go_to(text, key)
            yield from ((f"{path.name} record {number}", value) for number, value in enumerate(_elements(text), 1))
            if key is None:
                text.end()
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(path, f"no JSON, or cut off: {error}") from error


def iter_json_member(path: Path, key: str) -> Any:
    """The value at a key of the object that a file is; what lies behind it is not read. Raises UnreadableFile."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = _Text(file)
            _go_to(text, key)
            return text.value()
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(path, f"no JSON, or cut off: {error}") from error


def _go_to(text: "_Text", key: str) -> None:
    """Reads an object up to the value of a key. Raises ValueError if there is none."""
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


class _Text:
    """JSON text read ahead of where it is needed, and forgotten behind."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._decoder = json.JSONDecoder()
        self._held = ""
        self._at = 0
        self._ended = False

    def ahead(self) -> str:
        """The next character that is no blank. Raises ValueError at the end of the file."""
        char = self._next()
        if not char:
            raise ValueError("the file ends too early")
        return char

    def end(self) -> None:
        """Raises ValueError if anything but blanks is left."""
        if self._next():
            raise ValueError(f"{self._next()!r} comes after the end of the array")

    def _next(self) -> str:
        while True:
            while self._at < len(self._held) and self._held[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._held) or self._ended:
                return self._held[self._at : self._at + 1]
            self._more()

    def take(self, char: str) -> None:
        """Goes past this character. Raises ValueError where there is another."""
        if self.ahead() != char:
            raise ValueError(f"expected {char!r}, found {self.ahead()!r}")
        self._at += 1

    def value(self) -> Any:
        """The next JSON value. Raises ValueError."""
        self.ahead()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                broken_off = error.msg.startswith("Unterminated") or error.pos > len(self._held) - NEAR_THE_END
                if self._ended or not broken_off:
                    raise
            else:
                if end < len(self._held) or self._ended:  # a number that reaches the end may go on behind it
                    self._at = end
                    return value
            self._more()

    def _more(self) -> None:
        self._held = self._held[self._at :]
        self._at = 0
        chunk = self._file.read(max(CHUNK_CHARS, len(self._held)))  # doubling: a long value is not read over and over
        self._ended = not chunk
        self._held += chunk


def iter_csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) of a CSV file with a header. Raises UnreadableFile."""
    csv.field_size_limit(CELL_CHARS)  # the csv module's own limit, 131,072 characters, is less than some prompts
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if not reader.fieldnames or len(set(reader.fieldnames)) < len(reader.fieldnames):
                raise UnreadableFile(path, "the first line is no header: it is empty, or names a column twice")
            yield from ((f"{path.name} row {number}", row) for number, row in enumerate(reader, 1))
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableFile(path, f"no CSV in UTF-8: {error}") from error


def iter_parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) of a parquet file. Raises UnreadableFile."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name} row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(path, f"not a readable parquet file: {error}") from error
