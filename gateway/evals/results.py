"""Outcomes, missing outcomes, and the tidy files, which are written all at once at the end."""

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gateway.config import ModelConfig
from gateway.evals.answers import JOURNAL_FILE, TRUNCATED, ModelAnswer
from gateway.evals.ask import FailedRequest
from gateway.evals.errors import ForeignFolder
from gateway.evals.estimate import model_price
from gateway.evals.questions import EvalQuestion
from gateway.http.token_usage import Usage
from routing.benchmark import Dataset, Model
from routing.tidy import write_benchmark

MISSING = "missing.jsonl"
TIDY = ("inputs.parquet", "models.csv", "datasets.csv", "outcomes.parquet")
_SCRATCH = ".writing"


@dataclass(frozen=True, slots=True)
class GradedAnswer:
    """An answer with its grade, in [0, 1]."""

    answer: ModelAnswer
    score: float


@dataclass(frozen=True, slots=True)
class JudgeFailure(FailedRequest):
    """An answer whose verdict could not be parsed."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """Results of one model.

    Attributes:
        answered: number of outcomes.
        failed: requests without an answer.
        unjudged: answers whose verdict could not be parsed.
        truncated: answers truncated by max_tokens.
        score, loglik: means over the outcomes that have one.
        input_tokens, output_tokens: reported token usage.
        without_usage: answers that report no token usage; tokens and cost do not include them.
        cost_usd: None if the model has no price.
    """

    model: str
    answered: int
    failed: int
    unjudged: int
    truncated: int
    score: float | None
    loglik: float | None
    input_tokens: int
    output_tokens: int
    without_usage: int
    cost_usd: Decimal | None


def summarize_model(
    model: ModelConfig,
    outcomes: Sequence[GradedAnswer],
    missing: Sequence[FailedRequest],
    answers: Sequence[ModelAnswer],
) -> ModelSummary:
    """Summarize one model. outcomes, missing: of all models. answers: of this model, including a judge's verdicts."""
    own = [outcome for outcome in outcomes if outcome.answer.model == model.name]
    lacking = [one for one in missing if one.model == model.name]
    unjudged = sum(isinstance(one, JudgeFailure) for one in lacking)
    usages = [answer.usage for answer in answers if answer.usage is not None]
    price = model_price(model)
    return ModelSummary(
        model=model.name,
        answered=len(own),
        failed=len(lacking) - unjudged,
        unjudged=unjudged,
        truncated=sum(outcome.answer.finish_reason == TRUNCATED for outcome in own),
        score=_mean([outcome.score for outcome in own]),
        loglik=_mean([outcome.answer.loglik for outcome in own]),
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        without_usage=len(answers) - len(usages),
        cost_usd=sum((price.cost_usd(usage) for usage in usages), Decimal(0)) if price else None,
    )


def check_ours(folder: Path) -> None:
    """Check that the folder contains no benchmark of another origin. Raises ForeignFolder."""
    if not (folder / JOURNAL_FILE).exists() and any((folder / name).exists() for name in TIDY):
        raise ForeignFolder(folder)


def write_results(
    folder: Path,
    questions: Sequence[EvalQuestion],
    models: Iterable[ModelConfig],
    outcomes: Sequence[GradedAnswer],
    source: str,
) -> None:
    """Write the tidy files to a temporary folder, and move them when all are complete. source: of the datasets."""
    scratch = folder / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    write_benchmark(
        scratch,
        inputs=[(question.id, question.dataset, question.text) for question in questions],
        outcomes=[(outcome.answer.input_id, outcome.answer.model, outcome.score) for outcome in outcomes],
        models=[_model(model) for model in models],
        datasets=_datasets(questions, outcomes, source),
    )
    path = scratch / "outcomes.parquet"
    logliks = pa.array([outcome.answer.loglik for outcome in outcomes], pa.float64())
    pq.write_table(pq.read_table(path).append_column("loglik", logliks), path)
    for name in TIDY:
        (scratch / name).replace(folder / name)
    scratch.rmdir()


def _datasets(questions: Sequence[EvalQuestion], outcomes: Sequence[GradedAnswer], source: str) -> list[Dataset]:
    """Datasets with the mean tokens of inputs and answers, over the answers that report their usage."""
    names = {question.id: question.dataset for question in questions}
    reported: dict[str, list[Usage]] = {name: [] for name in dict.fromkeys(names.values())}
    for outcome in outcomes:
        if outcome.answer.usage is not None:
            reported[names[outcome.answer.input_id]].append(outcome.answer.usage)
    return [
        Dataset(
            name,
            source=source,
            input_tokens=_mean([float(usage.input_tokens) for usage in usages]),
            output_tokens=_mean([float(usage.output_tokens) for usage in usages]),
        )
        for name, usages in reported.items()
    ]


def write_missing(folder: Path, missing: Sequence[FailedRequest]) -> None:
    """Write the list of missing outcomes with their reasons; without any, remove the file."""
    path = folder / MISSING
    if not missing:
        path.unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"input_id": one.input_id, "model": one.model, "reason": one.reason}) for one in missing]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _model(model: ModelConfig) -> Model:
    price = model.price
    return Model(
        model.name,
        model.params_b,
        float(price.input_usd_per_mtok) if price else None,
        float(price.output_usd_per_mtok) if price else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
