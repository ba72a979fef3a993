"""GET /v1/tasks, GET and DELETE /v1/tasks/{id}, POST /v1/tasks/{id}/inputs and /labels, POST /v1/route.

Task IDs may hold slashes, so a task's path takes all that follows. A key with an allow-list of tasks sees those alone.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from gateway.api.details import detailed_summary, undecided_summary
from gateway.api.schemas import DryRunBody, InputsBody, LabelsBody, texts_of
from gateway.api.services import ClientPrincipal, Given, Services, operator_of
from gateway.api.task_views import explanation_view, task_summary
from gateway.errors import InvalidRequest, ModelNotFound, NotFound, ScorerUnavailable
from gateway.keys.auth import Principal
from gateway.scorer.client import ScorerClient
from gateway.state.store import DecisionRecord
from gateway.tasks.decision_table import TableEntry
from gateway.usage.ledger import to_json as spent_shown
from gateway.vocabulary import DEFAULT_TASK, TASK_ID_RULE, is_task_id

router = APIRouter(tags=["tasks"])


@router.get("/v1/tasks")
async def list_tasks(
    services: Given,
    client: ClientPrincipal,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    details: bool = False,
) -> dict[str, Any]:
    """The tasks that have been seen, by name; `after` pages on.

    details: with scores, spending and the last hour's requests, and with tasks that have had requests but no decision.
    """
    some = limit + 1 if client.tasks is None else None
    decisions = await asyncio.to_thread(services.store.read_decisions, after, some)
    if details:
        return await _details(services, client, after, limit, list(decisions))
    seen = [
        task_summary(name, made) for name, made in decisions.items() if client.tasks is None or name in client.tasks
    ]
    return {"object": "list", "data": seen[:limit], "has_more": len(seen) > limit}


async def _details(
    services: Services, client: Principal, after: str, limit: int, decided: Sequence[str]
) -> dict[str, Any]:
    names = sorted({*decided, *undecided_summary(services, after, decided)})
    allowed = [name for name in names if client.tasks is None or name in client.tasks]
    found = await asyncio.to_thread(services.store.read_explanations, allowed[:limit])
    data = [detailed_summary(name, found.get(name), services) for name in allowed[:limit]]
    return {"object": "list", "data": data, "has_more": len(allowed) > limit}


@router.get("/v1/tasks/{task:path}")
async def get_task(task: str, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """A task's state, scores, and decision with its explanation."""
    stored = await asyncio.to_thread(services.store.read_task, _checked(task, client))
    if stored.decision is None and task not in services.config.tasks:
        raise NotFound(f"task {task!r} has had no input yet")
    history = await asyncio.to_thread(services.store.decision_changes, task)
    if stored.decision is not None:
        # The store may know before the scorer's word has come: whoever reads of a decision here is routed by it.
        services.table.apply_decision(task, _choice(stored.decision))
    shown = explanation_view(task, services.table.route_task(task), stored.decision, history)
    return {**shown, "spent": spent_shown(services.ledger.usage_on("task", task))}


@router.delete("/v1/tasks/{task:path}", dependencies=[Depends(operator_of)])
async def delete_task(task: str, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Forgets a task: its sums, embeddings, decisions. Takes an admin key, where there is one."""
    known = await _forget(_checked(task, client), services)
    services.table.forget_task(task)
    if not known:
        raise NotFound(f"task {task!r} has had no input yet")
    return {"object": "task.deleted", "id": task, "deleted": True}


@router.post("/v1/tasks/{task:path}/inputs")
async def seed_task(task: str, body: InputsBody, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Gives a task a sample of its inputs, before its first call or beside them; answers with its decision."""
    texts = texts_of(body, services.table.policy_of(_checked(task, client)).input)
    return dict(await _scorer(services).seed_task(task, texts))


@router.post("/v1/tasks/{task:path}/labels")
async def label_task(task: str, body: LabelsBody, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Tells how models did on inputs of a task; answers with its decision. Only `score: auto` learns from it."""
    policy = services.table.policy_of(_checked(task, client))
    known = {model.name for model in services.config.models}
    unknown = sorted({name for label in body.labels for name in label.outcomes} - known)
    if unknown:
        raise ModelNotFound(f"labels: {unknown[0]!r} is no configured model", param="labels")
    texts = texts_of(InputsBody(inputs=[label.input for label in body.labels]), policy.input)
    return dict(await _scorer(services).seed_task(task, texts, [label.outcomes for label in body.labels]))


@router.post("/v1/route")
async def dry_run_route(body: DryRunBody, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """What these inputs would be decided as, stored nowhere and routed nowhere."""
    unknown = sorted(set(body.candidates or ()) - {model.name for model in services.config.models})
    if unknown:
        raise ModelNotFound(f"candidates: {unknown[0]!r} is no configured model", param="candidates")
    task = None if body.task is None else _checked(body.task, client)
    texts = texts_of(body, services.table.policy_of(task or DEFAULT_TASK).input)
    return dict(await _scorer(services).dry_run(texts, task, body.candidates))


async def _forget(task: str, services: Services) -> bool:
    """By the scorer while it works, so that no decision made before comes after."""
    if services.scorer is not None and services.scorer.status == "ready":
        return await services.scorer.forget_task(task)
    return await asyncio.to_thread(services.store.forget_task, task)


def _scorer(services: Services) -> ScorerClient:
    if services.scorer is None:
        raise ScorerUnavailable("no pack is configured, so nothing can be scored")
    return services.scorer


def _checked(task: str, client: Principal) -> str:
    if not is_task_id(task):
        raise InvalidRequest(f"{task[:150]!r} is no task ID; it takes {TASK_ID_RULE}", code="invalid_task_id")
    client.check_task(task)
    return task


def _choice(decision: DecisionRecord) -> TableEntry:
    return TableEntry(decision.version, decision.n, decision.model, decision.reason, decision.ranking)
