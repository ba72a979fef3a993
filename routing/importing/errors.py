"""What can go wrong when other tools' results are imported.

RoutingError
├── InvalidRow                    one row that cannot be used; readers turn it into a refusal and go on
└── BenchmarkError
    └── ImportingError        results that are not imported; nothing has been written
        ├── UnreadableFile   a file that cannot be read, or is not laid out as its format says
        │   └── UnsafePickle  a pickle that names more than a table is made of
        ├── NothingImported   not one good row
        ├── OutcomesRejected   a column of outcomes with rows that fit no input of a pack, or are no outcomes
        └── OutputExists        the folder to write to holds something that stays
"""

from pathlib import Path

from routing.errors import BenchmarkError, RoutingError


class InvalidRow(RoutingError, ValueError):
    """One row that cannot be used; the message says what is wrong with it, not where it is."""


class ImportingError(BenchmarkError):
    """Results that cannot be imported. `faults` holds one line for each fault found."""


class UnreadableFile(ImportingError):
    """A file that cannot be read, or is laid out otherwise than its format says."""

    def __init__(self, path: Path, what: str) -> None:
        self.what = what
        super().__init__(str(path), [what])


class UnsafePickle(UnreadableFile):
    """A pickle that names something that a table of numbers and texts is not made of; nothing of it was run."""


class NothingImported(ImportingError):
    """A source, or one file of it, without a single good row."""


class OutcomesRejected(ImportingError):
    """Outcomes for a pack's inputs of which some are at fault; none of them was taken."""


class OutputExists(ImportingError):
    """The folder to write to is in use: not empty, no benchmark, or around the source."""
