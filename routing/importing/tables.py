"""Tables of results with columns named by the user: CSV, JSON lines or parquet.

Long: a row is one outcome. Columns input_id (optional), dataset (or --dataset), text, model, score, loglik
(optional).
Wide: a row is one input, and every model has a column of scores (--models); an empty cell is a missing outcome.

Columns have the names of the tidy format unless `--map OURS=THEIRS` renames them. Ids are made unique over datasets
by prefixing the dataset's name; without a column of ids, an id is derived from the dataset and the text.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from routing.importing.errors import InvalidRow, UnreadableFile
from routing.importing.readers import (
    collect_rejections,
    iter_csv_rows,
    iter_json_lines,
    iter_parquet_rows,
    list_files,
    require_object,
)
from routing.importing.record import (
    ImportedRecord,
    ImportOptions,
    ImportSource,
    Item,
    RejectedRow,
    parse_number,
    parse_text,
)

FIELDS = ("input_id", "dataset", "text", "model", "score", "loglik")
ID_HEX = 24

Rows = Callable[[Path], Iterator[tuple[str, Any]]]
ROWS: Mapping[str, Rows] = MappingProxyType(
    {"csv": iter_csv_rows, "jsonl": iter_json_lines, "parquet": iter_parquet_rows}
)


def read_csv_sources(path: Path, options: ImportOptions) -> list[ImportSource]:
    """Return one source for each CSV file."""
    return _sources(path, options, "csv")


def read_jsonl_sources(path: Path, options: ImportOptions) -> list[ImportSource]:
    """Return one source for each file of JSON lines."""
    return _sources(path, options, "jsonl")


def read_parquet_sources(path: Path, options: ImportOptions) -> list[ImportSource]:
    """Return one source for each parquet file."""
    return _sources(path, options, "parquet")


def _sources(path: Path, options: ImportOptions, suffix: str) -> list[ImportSource]:
    read = _wide if options.models else _long

    def source(file: Path) -> ImportSource:
        return ImportSource(
            file, lambda: collect_rejections(_checked(file, ROWS[suffix](file), options), read(options))
        )

    return [source(file) for file in list_files(path, f"*.{suffix}")]


def _checked(path: Path, rows: Iterator[tuple[str, Any]], options: ImportOptions) -> Iterator[tuple[str, Any]]:
    """Yield the rows. Raises UnreadableFile if the first lacks required columns: then all do."""
    for place, (where, row) in enumerate(rows):
        if place == 0 and isinstance(row, dict):
            missing = [
                f"{name} (for {field})" if name != field else name
                for field, name in _needed(options)
                if name not in row
            ]
            if missing:
                has = ", ".join(str(name) for name in row)
                raise UnreadableFile(
                    path, f"missing column {', '.join(missing)}; found columns: {has[:300]}; use --map or --dataset"
                )
        yield where, row


def _needed(options: ImportOptions) -> list[tuple[str, str]]:
    fields = ["text", *([] if options.dataset else ["dataset"]), *([] if options.models else ["model", "score"])]
    fields += [name for name in options.columns if name not in fields]
    return [(name, options.columns.get(name, name)) for name in fields] + [(model, model) for model in options.models]


def _long(options: ImportOptions) -> Callable[[Any, str], Iterator[Item]]:
    def records(value: Any, where: str) -> Iterator[Item]:
        row = _row(value)
        dataset, input_id, words = _input(row, options)
        score, loglik = _name(options, "score"), row.get(_name(options, "loglik"))
        yield ImportedRecord(
            where=where,
            dataset=dataset,
            input_id=input_id,
            text=words,
            model=parse_text(row, _name(options, "model")),
            score=parse_number(row.get(score), score),
            loglik=None if _empty(loglik) else parse_number(loglik, "loglik"),
        )

    return records


def _wide(options: ImportOptions) -> Callable[[Any, str], Iterator[Item]]:
    def records(value: Any, where: str) -> Iterator[Item]:
        row = _row(value)
        dataset, input_id, words = _input(row, options)
        for model in options.models:
            try:
                if not _empty(row.get(model)):
                    yield ImportedRecord(
                        where, dataset, input_id, words, model, parse_number(row[model], f"score of {model}")
                    )
            except InvalidRow as bad:
                yield RejectedRow(where, str(bad))

    return records


def _row(value: Any) -> dict[str, Any]:
    row = require_object(value)
    # The csv module collects cells beyond the header under the key None.
    if None in row:
        raise InvalidRow("more cells than the header has columns")
    return row


def _input(row: Mapping[str, Any], options: ImportOptions) -> tuple[str, str, str]:
    """Return (dataset, input_id, text). Raises InvalidRow."""
    words = parse_text(row, _name(options, "text"))
    dataset = options.dataset or parse_text(row, _name(options, "dataset"))
    column = _name(options, "input_id")
    if column not in row:
        # The same text in the same dataset is the same input, whatever file it comes from.
        return dataset, f"{dataset}/{hashlib.sha256(words.encode(errors='replace')).hexdigest()[:ID_HEX]}", words
    input_id = parse_text(row, column)
    if not input_id.strip():
        raise InvalidRow(f"{column} is empty")
    return dataset, f"{dataset}/{input_id}", words


def _name(options: ImportOptions, field: str) -> str:
    return options.columns.get(field, field)


def _empty(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))
