"""Endpoints that change tasks: display names, merges, deletion."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from gateway.api.dependencies import Given, ManagedBy, Operator, TaskOfKey, operator_of
from gateway.api.schemas import MergeBody, TaskNameBody
from gateway.api.services import Services, check_task_id, task_not_found
from gateway.api.task_views import task_facts

router = APIRouter(tags=["tasks"])


@router.patch("/v1/tasks/{task:path}")
async def rename_task(task: str, body: TaskNameBody, services: Given, admin: ManagedBy) -> dict[str, Any]:
    """Set a task's display name, or remove it with null. The ID, which clients send, stays.

    To move an automatic task to an ID of your own, merge it into that ID.
    """
    await services.tasks.rename_task(check_task_id(task), body.name, admin.name)
    return {"object": "task.name", "id": task, "name": body.name}


@router.post("/v1/tasks/{task:path}/merge")
async def merge_tasks(task: str, body: MergeBody, services: Given, admin: ManagedBy) -> dict[str, Any]:
    """Merge other tasks into this one, which may be new: their later requests are requests of this task.

    Inputs, labels, feedback and usage count here from now on. A policy override of the merged tasks is taken over where
    this task has none; 409 `policy_conflict` if theirs differ. A task with settings in config.yaml cannot be merged.
    Requests follow within a second on all gateways of a fleet. After an interrupted merge, repeat it.
    """
    for source in body.sources:
        check_task_id(source)
    moved = await services.tasks.merge_tasks(check_task_id(task), body.sources, admin.name)
    merged = list(services.tasks.directory.sources_of(task))
    return {"object": "task.merge", "id": task, "sources": body.sources, "moved_inputs": moved, "merged": merged}


@router.delete("/v1/tasks/{task:path}/merge")
async def unmerge_task(task: str, services: Given, admin: ManagedBy) -> dict[str, Any]:
    """Undo the merge of a task: its later requests, and its own usage, are its own again; moved inputs stay."""
    into = await services.tasks.unmerge_task(check_task_id(task), admin.name)
    return {"object": "task.merge", "id": into, "sources": [], "unmerged": task}


@router.get("/v1/tasks/{task:path}/similar")
async def list_similar_tasks(
    task: TaskOfKey, services: Given, _: Operator, n: Annotated[int, Query(ge=1, le=20)] = 5
) -> dict[str, Any]:
    """List the automatic tasks of the same key whose templates are most similar: candidates for a merge.

    `similarity` is the weighted Jaccard similarity of the masked words, from 0 to 1. Empty for a task with a tag.
    """
    directory = services.tasks.directory
    found = services.tasks.templates.nearest_templates(task, n + len(directory.sources_of(task)))
    rows = [
        {
            "object": "task.similar",
            "id": name,
            **task_facts(name, services, ()),
            "similarity": round(similarity, 3),
        }
        for name, similarity in found
        if directory.target_of(name) == name
    ]
    return {"object": "list", "data": rows[:n]}


@router.delete("/v1/tasks/{task:path}", dependencies=[Depends(operator_of)])
async def delete_task(task: TaskOfKey, services: Given) -> dict[str, Any]:
    """Delete a task's state: sums, embeddings, decisions, name. Requires an admin key, if one is configured.

    Its usage counts among all others' afterwards, its policy stays, and its next request begins it again.
    """
    is_known = services.tasks.is_known(task)
    is_stored = await _forget(task, services)
    services.table.forget_task(task)
    # A task that is declared to be a dataset has been decided again by now.
    for again in (await asyncio.to_thread(services.store.read_explanations, [task])).values():
        services.table.apply_decision(again.decision)
    if not is_stored and not is_known:
        raise task_not_found(task, services)
    await services.tasks.forget_task(task)
    return {"object": "task.deleted", "id": task, "deleted": True}


async def _forget(task: str, services: Services) -> bool:
    """Through the scorer if it is ready, so that no decision made earlier arrives later."""
    if services.scorer is not None and services.scorer.status == "ready":
        return await services.scorer.forget_task(task)
    return await asyncio.to_thread(services.store.forget_task, task)
