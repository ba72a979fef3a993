"""A task as GET /v1/tasks/{id} shows it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.state.store import DecisionRecord
from gateway.tasks.decision_table import Route


def task_summary(task: str, decision: DecisionRecord) -> dict[str, Any]:
    """A task in a list."""
    return {
        "object": "task",
        "id": task,
        "n": decision.n,
        "decision": {"version": decision.version, "model": decision.model, "reason": decision.reason},
    }


def explanation_view(
    task: str, route: Route, decision: DecisionRecord | None, history: Sequence[DecisionRecord]
) -> dict[str, Any]:
    """All there is to say of a task: where it goes now, why, and on what evidence.

    Where a pin or a policy overrides the scored decision, that one stands in `scored`.
    """
    shown: dict[str, Any] = {
        "object": "task",
        "id": task,
        "n": 0,
        "skipped": 0,
        "u": None,
        "scores": [],
        "nearest_datasets": [],
    }
    scored: Mapping[str, Any] | None = None
    if decision is not None:
        shown.update(
            {"n": decision.n, **{key: decision.explanation.get(key) for key in ("u", "scores", "nearest_datasets")}}
        )
        if "auto" in decision.explanation:
            shown["auto"] = decision.explanation["auto"]
        shown["skipped"] = decision.explanation.get("skipped", 0)
        scored = _scored(decision)
    shown["decision"] = _routed(route, scored)
    if scored is not None and scored["model"] != route.ranking[0]:
        shown["scored"] = scored
    shown["history"] = [_turn(turn) for turn in history]
    return shown


def _scored(decision: DecisionRecord) -> dict[str, Any]:
    return {
        "version": decision.version,
        "model": decision.model,
        "reason": decision.reason,
        "ranking": list(decision.ranking),
        **decision.explanation.get("decision", {}),
    }


def _routed(route: Route, scored: Mapping[str, Any] | None) -> dict[str, Any]:
    """The decision that requests follow."""
    routed = {
        "version": route.version,
        "model": route.ranking[0],
        "reason": route.reason,
        "ranking": list(route.ranking),
    }
    if scored is not None and scored["model"] == route.ranking[0]:
        return {**scored, **routed}
    return {**routed, "why": f"{route.ranking[0]} by configuration: {route.reason}"}


def _turn(turn: DecisionRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(turn.at, UTC).isoformat(timespec="milliseconds")
    return {"version": turn.version, "model": turn.model, "reason": turn.reason, "n": turn.n, "at": at}
