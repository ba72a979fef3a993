"""GET /v1/tasks/{id}/evidence: which benchmark inputs a task's decision rests on, and where it lies among them."""

from typing import Any

from fastapi import APIRouter

from gateway.api.services import ClientPrincipal, Given
from gateway.errors import ScorerUnavailable

router = APIRouter(tags=["tasks"])


@router.get("/v1/tasks/{task:path}/evidence")
async def get_task_evidence(task: str, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """The benchmark inputs nearest to the task's most recent ones, each model's outcome on them, and a map.

    `times`: for how many of the task's inputs one is among the k nearest. `text` is null where the pack holds no texts,
    `map` where it has none.
    """
    client.check_task(task)
    if services.scorer is None:
        raise ScorerUnavailable("no pack is configured, so there is no evidence")
    return {**await services.scorer.inspect_pack("evidence", task=task), "id": task}
