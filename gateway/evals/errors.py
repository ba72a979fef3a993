"""Errors of a benchmark run.

GatewayError
└── EvalError
    ├── DatasetFaults     invalid labelled file, every error with its line
    ├── JournalCorrupted  a journal that this version did not write
    ├── ForeignFolder     the folder contains a benchmark without a journal
    ├── NoAnswers         no outcome at all, so no benchmark
    ├── PromptFault       a judge's prompt with wrong placeholders
    └── ForeignSession    the folder contains the answers of another task or method
"""

from collections.abc import Sequence
from pathlib import Path

from gateway.errors import GatewayError

MAX_SHOWN_FAULTS = 50


class EvalError(GatewayError):
    """Base class of the errors of a benchmark run."""


class DatasetFaults(EvalError):
    """Invalid labelled file. faults: (line, message) each, in the file's order; line 0: the file."""

    def __init__(self, path: Path, faults: Sequence[tuple[int, str]]) -> None:
        shown = [f"  line {line}: {message}" if line else f"  {message}" for line, message in faults[:MAX_SHOWN_FAULTS]]
        if len(faults) > MAX_SHOWN_FAULTS:
            shown.append(f"  and {len(faults) - MAX_SHOWN_FAULTS} more")
        super().__init__("\n".join([f"{path}: {len(faults)} error{'s' if len(faults) > 1 else ''}", *shown]))
        self.faults = tuple(faults)


class JournalCorrupted(EvalError):
    """A journal with an invalid line, other than an incomplete last one."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path} line {line} is not an answer of a benchmark run; remove the line to ask again")


class ForeignFolder(EvalError):
    """A benchmark that would be overwritten although this command did not create it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} contains a benchmark without a journal: choose another folder")


class NoAnswers(EvalError):
    """No model gave an answer that could be graded."""


class PromptFault(EvalError):
    """A judge's prompt that cannot be used."""


class ForeignSession(EvalError):
    """A folder with the session of another task."""
