"""What can go wrong in a benchmark run.

GatewayError
└── BenchError
    ├── DatasetFaults       a labelled file that cannot be used, every fault with its line
    ├── JournalDamaged      a journal that this version did not write
    ├── NotOurs             the folder holds a benchmark that no journal belongs to
    └── NothingAnswered     no outcome at all, so no benchmark
"""

from collections.abc import Sequence
from pathlib import Path

from gateway.errors import GatewayError

SHOWN_FAULTS = 50


class BenchError(GatewayError):
    """Base of all."""


class DatasetFaults(BenchError):
    """A labelled file that cannot be used. faults: (line, message) each, in the file's order; line 0: the file."""

    def __init__(self, path: Path, faults: Sequence[tuple[int, str]]) -> None:
        told = [f"  line {line}: {message}" if line else f"  {message}" for line, message in faults[:SHOWN_FAULTS]]
        if len(faults) > SHOWN_FAULTS:
            told.append(f"  and {len(faults) - SHOWN_FAULTS} more")
        super().__init__("\n".join([f"{path}: {len(faults)} fault{'s' if len(faults) > 1 else ''}", *told]))
        self.faults = tuple(faults)


class JournalDamaged(BenchError):
    """A journal with a line that is no answer, other than a last one that was cut off."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path} line {line} is no answer of a benchmark run; remove the line to have it asked again")


class NotOurs(BenchError):
    """A folder that would be written over although nothing says that this command made it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} holds a benchmark but no journal of a run: choose another folder")


class NothingAnswered(BenchError):
    """No model gave one answer that could be marked."""
