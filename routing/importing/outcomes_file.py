"""Outcomes of one model, for some inputs of a pack: CSV, JSON lines or parquet, or a benchmark in the tidy format.

    input_id     id of the input in the benchmark, or
    text         its whole text (`input` is accepted)
    score        in [0, 1] (`outcome` is accepted)
    model        (optional) rows of other models are ignored

A folder is read as `bench run` writes it: the model's rows of outcomes.parquet, inputs matched by their texts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routing.arrays import Floats, Ints
from routing.importing.errors import InvalidRow, NothingImported, OutcomesRejected, UnreadableFile
from routing.importing.readers import iter_csv_rows, iter_json_lines, iter_parquet_rows, require_object
from routing.importing.record import first_present, parse_number, parse_text
from routing.input_index import InputIndex, text_digest
from routing.tidy import read_benchmark

ROWS: Mapping[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
    ".csv": iter_csv_rows,
    ".jsonl": iter_json_lines,
    ".ndjson": iter_json_lines,
    ".parquet": iter_parquet_rows,
}
TEXTS, SCORES = ("text", "input"), ("score", "outcome")
SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class MatchedOutcomes:
    """Outcomes matched to a pack's inputs.

    Attributes:
        rows: (n_found,) of the pack's inputs, each once, ascending.
        outcomes: (n_found,) in [0, 1].
    """

    rows: Ints
    outcomes: Floats


def read_column(path: Path, model: str, inputs: InputIndex) -> MatchedOutcomes:
    """Read one model's outcomes from a file or folder. inputs: those of the pack.

    An outcome of a text that the pack has several times counts for each. Raises UnreadableFile, NothingImported, and
    OutcomesRejected with every invalid row: nothing of the file is used then.
    """
    read = _folder(path, model) if path.is_dir() else _file(path, model)
    ids, texts = inputs.rows_by_id(), inputs.rows_by_text()
    found: dict[int, tuple[float, str]] = {}
    faults: list[str] = []
    count = 0
    for where, row in read:
        count += 1
        try:
            score = _score(row)
            for place in _places(row, ids, texts):
                if place in found:
                    raise InvalidRow(f"duplicate of {found[place][1]}")
                found[place] = score, where
        except InvalidRow as bad:
            faults.append(f"{where}: {bad}")
    if faults:
        raise OutcomesRejected(str(path), faults)
    if not count:
        raise NothingImported(str(path), [f"no outcomes of {model}"])
    rows = np.array(sorted(found), dtype=np.int64)
    return MatchedOutcomes(rows, np.array([found[row][0] for row in rows.tolist()]))


def _file(path: Path, model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix not in ROWS:
        raise UnreadableFile(path, f"neither a {', '.join(ROWS)} file nor a benchmark folder")
    for where, value in ROWS[path.suffix](path):
        try:
            row = require_object(value)
        except InvalidRow as bad:
            raise OutcomesRejected(str(path), [f"{where}: {bad}"]) from bad
        # A file may contain several models, or none at all if it is about one.
        if row.get("model") in (None, "", model):
            yield where, row


def _folder(path: Path, model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    benchmark = read_benchmark(path)
    if model not in benchmark.model_names:
        raise NothingImported(str(path), [f"unknown model {model!r}; it has {', '.join(benchmark.model_names)}"])
    column = benchmark.outcomes[:, benchmark.model_names.index(model)]
    for name, words, outcome in zip(benchmark.input_ids, benchmark.texts, column.tolist(), strict=True):
        if not np.isnan(outcome):
            yield f"input {name}", {"text": words, "score": outcome}


def _score(row: Mapping[str, Any]) -> float:
    name = first_present(SCORES, row)
    if name is None:
        raise InvalidRow("score is missing")
    score = parse_number(row[name], name)
    if not 0 <= score <= 1:
        raise InvalidRow(f"{name} {score:g} is outside [0, 1]")
    return score


def _places(row: Mapping[str, Any], ids: Mapping[str, list[int]], texts: Mapping[str, list[int]]) -> list[int]:
    # The id takes precedence: texts may be cut or normalised on the way.
    if row.get("input_id") not in (None, ""):
        name = parse_text(row, "input_id")
        if name not in ids:
            raise InvalidRow(f"the pack has no input {name!r}")
        return ids[name]
    named = first_present(TEXTS, row)
    if named is None:
        raise InvalidRow("input_id and text are both missing")
    words = parse_text(row, named)
    if text_digest(words) not in texts:
        raise InvalidRow(f"the pack has no input with the text {words[:SHOWN_CHARS]!r}")
    return texts[text_digest(words)]
