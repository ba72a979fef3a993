"""What a reader gives: records, what it refuses, and what it did that its user should know.

A reader is a function from a path and Options to a list of Sources, one for each file or run. Nothing is opened until
a source's items are asked for, and then they come one by one: a source's raw log is never in memory whole.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routing.importing.errors import InvalidRow


@dataclass(frozen=True, slots=True)
class ImportedRecord:
    """One outcome: what one model made of one input.

    where: file and line, row or record, counted from 1. input_id: unlike that of every other input of the source.
    score: in [0, 1]. loglik: mean log-probability a token of the model's own answer, at most 0; None if unknown.
    fingerprint: what must be the same wherever input_id comes again; the text, where it is empty.
    """

    where: str
    dataset: str
    input_id: str
    text: str
    model: str
    score: float
    loglik: float | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row that is not imported: where it is, and what is wrong with it."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportRemark:
    """What the reader chose or changed, as a sentence for the summary. The same sentence is told once."""

    text: str


Item = ImportedRecord | RejectedRow | ImportRemark


@dataclass(frozen=True, slots=True)
class ImportSource:
    """One file or run folder, and how to go through it. `items` raises UnreadableFile where it cannot be read on."""

    path: Path
    items: Callable[[], Iterator[Item]]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user said about the source.

    metric: the score's name in it; None takes the format's first known one. dataset: the name of the one dataset where
    the source does not tell. columns: our field to its column. models: columns that hold one model's scores each.
    """

    metric: str | None = None
    dataset: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()


Reader = Callable[[Path, ImportOptions], list[ImportSource]]


WORDS: Mapping[str, float] = {"true": 1.0, "false": 0.0}


def parse_number(value: object, what: str) -> float:
    """A finite number: a number, true or false, or text that says one. Raises InvalidRow naming `what`."""
    if isinstance(value, str):
        try:
            value = WORDS.get(value.strip().lower()) if value.strip().lower() in WORDS else float(value)
        except ValueError:
            raise InvalidRow(f"{what} {value!r} is no number") from None
    if not isinstance(value, bool | int | float):
        raise InvalidRow(f"{what} is missing" if value is None else f"{what} {_short(value)} is no number")
    try:
        as_float = float(value)
    except OverflowError:
        as_float = math.inf
    if not math.isfinite(as_float):
        raise InvalidRow(f"{what} is {as_float}, no finite number")
    return as_float


def parse_text(row: Mapping[str, Any], key: str) -> str:
    """The text, or number, at a key. Raises InvalidRow where there is none."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRow(f"{key} is missing" if value is None else f"{key} {_short(value)} is no text")
    return str(value)


def mean_logprob(values: Iterable[object]) -> float | None:
    """The mean of tokens' log-probabilities; None where they are not known.

    Services that give none are often logged with a zero for every token: all zeros count as not known.
    """
    known = [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]
    if not any(known) or max(known) > 0:
        return None
    return math.fsum(known) / len(known)


def first_present(names: Sequence[str], row: Mapping[str, Any]) -> str | None:
    """The first of the names that the row has."""
    return next((name for name in names if row.get(name) is not None), None)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:60] + "…"
