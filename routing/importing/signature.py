"""Signatures of formats: what a tool's files are named and which keys they contain, without reading them whole."""

import csv
import re
import zipfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from routing.bounded import open_zip
from routing.errors import RoutingError

HEAD_BYTES = 1 << 18
DEPTH = 3
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|["{}\[\]:,]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Signature:
    """Mark by which a format's files are recognised.

    Attributes:
        glob: pattern of the file's name, or of the end of its path: `samples_*.jsonl`, `predictions/*/*.json`.
        keys: all must be in the file. JSON: keys in the first 256 KiB, nested ones with dots (`eval.task`; arrays add
            nothing: `results.vars` is also a key of the objects in an array). CSV and parquet: columns. Zip: members
            and their top folders. Empty: the name is enough.
    """

    glob: str
    keys: tuple[str, ...] = ()

    def matches_name(self, path: PurePath) -> bool:
        """Return True if the path ends as the pattern says."""
        return path.match(self.glob)

    def matches_keys(self, keys: frozenset[str]) -> bool:
        """Return True if all required keys are among these."""
        return keys.issuperset(self.keys)


def file_keys(path: Path) -> frozenset[str]:
    """Return the keys or columns in the beginning of a file; empty where it cannot be read or contains none."""
    try:
        if zipfile.is_zipfile(path):
            return _members(path)
        if path.suffix == ".parquet":
            return _columns(path)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES).decode("utf-8-sig", errors="replace")
        return _header(head) if path.suffix in {".csv", ".tsv"} else json_keys(head)
    except (OSError, RoutingError, csv.Error):
        return frozenset()


def json_keys(head: str) -> frozenset[str]:
    """Return the keys of the objects in the beginning of a JSON text or of JSON lines, with dots, to a depth of 3."""
    found: set[str] = set()
    # One entry per open bracket: the dotted path of its keys for an object, of its elements for an array.
    stack: list[tuple[str, bool]] = []
    path, name_next = "", False
    for token in TOKEN.finditer(head):
        sign = token[0]
        if sign in "{[":
            stack.append((path, sign == "{"))
            name_next = sign == "{"
        elif sign in "}]":
            path = stack.pop()[0] if stack else ""
            name_next = False
        elif sign == ",":
            path, name_next = stack[-1] if stack else ("", False)
        elif sign == '"':
            # A string that the end of the head cuts off: what follows is text.
            break
        elif name_next and sign != ":":
            path = f"{stack[-1][0]}.{token[1]}" if stack[-1][0] else token[1]
            name_next = False
            if path.count(".") < DEPTH:
                found.add(path)
    return frozenset(found)


def _header(head: str) -> frozenset[str]:
    return frozenset(next(csv.reader(islice(head.splitlines(), 1)), ()))


def _members(path: Path) -> frozenset[str]:
    with open_zip(path, path.name) as archive:
        names = archive.namelist()
    return frozenset(names) | frozenset(name.partition("/")[0] for name in names)


def _columns(path: Path) -> frozenset[str]:
    import pyarrow.parquet as pq

    from routing.bounded_tables import TABLE_ERRORS

    try:
        return frozenset(pq.read_schema(path).names)
    except TABLE_ERRORS:
        return frozenset()
