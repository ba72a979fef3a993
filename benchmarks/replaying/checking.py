"""Comparison of the gateway's explanation of a task with the library's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.replaying.offline import Offline
from routing.scores import TaskScores

TOLERANCE = {"s1": 1e-9, "s2": 1e-9, "s3": 1e-5, "p": 1e-5, "u": 1e-5}
"""S1 and S2 are sums of recorded outcomes and must be the same. u, and p and S3 through it, rest on float32 embeddings,
whose last digits depend on which texts shared a batch."""

Numbers = Mapping[tuple[str, str], float]
"""(kind, model) -> number; the model is empty for u."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a comparison.

    Attributes:
        largest: kind of number -> largest absolute difference.
        differences: one line per kind of thing that differs.
    """

    largest: Mapping[str, float]
    differences: tuple[str, ...]


def compare_account(task: str, account: Mapping[str, Any], offline: Offline) -> Check:
    """Compare decision, scores and history. account: the response of GET /v1/tasks/{id}."""
    gaps = _gaps(_reported_numbers(account), score_numbers(offline.scores))
    faults = [line for kind in TOLERANCE for line in _too_large(kind, gaps)]
    decision = {name: account["decision"].get(name) for name in ("model", "reason")}
    expected = {"model": offline.decision.model, "reason": str(offline.decision.reason)}
    history = [{name: row.get(name) for name in ("version", "model", "reason", "n")} for row in account["history"]]
    faults += _unlike("n", account["n"], offline.scores.n)
    faults += _unlike("the decision", decision, expected)
    faults += _unlike("the history", history, [asdict(turn) for turn in offline.history])
    return Check(_largest(gaps), tuple(f"{task}: {fault}" for fault in faults))


def largest_difference(scores: TaskScores, others: TaskScores) -> Mapping[str, float]:
    """Return kind of number -> largest absolute difference over the models."""
    return _largest(_gaps(score_numbers(scores), score_numbers(others)))


def score_numbers(scores: TaskScores) -> Numbers:
    """Return every number of a task's scores."""
    columns = {"s1": scores.s1, "s2": scores.s2, "s3": scores.s3, "p": scores.reliability}
    found = {
        (kind, model): float(value)
        for kind, values in columns.items()
        for model, value in zip(scores.models, values, strict=True)
    }
    return {**found, ("u", ""): scores.distance}


def _reported_numbers(account: Mapping[str, Any]) -> Numbers:
    """Return every number of the gateway's response; null is NaN."""
    rows: Sequence[Mapping[str, Any]] = account["scores"]
    found = {(kind, str(row["model"])): _number(row[kind]) for row in rows for kind in ("s1", "s2", "s3", "p")}
    return {**found, ("u", ""): _number(account["u"])}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _gaps(reported: Numbers, computed: Numbers) -> Numbers:
    """Return absolute differences; none between two NaN, infinity where one side lacks the number."""
    return {key: _gap(reported.get(key, math.inf), computed.get(key, math.inf)) for key in {**computed, **reported}}


def _gap(a: float, b: float) -> float:
    return 0.0 if math.isnan(a) and math.isnan(b) else abs(a - b) if math.isfinite(a + b) else math.inf


def _too_large(kind: str, gaps: Numbers) -> list[str]:
    far = {model: gap for (of, model), gap in gaps.items() if of == kind and gap > TOLERANCE[kind]}
    if not far:
        return []
    worst = max(far, key=lambda model: far[model])
    models = f" for {len(far)} model{'s' if len(far) > 1 else ''}, most for {worst}," if worst else ""
    return [f"{kind} differs{models} by {far[worst]:.3g}"]


def _largest(gaps: Numbers) -> Mapping[str, float]:
    return {kind: max(gap for (of, _), gap in gaps.items() if of == kind) for kind in TOLERANCE}


def _unlike(what: str, reported: object, expected: object) -> list[str]:
    return [] if reported == expected else [f"{what} is {reported}, the library computes {expected}"]
