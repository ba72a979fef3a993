"""GET, PUT and DELETE /v1/tasks/{id}/policy: what holds for one task, said while the gateway runs.

Over the configuration, in force at once, kept in the state with every version before it.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from gateway.api.services import Given, ManagedBy, Operator, Services, services_of
from gateway.config.schema import TaskConfig
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.state.store import StoredPolicy
from gateway.vocabulary import TASK_ID_RULE, is_task_id

router = APIRouter(tags=["tasks"])

Expected = Annotated[int | None, Query(ge=0, description="The version this change rests on: 409 if it is another.")]


@router.get("/v1/tasks/{task:path}/policy")
async def get_policy(task: str, services: Given, client: Operator) -> dict[str, Any]:
    """What holds for a task: by the configuration, by what was said since, and both together."""
    client.check_task(_checked(task))
    return await _shown(task, services)


@router.put("/v1/tasks/{task:path}/policy")
async def put_policy(
    task: str, body: TaskConfig, request: Request, admin: ManagedBy, version: Expected = None
) -> dict[str, Any]:
    """Pins a task to a model, restricts its candidates, or whatever else a task's configuration can say.

    Only the fields in the body are set, in place of all that was said before; null takes back what the configuration
    says.
    """
    if not body.model_fields_set:
        raise InvalidRequest("the policy says nothing; DELETE takes back what was said before")
    await _say(task, services_of(request), admin.name, body.model_dump_json(exclude_unset=True), version)
    return await _shown(task, services_of(request))  # which are others now


@router.delete("/v1/tasks/{task:path}/policy")
async def delete_policy(task: str, request: Request, admin: ManagedBy, version: Expected = None) -> dict[str, Any]:
    """Takes back what was said: the configuration alone holds again."""
    await _say(task, services_of(request), admin.name, None, version)
    return await _shown(task, services_of(request))


async def _say(task: str, services: Services, by: str | None, terms: str | None, expected: int | None) -> None:
    latest = (await asyncio.to_thread(services.store.policy_history, _checked(task)))[-1:]
    before = latest[0].version if latest else 0
    if expected is not None and expected != before:
        raise Conflict(f"the policy of task {task!r} is version {before}, not {expected}: look at it again")
    if terms is None and (not latest or latest[0].settings_json is None):
        raise NotFound(f"nothing was said of task {task!r} over the configuration")
    await services.manager.set_policy(StoredPolicy(task, before + 1, time.time(), by, terms))


async def _shown(task: str, services: Services) -> dict[str, Any]:
    history = await asyncio.to_thread(services.store.policy_history, task)
    configured = services.config_history.current_version.config.tasks.get(task)
    in_force = services.config.tasks.get(task, TaskConfig())
    latest = history[-1] if history else None
    return {
        "object": "task.policy",
        "id": task,
        "version": latest.version if latest else 0,
        "overrides": _terms(latest) if latest else None,
        "configured": configured.model_dump(mode="json", exclude_unset=True) if configured else None,
        "effective": in_force.model_dump(mode="json"),
        "error": services.policy_errors.get(task),
        "history": [
            {
                "version": said.version,
                "at": datetime.fromtimestamp(said.at, UTC).isoformat(timespec="milliseconds"),
                "by": said.changed_by,
                "overrides": _terms(said),
            }
            for said in history
        ],
    }


def _terms(said: StoredPolicy) -> dict[str, Any] | None:
    if said.settings_json is None:
        return None
    try:
        return TaskConfig.model_validate_json(said.settings_json).model_dump(mode="json", exclude_unset=True)
    except ValueError:  # of a later version of this program: shown as not in force, with the reason
        return {}


def _checked(task: str) -> str:
    if not is_task_id(task):
        raise InvalidRequest(f"{task[:150]!r} is no task ID; it takes {TASK_ID_RULE}", code="invalid_task_id")
    return task
