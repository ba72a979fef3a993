"""What a reader gives: records, what it refuses, and what it did that its user should know.

A reader is a function from a path and Options to a list of Sources, one for each file or run. Nothing is opened until
a source's items are asked for, and then they come one by one: a source's raw log is never in memory whole.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


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
