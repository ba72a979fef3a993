"""Anybody's table of results: CSV, JSON lines or parquet, with the columns that the user names.

Long: a row is one outcome. Columns input_id (optional), dataset (or --dataset), text, model, score, loglik (optional).
Wide: a row is one input, and every model has a column of scores (--models); an empty cell is a missing outcome.

Our names are the columns' names unless `--map OURS=THEIRS` says otherwise. Ids are made unique over datasets by putting
the dataset's name before them; without a column of ids, an id is made of the dataset and the text.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from routing.importing.errors import BadRow, UnreadableError
from routing.importing.fields import number, text
from routing.importing.readers import an_object, csv_rows, files, json_lines, parquet_rows, refusing
from routing.importing.record import Item, Options, Record, Refusal, Source

FIELDS = ("input_id", "dataset", "text", "model", "score", "loglik")
ID_HEX = 24

Rows = Callable[[Path], Iterator[tuple[str, Any]]]
ROWS: Mapping[str, Rows] = MappingProxyType({"csv": csv_rows, "jsonl": json_lines, "parquet": parquet_rows})


def csv_sources(path: Path, options: Options) -> list[Source]:
    """One source for each CSV file."""
    return _sources(path, options, "csv")


def jsonl_sources(path: Path, options: Options) -> list[Source]:
    """One source for each file of JSON lines."""
    return _sources(path, options, "jsonl")


def parquet_sources(path: Path, options: Options) -> list[Source]:
    """One source for each parquet file."""
    return _sources(path, options, "parquet")


def _sources(path: Path, options: Options, suffix: str) -> list[Source]:
    read = _wide if options.models else _long

    def source(file: Path) -> Source:
        return Source(file, lambda: refusing(_checked(file, ROWS[suffix](file), options), read(options)))

    return [source(file) for file in files(path, f"*.{suffix}")]


def _checked(path: Path, rows: Iterator[tuple[str, Any]], options: Options) -> Iterator[tuple[str, Any]]:
    """The rows. Raises UnreadableError if the first has not the columns that are needed: then none will."""
    for place, (where, row) in enumerate(rows):
        if place == 0 and isinstance(row, dict):
            missing = [
                f"{name} (for {ours})" if name != ours else name for ours, name in _needed(options) if name not in row
            ]
            if missing:
                has = ", ".join(str(name) for name in row)
                raise UnreadableError(
                    path, f"no column {', '.join(missing)}; it has {has[:300]}; see --map and --dataset"
                )
        yield where, row


def _needed(options: Options) -> list[tuple[str, str]]:
    ours = ["text", *([] if options.dataset else ["dataset"]), *([] if options.models else ["model", "score"])]
    ours += [name for name in options.columns if name not in ours]
    return [(name, options.columns.get(name, name)) for name in ours] + [(model, model) for model in options.models]


def _long(options: Options) -> Callable[[Any, str], Iterator[Item]]:
    def records(value: Any, where: str) -> Iterator[Item]:
        row = _row(value)
        dataset, input_id, words = _input(row, options)
        score, loglik = _name(options, "score"), row.get(_name(options, "loglik"))
        yield Record(
            where=where,
            dataset=dataset,
            input_id=input_id,
            text=words,
            model=text(row, _name(options, "model")),
            score=number(row.get(score), score),
            loglik=None if _empty(loglik) else number(loglik, "loglik"),
        )

    return records


def _wide(options: Options) -> Callable[[Any, str], Iterator[Item]]:
    def records(value: Any, where: str) -> Iterator[Item]:
        row = _row(value)
        dataset, input_id, words = _input(row, options)
        for model in options.models:
            try:
                if not _empty(row.get(model)):
                    yield Record(where, dataset, input_id, words, model, number(row[model], f"score of {model}"))
            except BadRow as bad:
                yield Refusal(where, str(bad))

    return records


def _row(value: Any) -> dict[str, Any]:
    row = an_object(value)
    if None in row:  # where the csv module puts cells that have no column
        raise BadRow("it has more cells than the header has columns")
    return row


def _input(row: Mapping[str, Any], options: Options) -> tuple[str, str, str]:
    """(dataset, input_id, text). Raises BadRow."""
    words = text(row, _name(options, "text"))
    dataset = options.dataset or text(row, _name(options, "dataset"))
    column = _name(options, "input_id")
    if column not in row:
        return dataset, f"{dataset}/{hashlib.sha256(words.encode(errors='replace')).hexdigest()[:ID_HEX]}", words
    input_id = text(row, column)
    if not input_id.strip():
        raise BadRow(f"{column} is empty")
    return dataset, f"{dataset}/{input_id}", words


def _name(options: Options, ours: str) -> str:
    return options.columns.get(ours, ours)


def _empty(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))
