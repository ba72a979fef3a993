"""Policy overrides: GET, PUT and DELETE /v1/tasks/{id}/policy.

An override takes precedence over the configuration immediately. The state stores it with all earlier versions.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from gateway.api.dependencies import Given, ManagedBy, Operator, TaskOfKey, services_of
from gateway.api.services import Services, check_not_merged, check_task_id
from gateway.config.schema import TaskConfig
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.state.store import StoredPolicy

router = APIRouter(tags=["tasks"])

Expected = Annotated[
    int | None, Query(ge=0, description="The version that this change is based on; 409 if the current one differs.")
]


@router.get("/v1/tasks/{task:path}/policy")
async def get_policy(task: TaskOfKey, services: Given, _: Operator) -> dict[str, Any]:
    """Return a task's policy: the configured one, the override, and the effective one."""
    return await _to_json(task, services)


@router.put("/v1/tasks/{task:path}/policy")
async def put_policy(
    task: str, body: TaskConfig, request: Request, admin: ManagedBy, version: Expected = None
) -> dict[str, Any]:
    """Override a task's policy: pin a model, restrict candidates, or set any other setting of a task.

    The body replaces the previous override. Settings that it does not contain are the configuration's; null resets a
    configured one to its default.
    """
    if not body.model_fields_set:
        raise InvalidRequest("The policy is empty. Use DELETE to remove an override.")
    await _store(task, services_of(request), admin.name, body.model_dump_json(exclude_unset=True), version)
    return await _to_json(task, services_of(request))  # set_policy has replaced the services


@router.delete("/v1/tasks/{task:path}/policy")
async def delete_policy(task: str, request: Request, admin: ManagedBy, version: Expected = None) -> dict[str, Any]:
    """Remove a task's override: the configuration applies again."""
    await _store(task, services_of(request), admin.name, None, version)
    return await _to_json(task, services_of(request))


async def _store(task: str, services: Services, by: str | None, settings: str | None, expected: int | None) -> None:
    check_not_merged(check_task_id(task), services)
    latest = (await asyncio.to_thread(services.store.policy_history, task))[-1:]
    before = latest[0].version if latest else 0
    if expected is not None and expected != before:
        raise Conflict(f"The policy of task {task!r} is version {before}, not {expected}. Read it again and retry.")
    if settings is None and (not latest or latest[0].settings_json is None):
        raise NotFound(f"Task {task!r} has no policy override.")
    await services.manager.set_policy(StoredPolicy(task, before + 1, time.time(), by, settings))


async def _to_json(task: str, services: Services) -> dict[str, Any]:
    history = await asyncio.to_thread(services.store.policy_history, task)
    configured = services.config_history.current_version.config.tasks.get(task)
    effective = services.config.tasks.get(task, TaskConfig())
    latest = history[-1] if history else None
    return {
        "object": "task.policy",
        "id": task,
        "version": latest.version if latest else 0,
        "overrides": _settings(latest) if latest else None,
        "configured": configured.model_dump(mode="json", exclude_unset=True) if configured else None,
        "effective": effective.model_dump(mode="json"),
        "error": services.policy_errors.get(task),
        "warning": services.unknown_datasets.get(task),
        "history": [
            {
                "version": policy.version,
                "at": datetime.fromtimestamp(policy.at, UTC).isoformat(timespec="milliseconds"),
                "changed_by": policy.changed_by,
                "overrides": _settings(policy),
            }
            for policy in history
        ],
    }


def _settings(policy: StoredPolicy) -> dict[str, Any] | None:
    if policy.settings_json is None:
        return None
    try:
        return TaskConfig.model_validate_json(policy.settings_json).model_dump(mode="json", exclude_unset=True)
    except ValueError:  # written by a later version of this program; `error` has the reason
        return {}
