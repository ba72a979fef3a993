"""A task as JSON: in a list, in a detailed list, and by itself with its explanation."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from gateway.api.services import Services, sees_usage_of
from gateway.decision import Decision, ExplainedDecision
from gateway.errors import StateError
from gateway.keys.auth import Principal
from gateway.scorer.evidence import evidence_to_json
from gateway.tasks.decision_table import Route
from gateway.tasks.prompt_templates import PREFIX
from gateway.usage.ledger import NO_USAGE, UsageTotals
from gateway.usage.ledger import to_json as usage_to_json
from gateway.vocabulary import COLD_START, DEFAULT_TASK, NO_PACK, ROUTER_UNAVAILABLE
from routing.catalogue.evidence import EvidenceMatch

TaskKind = Literal["tagged", "automatic", "default"]
"""Where a task's requests get it from: the client's tag, their system prompt, their key."""

SPARK_MINUTES = 60

MIN_LOSS = Decimal("0.001")
"""Share of the baseline's cost from which on routing counts as dearer: less is rounding of prices."""


def task_summary(task: str, decision: Decision) -> dict[str, Any]:
    """Return a task as an item of a list."""
    return {
        "object": "task",
        "id": task,
        "n": decision.n,
        "decision": {"version": decision.version, "model": decision.model, "reason": decision.reason},
    }


def default_tasks(services: Services) -> Collection[str]:
    """Return the tasks that requests without a tag and system prompt have: they mix what such requests do."""
    return {DEFAULT_TASK, *services.client_keys.default_tasks}


def task_kind(task: str, defaults: Collection[str]) -> TaskKind:
    """Return where a task's requests get it from."""
    if task.startswith(PREFIX):
        return "automatic"
    return "default" if task in defaults else "tagged"


def task_facts(task: str, services: Services, defaults: Collection[str]) -> dict[str, Any]:
    """Return what a task is called, and where its requests get it from. defaults: of all keys."""
    tasks = services.tasks
    template = tasks.templates.template_of(task)
    label = None if template is None or not services.table.policy_of(task).keep_texts else template.label
    return {"name": tasks.directory.entry_of(task).name, "label": label, "kind": task_kind(task, defaults)}


def worse_in(usage: UsageTotals, decision: Decision | None) -> list[Literal["cost", "accuracy"]]:
    """Return in what routing made a task worse than the best model on average: its cost, its measured accuracy."""
    worse: list[Literal["cost", "accuracy"]] = []
    if usage.compared_usd - usage.baseline_usd > MIN_LOSS * usage.baseline_usd:
        worse.append("cost")
    if decision is not None and decision.measured_gain is not None and decision.measured_gain < 0:
        worse.append("accuracy")
    return worse


def detailed_summary(
    task: str, explained: ExplainedDecision | None, services: Services, client: Principal, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a task as an item of a detailed list: decision, the model's scores, usage, requests by minute.

    facts: see `task_facts`. Usage is None, and requests are empty, where those of all keys are not the client's to see.
    """
    is_seen = sees_usage_of(services, client, task)
    shown = explanation_view(task, services.table.route_task(task), explained, (), services.evidence)
    usage = services.ledger.lifetime_usage(task) if is_seen else NO_USAGE
    chosen = shown["decision"]["model"]
    return {
        "object": "task",
        "id": task,
        **facts,
        "n": shown["n"],
        "explained_n": shown["explained_n"],
        "u": shown["u"],
        "decision": shown["decision"],
        "scored": shown.get("scored"),
        "evidence": {name: one for name, one in shown["evidence"].items() if name == chosen},
        "chosen": next((row for row in shown["scores"] or () if row["model"] == chosen), None),
        "worse": worse_in(usage, explained.decision if explained else None),
        "spent": usage_to_json(usage) if is_seen else None,
        "requests_by_minute": _requests_by_minute(services, task, SPARK_MINUTES) if is_seen else [],
    }


def explanation_view(
    task: str,
    route: Route,
    explained: ExplainedDecision | None,
    history: Sequence[Decision],
    evidence: Mapping[str, EvidenceMatch],
) -> dict[str, Any]:
    """Return a task with its route, decision, scores and history.

    `n` is the number of inputs that the decision rests on. `explained_n` is that of the explanation: of `u`, `skipped`,
    `scores`, `nearest_datasets`, `auto`, `membership`, and of the reasons inside `decision` and `scored`. If a pin or a
    policy overrides the scored decision, `scored` holds the latter. `evidence` tells whose outcomes in the pack each
    model of the ranking has: the same version's, another version's, or none; it is empty without a pack.
    """
    shown: dict[str, Any] = {
        "object": "task",
        "id": task,
        "n": 0,
        "explained_n": 0,
        "skipped": 0,
        "u": None,
        "scores": [],
        "nearest_datasets": [],
    }
    scored: Mapping[str, Any] | None = None
    if explained is not None:
        explanation = _explanation_of(explained)
        shown["n"] = explained.decision.n
        # Earlier versions derived one for every input, and wrote no number.
        shown["explained_n"] = explanation.get("n", explained.decision.n)
        shown.update({key: explanation.get(key) for key in ("u", "scores", "nearest_datasets")})
        shown.update({key: explanation[key] for key in ("auto", "membership") if key in explanation})
        shown["skipped"] = explanation.get("skipped", 0)
        scored = _scored(explained.decision, explanation)
    shown["decision"] = _routed(route, scored)
    if scored is not None and scored["model"] != route.ranking[0]:
        shown["scored"] = scored
    shown["history"] = [_change(change) for change in history]
    shown["evidence"] = {name: evidence_to_json(evidence[name]) for name in route.ranking if name in evidence}
    return shown


def _requests_by_minute(services: Services, task: str, minutes: int) -> list[int]:
    """A task's number of requests in each of the last minutes, oldest first."""
    now = services.minutes.current_minute()
    found = {minute.number: minute.requests for minute in services.minutes.series_of("task", task, minutes)}
    return [found.get(number, 0) for number in range(now - minutes + 1, now + 1)]


def _explanation_of(explained: ExplainedDecision) -> Mapping[str, Any]:
    try:
        return explained.explanation.to_dict()
    except ValueError as error:
        raise StateError(
            f"the stored explanation of task {explained.decision.task!r} cannot be read: {error}"
        ) from error


def _scored(decision: Decision, explanation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": decision.version,
        "n": decision.n,
        "explained_n": explanation.get("n", decision.n),
        "model": decision.model,
        "reason": decision.reason,
        "ranking": list(decision.ranking),
        **explanation.get("decision", {}),
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
    return {**routed, "why": _why_routed(route)}


def _why_routed(route: Route) -> str:
    """Return why requests go to a model that no decision has chosen."""
    model = route.ranking[0]
    if route.reason == COLD_START:
        return f"no input of this task has been scored yet: {model} is the best model on average"
    if route.reason == NO_PACK:
        return f"no pack has outcomes of this task's models: {model} is the first of the configuration"
    if route.reason == ROUTER_UNAVAILABLE:
        return f"the scorer is down: {model} was the last choice, or is the best model on average"
    return f"{model} by configuration: {route.reason}"


def _change(change: Decision) -> dict[str, Any]:
    at = datetime.fromtimestamp(change.at, UTC).isoformat(timespec="milliseconds")
    return {"version": change.version, "model": change.model, "reason": change.reason, "n": change.n, "at": at}
