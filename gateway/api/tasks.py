"""Endpoints for tasks, decisions and the overview: /v1/tasks, /v1/tasks/{id}, /v1/decisions, /v1/overview.

Task IDs may contain slashes, so the path parameter takes the rest of the path. A key with a list of tasks sees only
those.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from gateway.api.services import ClientPrincipal, Given, Operator, Services, TaskOfKey, operator_of, sees_usage_of
from gateway.api.task_views import SPARK_MINUTES, detailed_summary, explanation_view, task_summary
from gateway.config.schema import TaskConfig
from gateway.decision import ExplainedDecision
from gateway.errors import InvalidRequest, NotFound, ScorerUnavailable
from gateway.keys.auth import Principal
from gateway.tasks.decision_feed import DecisionEvent
from gateway.usage.ledger import to_json as usage_to_json

router = APIRouter(tags=["tasks"])

MAX_WAIT_S = 20.0

MAX_COUNTED_TASKS = 20_000
"""Maximum number of tasks that the overview counts by model and reason."""


@router.get("/v1/tasks")
async def list_tasks(
    services: Given,
    client: ClientPrincipal,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    details: bool = False,
) -> dict[str, Any]:
    """List tasks by name. `after` is the last name of the previous page.

    With `details`: also scores, usage and the last hour's requests, and tasks that have requests but no decision yet.
    """
    some = limit + 1 if client.tasks is None else None
    decisions = await asyncio.to_thread(services.store.read_decisions, after, some)
    if details:
        return await _details(services, client, after, limit, list(decisions))
    listed = [
        task_summary(name, made) for name, made in decisions.items() if client.tasks is None or name in client.tasks
    ]
    return {"object": "list", "data": listed[:limit], "has_more": len(listed) > limit}


@router.get("/v1/tasks/{task:path}")
async def get_task(task: TaskOfKey, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Return a task: its scores, and its decision with the explanation."""
    explained = (await _read_explained(services, [task], client)).get(task)
    if explained is None and task not in services.config.tasks:
        raise _task_not_found(task)
    history = await asyncio.to_thread(services.store.decision_changes, task)
    if explained is not None:
        # The store can be ahead of the scorer's message: apply its decision, so that requests follow what is shown.
        services.table.apply_decision(explained.decision)
    shown = explanation_view(task, services.table.route_task(task), explained, history)
    declared = services.config.tasks.get(task, TaskConfig()).dataset
    return {
        **shown,
        "dataset": declared,
        "warning": services.unknown_datasets.get(task),
        "spent": usage_to_json(services.ledger.usage_on("task", task))
        if sees_usage_of(services, client, task)
        else None,
    }


@router.delete("/v1/tasks/{task:path}", dependencies=[Depends(operator_of)])
async def delete_task(task: TaskOfKey, services: Given) -> dict[str, Any]:
    """Delete a task's state: sums, embeddings, decisions. Requires an admin key, if one is configured."""
    known = await _forget(task, services)
    services.table.forget_task(task)
    # A task that is declared to be a dataset has been decided again by now.
    for again in (await asyncio.to_thread(services.store.read_explanations, [task])).values():
        services.table.apply_decision(again.decision)
    if not known:
        raise _task_not_found(task)
    return {"object": "task.deleted", "id": task, "deleted": True}


@router.get("/v1/decisions")
async def stream_decisions(
    services: Given,
    client: ClientPrincipal,
    after: Annotated[int, Query(ge=0)] = 0,
    wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0,
    changes: bool = False,
) -> dict[str, Any]:
    """List decisions after number `after`, oldest first; if there are none, wait up to `wait_s` seconds for the next.

    With `changes`: only decisions that moved a task to another model. `last` is the `after` of the next call. Numbers
    start at 1 when the gateway starts; the last 2,000 decisions are available.
    """

    def is_selected(event: DecisionEvent) -> bool:
        return client.can_use_task(event.task) and (event.is_change or not changes)

    found = await services.decision_feed.wait_for(after, wait_s, is_selected)
    last = services.decision_feed.last_number
    if client.tasks is not None:  # how many decisions others' tasks had is not told
        last = found[-1].number if found else min(after, last)
    return {"object": "list", "data": [_to_json(one) for one in found], "last": last}


@router.get("/v1/overview")
async def get_overview(
    services: Given, client: Operator, limit: Annotated[int, Query(ge=1, le=100)] = 12
) -> dict[str, Any]:
    """Count tasks by model and by reason, and list those with the most requests in the last hour."""
    every = {*services.table.task_names(), *services.minutes.series_names("task")}
    names = sorted(filter(client.can_use_task, every))
    counted = names[:MAX_COUNTED_TASKS]
    models, reasons = await asyncio.to_thread(_counts, services, counted)
    busiest = await asyncio.to_thread(_busiest, services, names, limit)
    found = await _read_explained(services, busiest, client)
    return {
        "object": "overview",
        "tasks": len(names),
        "counted": len(counted),
        "by_model": dict(models.most_common()),
        "by_reason": dict(reasons.most_common()),
        "busiest": [detailed_summary(name, found.get(name), services, client) for name in busiest],
    }


async def _details(
    services: Services, client: Principal, after: str, limit: int, decided: Sequence[str]
) -> dict[str, Any]:
    """With tasks that had requests in the last hours but no decision: without a pack, that is all of them."""
    undecided = (name for name in services.minutes.series_names("task") if name > after)
    names = sorted({*decided, *undecided})
    allowed = [name for name in names if client.tasks is None or name in client.tasks]
    found = await _read_explained(services, allowed[:limit], client)
    data = [detailed_summary(name, found.get(name), services, client) for name in allowed[:limit]]
    return {"object": "list", "data": data, "has_more": len(allowed) > limit}


async def _read_explained(
    services: Services, tasks: Sequence[str], client: Principal
) -> Mapping[str, ExplainedDecision]:
    """Return the decisions of tasks, of those that have one, with explanations.

    The scorer stores an explanation when a decision changes and every few inputs; those in between are derived on
    demand. Without a scorer the stored ones are shown, of a few inputs before.
    """
    found = dict(await asyncio.to_thread(services.store.read_explanations, tasks))
    behind = [task for task, one in found.items() if not one.explanation.describes(one.decision)]
    if behind and services.scorer is not None:
        with suppress(ScorerUnavailable, InvalidRequest):
            found.update(await services.scorer.explain_tasks(behind, client.name))
    return found


async def _forget(task: str, services: Services) -> bool:
    """Through the scorer if it is ready, so that no decision made earlier arrives later."""
    if services.scorer is not None and services.scorer.status == "ready":
        return await services.scorer.forget_task(task)
    return await asyncio.to_thread(services.store.forget_task, task)


def _task_not_found(task: str) -> NotFound:
    return NotFound(f"Task {task!r} not found: no input of it has been scored.")


def _counts(services: Services, names: list[str]) -> tuple[Counter[str], Counter[str]]:
    models: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for name in names:
        route = services.table.route_task(name)
        models[route.ranking[0]] += 1
        reasons[route.reason] += 1
    return models, reasons


def _busiest(services: Services, names: list[str], limit: int) -> list[str]:
    """By requests in the last hour, then by name."""
    minutes = services.minutes
    requests = {
        name: sum(minute.requests for minute in minutes.series_of("task", name, SPARK_MINUTES))
        for name in minutes.series_names("task")
    }
    return sorted(names, key=lambda name: (-requests.get(name, 0), name))[:limit]


def _to_json(event: DecisionEvent) -> dict[str, Any]:
    decision = event.decision
    return {
        "object": "decision",
        "number": event.number,
        "at": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
        "task": event.task,
        "model": decision.model,
        "before": event.before,
        "reason": decision.reason,
        "version": decision.version,
        "n": decision.n,
        "ranking": list(decision.ranking),
    }
