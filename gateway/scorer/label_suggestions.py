"""Stored inputs of a task to label next, ready for JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.scorer import serialization
from gateway.scorer.task_labels import TaskLabels, text_digest
from routing.arrays import unit_rows
from routing.auto.suggest import suggest_labels as rank_suggestions
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState


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
        state, candidates, ScoreKind.AUTO, labelled.to_matrix(names), labelled.ratings.to_feedback(names)
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


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
