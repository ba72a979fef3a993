"""The file that the backend answers from: every held-out input with every model's recorded outcome."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from benchmarks.replaying.material import Task

CHARACTERS_PER_TOKEN = 4
ANSWER_TOKENS = 100
"""The benchmarks do not say what an answer took, so every one is counted as this many tokens."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The recorded outcomes.

    The text alone identifies an input, except where a dataset has it twice with different outcomes.

    Attributes:
        columns: model -> column.
        outcomes: (text, id) -> the models' outcomes, None where one is missing.
    """

    columns: Mapping[str, int]
    outcomes: Mapping[tuple[str, str], Sequence[float | None]]

    @classmethod
    def read_recording(cls, path: Path) -> Self:
        """Read what write_recording wrote."""
        raw = json.loads(path.read_text())
        columns = {name: column for column, name in enumerate(raw["models"])}
        return cls(columns, {(text, id_): outcomes for text, id_, outcomes in raw["inputs"]})


def write_recording(path: Path, models: Sequence[str], tasks: Sequence[Task]) -> None:
    """Write the outcomes of these models, in column order, on the tasks' inputs."""
    inputs = [
        (text, id_, [None if np.isnan(outcome) else float(outcome) for outcome in outcomes])
        for task in tasks
        for text, id_, outcomes in zip(task.texts, task.ids, task.outcomes, strict=True)
    ]
    path.write_text(json.dumps({"models": list(models), "inputs": inputs}))


def prompt_tokens(text: str) -> int:
    """Estimate tokens: four characters each."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)
