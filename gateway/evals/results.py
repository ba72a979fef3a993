"""Outcomes out of answers, what is missing, and the tidy files: all of them at the end, or none."""

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
from gateway.evals.answers import TRUNCATED, ModelAnswer
from gateway.evals.ask import FailedRequest
from gateway.evals.errors import ForeignFolder
from gateway.evals.estimate import model_price
from gateway.evals.journal import JOURNAL_FILE as JOURNAL
from gateway.evals.questions import EvalQuestion
from gateway.http.token_usage import Usage
from routing.benchmark import Dataset, Model
from routing.tidy import write_benchmark

MISSING = "missing.jsonl"
TIDY = ("inputs.parquet", "models.csv", "datasets.csv", "outcomes.parquet")
_SCRATCH = ".writing"


@dataclass(frozen=True, slots=True)
class GradedAnswer:
    """An answer with its mark, in [0, 1]."""

    answer: ModelAnswer
    score: float


@dataclass(frozen=True, slots=True)
class JudgeFailure(FailedRequest):
    """An answer without a readable verdict."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What came of one model.

    answered: with an outcome. failed: without an answer. unjudged: answered, but the judge gave no readable verdict.
    cut: answers that max_tokens cut off. score, loglik: means over the outcomes that have one. untold: answers that do
    not say how many tokens they took; tokens and usd are without them. usd: None where the model has no price.
    """

    model: str
    answered: int
    failed: int
    unjudged: int
    cut: int
    score: float | None
    loglik: float | None
    input_tokens: int
    output_tokens: int
    untold: int
    usd: Decimal | None


def summarize_model(
    model: ModelConfig,
    outcomes: Sequence[GradedAnswer],
    missing: Sequence[FailedRequest],
    answers: Sequence[ModelAnswer],
) -> ModelSummary:
    """One model's. outcomes, missing: all models'. answers: all that this model gave, a judge's verdicts too."""
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
        cut=sum(outcome.answer.finish_reason == TRUNCATED for outcome in own),
        score=_mean([outcome.score for outcome in own]),
        loglik=_mean([outcome.answer.loglik for outcome in own]),
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        untold=len(answers) - len(usages),
        usd=sum((price.cost_usd(usage) for usage in usages), Decimal(0)) if price else None,
    )


def check_ours(folder: Path) -> None:
    """Raises ForeignFolder where writing would replace a benchmark that was not made here."""
    if not (folder / JOURNAL).exists() and any((folder / name).exists() for name in TIDY):
        raise ForeignFolder(folder)


def write_results(
    folder: Path,
    questions: Sequence[EvalQuestion],
    models: Iterable[ModelConfig],
    outcomes: Sequence[GradedAnswer],
    source: str,
) -> None:
    """The tidy files, made beside their places and moved there when all of them are whole. source: of the datasets."""
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
    """With the tokens of an input and of an answer, in the mean of the models' answers that tell them."""
    names = {question.id: question.dataset for question in questions}
    told: dict[str, list[Usage]] = {name: [] for name in dict.fromkeys(names.values())}
    for outcome in outcomes:
        if outcome.answer.usage is not None:
            told[names[outcome.answer.input_id]].append(outcome.answer.usage)
    return [
        Dataset(
            name,
            source=source,
            input_tokens=_mean([float(usage.input_tokens) for usage in usages]),
            output_tokens=_mean([float(usage.output_tokens) for usage in usages]),
        )
        for name, usages in told.items()
    ]


def write_missing(folder: Path, missing: Sequence[FailedRequest]) -> None:
    """The list of what has no outcome, and why; no file where nothing is missing."""
    path = folder / MISSING
    if not missing:
        path.unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"input_id": one.input_id, "model": one.model, "why": one.reason}) for one in missing]
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
