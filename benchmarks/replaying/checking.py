"""Whether the gateway's account of a task is what the library says of the same inputs."""

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
    """largest: kind of number -> largest absolute difference. differences: one line a kind of thing that differs."""

    largest: Mapping[str, float]
    differences: tuple[str, ...]


def check(task: str, account: Mapping[str, Any], offline: Offline) -> Check:
    """Compares decision, scores and history. account: what GET /v1/tasks/{id} answered."""
    gaps = _gaps(_told(account), numbers(offline.scores))
    faults = [line for kind in TOLERANCE for line in _too_large(kind, gaps)]
    decision = {name: account["decision"].get(name) for name in ("model", "reason")}
    expected = {"model": offline.decision.model, "reason": str(offline.decision.reason)}
    history = [{name: row.get(name) for name in ("version", "model", "reason", "n")} for row in account["history"]]
    faults += _unlike("n", account["n"], offline.scores.n)
    faults += _unlike("the decision", decision, expected)
    faults += _unlike("the history", history, [asdict(turn) for turn in offline.history])
    return Check(_largest(gaps), tuple(f"{task}: {fault}" for fault in faults))


def largest_difference(scores: TaskScores, others: TaskScores) -> Mapping[str, float]:
    """Kind of number -> largest absolute difference over the models."""
    return _largest(_gaps(numbers(scores), numbers(others)))


def numbers(scores: TaskScores) -> Numbers:
    """Every number of a task's scores."""
    columns = {"s1": scores.s1, "s2": scores.s2, "s3": scores.s3, "p": scores.reliability}
    found = {
        (kind, model): float(value)
        for kind, values in columns.items()
        for model, value in zip(scores.models, values, strict=True)
    }
    return {**found, ("u", ""): scores.distance}


def _told(account: Mapping[str, Any]) -> Numbers:
    """Every number that the gateway tells of a task; null is NaN."""
    rows: Sequence[Mapping[str, Any]] = account["scores"]
    found = {(kind, str(row["model"])): _number(row[kind]) for row in rows for kind in ("s1", "s2", "s3", "p")}
    return {**found, ("u", ""): _number(account["u"])}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _gaps(ours: Numbers, theirs: Numbers) -> Numbers:
    """Absolute differences; none between two NaN, an infinite one where a side lacks the number."""
    return {key: _gap(ours.get(key, math.inf), theirs.get(key, math.inf)) for key in {**theirs, **ours}}


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


def _unlike(what: str, told: object, expected: object) -> list[str]:
    return [] if told == expected else [f"{what} is {told}, the library says {expected}"]
