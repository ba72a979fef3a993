"""An import from beginning to end, and what it wrote."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from routing.importing.formats import reader_for
from routing.importing.record import ImportOptions
from routing.importing.run import ImportSettings, ImportSummary, import_results
from routing.tidy import read_benchmark


@dataclass(frozen=True, slots=True)
class Imported:
    """inputs: (input_id, dataset, text). outcomes: (input_id, model) to score; logliks the same, where known."""

    summary: ImportSummary
    inputs: list[tuple[str, str, str]]
    outcomes: dict[tuple[str, str], float]
    logliks: dict[tuple[str, str], float]

    @property
    def refused(self) -> list[str]:
        return [f"{refusal.where}: {refusal.reason}" for refusal in self.summary.rejections]


Import = Callable[..., Imported]


@pytest.fixture
def bring(tmp_path: Path) -> Import:
    """bring(format, source, settings=…, **options): the import's summary and rows. What is written can be read."""

    def run(format_: str, source: Path, settings: ImportSettings | None = None, **options: Any) -> Imported:
        target = tmp_path / "benchmark"
        sources = reader_for(format_)(source, ImportOptions(**options))
        summary = import_results(sources, source, target, settings or ImportSettings(force=True))
        read_benchmark(target)
        inputs = pq.read_table(target / "inputs.parquet").to_pylist()
        outcomes = pq.read_table(target / "outcomes.parquet").to_pylist()
        return Imported(
            summary,
            [(row["input_id"], row["dataset"], row["text"]) for row in inputs],
            {(row["input_id"], row["model"]): row["score"] for row in outcomes},
            {(row["input_id"], row["model"]): row["loglik"] for row in outcomes if row.get("loglik") is not None},
        )

    return run


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2))
    return path


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
