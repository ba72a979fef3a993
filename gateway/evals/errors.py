"""What can go wrong in a benchmark run.

GatewayError
└── EvalError
    ├── DatasetFaults       a labelled file that cannot be used, every fault with its line
    ├── JournalCorrupted      a journal that this version did not write
    ├── ForeignFolder             the folder holds a benchmark that no journal belongs to
    └── NoAnswers     no outcome at all, so no benchmark
"""

from collections.abc import Sequence
from pathlib import Path

from gateway.errors import GatewayError

MAX_SHOWN_FAULTS = 50


class EvalError(GatewayError):
    """Base of all."""


class DatasetFaults(EvalError):
    """A labelled file that cannot be used. faults: (line, message) each, in the file's order; line 0: the file."""

    def __init__(self, path: Path, faults: Sequence[tuple[int, str]]) -> None:
        told = [f"  line {line}: {message}" if line else f"  {message}" for line, message in faults[:MAX_SHOWN_FAULTS]]
        if len(faults) > MAX_SHOWN_FAULTS:
            told.append(f"  and {len(faults) - MAX_SHOWN_FAULTS} more")
        super().__init__("\n".join([f"{path}: {len(faults)} fault{'s' if len(faults) > 1 else ''}", *told]))
        self.faults = tuple(faults)


class JournalCorrupted(EvalError):
    """A journal with a line that is no answer, other than a last one that was cut off."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path} line {line} is no answer of a benchmark run; remove the line to have it asked again")


class ForeignFolder(EvalError):
    """A folder that would be written over although nothing says that this command made it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} holds a benchmark but no journal of a run: choose another folder")


class NoAnswers(EvalError):
    """No model gave one answer that could be marked."""
