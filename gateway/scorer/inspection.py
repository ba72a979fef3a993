"""Views that need arrays, for JSON: outcomes by dataset, evidence and labels to add of a task, comparison of packs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.scorer import serialization
from gateway.scorer.messages import TaskPolicy
from gateway.scorer.score_choice import choose_score
from gateway.scorer.task_labels import TaskLabels, text_digest
from gateway.scorer.task_reader import cost_preference, labels_of
from gateway.state.store import Store
from gateway.vocabulary import ScoreSetting
from routing.arrays import Embeddings, Floats, unit_rows
from routing.auto.posterior import reported_accuracy
from routing.auto.suggest import suggest_labels as rank_suggestions
from routing.pack import Pack
from routing.router import Router
from routing.scores import ScoreKind, TaskScores
from routing.task import TaskState

NEAREST = 12
"""Benchmark inputs shown of a task."""

MAX_TASKS_COMPARED = 500
"""Tasks in a comparison of packs: each is scored from up to 256 embeddings."""


def pack_outcomes(pack: Pack) -> dict[str, Any]:
    """Return each model's mean outcome on each dataset, None where it was not measured."""
    manifest, outcomes = pack.manifest, pack.expected_outcomes()
    rows = []
    for number, dataset in enumerate(manifest.datasets):
        found = outcomes[pack.dataset_ids == number]
        rows.append({"dataset": dataset.name, "n": len(found), "outcomes": [_mean(column) for column in found.T]})
    return {"object": "pack.outcomes", "hash": manifest.hash, "models": list(manifest.model_names), "data": rows}


def task_evidence(router: Router, ring: Sequence[bytes]) -> dict[str, Any]:
    """Return the benchmark inputs nearest to a task, each model's outcome on them, and the map with the task on it.

    ring: the task's most recent embeddings. An input counts once for each of these whose k nearest it is among.
    """
    pack = router.pack
    vectors = recent_vectors(ring, pack.manifest.embedder.dim)
    shown: dict[str, Any] = {"object": "task.evidence", "n": len(vectors), "models": list(pack.manifest.model_names)}
    return {**shown, "nearest": _nearest(router, vectors) if len(vectors) else [], "map": _map(pack, vectors)}


def recent_vectors(ring: Sequence[bytes], dim: int) -> Embeddings:
    """Decode a task's most recent embeddings, (n, dim), unit length."""
    vectors = serialization.embeddings_from_bytes(list(ring), dim)
    return unit_rows(vectors) if len(vectors) else vectors


@dataclass(frozen=True, slots=True)
class ComparisonPolicy:
    """Policy of every task, and the score of policies without one."""

    policy: Callable[[str], TaskPolicy]
    score: ScoreSetting


def pack_diff(
    store: Store, old: Router, new: Router, how: ComparisonPolicy, most: int | None = MAX_TASKS_COMPARED
) -> dict[str, Any]:
    """Compare the decisions of tasks with those of another pack, and by how much the score is better there.

    Every task is scored from its most recent embeddings, as if the pack were active; one whose embeddings are another
    embedder's would start from nothing. most: tasks to compare, None for all.
    """
    names = list(store.task_names())
    rows = [_compared(task, store, old, new, how) for task in names[:most]]
    before, after = set(old.pack.manifest.model_names), set(new.pack.manifest.model_names)
    changed = [row for row in rows if row["before"] != row["after"]]
    return {
        "object": "pack.diff",
        "from": old.pack.manifest.hash,
        "to": new.pack.manifest.hash,
        "tasks": len(names),
        "compared": len(rows),
        "changed": len(changed),
        "data": sorted(rows, key=lambda row: (row["before"] == row["after"], -(row["gain"] or 0.0), row["task"])),
        "models_added": sorted(after - before),
        "models_removed": sorted(before - after),
        "same_embedder": new.pack.manifest.embedder.matches(old.pack.manifest.embedder),
    }


def suggest_labels(
    router: Router, state: TaskState, labelled: TaskLabels, named: Sequence[str], ring: Sequence[bytes], n: int
) -> dict[str, Any]:
    """Return at most n unlabelled inputs with stored texts, those that candidates disagree on most first.

    named: the task's candidates. ring: its most recent inputs. Raises PackMismatch for a pack without auto.npz.
    """
    vectors, texts = serialization.inputs_from_bytes(list(ring), len(state.embedding_sum))
    candidates, names = router.select_candidates(named), router.pack.manifest.model_names
    latest = {text: row for row, text in enumerate(texts) if text is not None}
    rows = [row for text, row in latest.items() if text_digest(text) not in labelled.outcomes]
    shown: dict[str, Any] = {"object": "list", "kept": len(latest), "labels": len(labelled.outcomes), "data": []}
    scores = router.score_task(
        state,
        candidates,
        ScoreKind.AUTO,
        labelled.to_matrix(names),
        labelled.ratings.to_feedback(names),
        judged=labelled.to_judged(names),
    )
    if not rows or scores.posterior is None or len(candidates) < 2:
        return {**shown, "between": []}
    evidence = router.find_evidence(unit_rows(vectors[rows]))
    expected = evidence.wide[:, [names.index(name) for name in candidates]]
    found = rank_suggestions(scores.posterior, expected, evidence.vectors, n)
    between = [candidates[place] for place in found.top]
    data = [
        {
            "input": texts[rows[row]],
            "disagreement": differ,
            "expected": {name: _number(expected[row, place]) for name, place in zip(between, found.top, strict=True)},
        }
        for row, differ in zip(found.rows, found.disagreement, strict=True)
    ]
    return {**shown, "between": between, "data": data}


def _compared(task: str, store: Store, old: Router, new: Router, how: ComparisonPolicy) -> dict[str, Any]:
    stored, policy = store.read_task(task), how.policy(task)
    # By the other pack's own recommendation: with it, another score may lead.
    choice, before = choose_score(policy, how.score, new), stored.decision.model if stored.decision else None
    score = choice.score
    candidates = new.select_candidates(policy.candidates)
    vectors = recent_vectors(store.recent_embeddings(task), new.pack.manifest.embedder.dim)
    row: dict[str, Any] = {"task": task, "n": len(vectors), "before": before, "after": before, "gain": None, "p": None}
    if not candidates:
        return row
    state = TaskState.from_evidence(new.find_evidence(vectors)) if len(vectors) else new.empty_state()
    names, labels = new.pack.manifest.model_names, labels_of(stored)
    scores = new.score_task(
        state,
        candidates,
        score,
        labels.to_matrix(names),
        known_dataset=choice.dataset,
        judged=labels.to_judged(names),
    )
    current = before if choice.dataset is None else None
    made = new.make_decision(scores, current, score, cost_preference(policy, store, task))
    here, there = _score_of(scores, before, score), _score_of(scores, made.model, score)
    gain = None if here is None or there is None else there - here
    shown = None if there is None else float(reported_accuracy(np.array(there)))
    return {**row, "after": made.model, "reason": made.reason.value, "p": made.p_better, "score": shown, "gain": gain}


def _score_of(scores: TaskScores, model: str | None, score: ScoreKind) -> float | None:
    if model not in scores.models:
        return None
    value = float(scores.score_of(score)[scores.models.index(model)])
    return None if np.isnan(value) else value


def _nearest(router: Router, vectors: Embeddings) -> list[dict[str, Any]]:
    pack, (rows, distances) = router.pack, router.find_nearest(vectors)
    times = Counter(int(row) for row in rows.ravel())
    closest: dict[int, float] = {}
    for row, distance in zip(rows.ravel(), distances.ravel(), strict=True):
        closest[int(row)] = min(float(distance), closest.get(int(row), np.inf))
    most = sorted(times, key=lambda row: (-times[row], closest[row], row))[:NEAREST]
    return [
        {
            "input": row,
            "dataset": pack.manifest.datasets[int(pack.dataset_ids[row])].name,
            "text": pack.texts[row] if pack.texts is not None else None,
            "times": times[row],
            "distance": closest[row],
            "outcomes": [_number(value) for value in pack.outcomes[row]],
        }
        for row in most
    ]


def _map(pack: Pack, vectors: Embeddings) -> Mapping[str, Any] | None:
    shown = pack.projection
    if shown is None:
        return None
    return {
        "datasets": [dataset.name for dataset in pack.manifest.datasets],
        "benchmark": _points(shown.points),
        "dataset_ids": [int(number) for number in pack.dataset_ids[shown.rows]],
        "task": _points(shown.place_vectors(vectors)) if len(vectors) else [],
    }


def _points(points: Floats) -> list[list[float]]:
    return [[round(float(x), 4), round(float(y), 4)] for x, y in points]


def _mean(column: Floats) -> float | None:
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
