"""GET /v1/tasks/{id}/label-suggestions: which of a task's inputs to label next."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api.services import Given, Operator
from gateway.errors import InvalidRequest, ScorerUnavailable

router = APIRouter(tags=["tasks"])


@router.get("/v1/tasks/{task:path}/label-suggestions")
async def get_label_suggestions(
    task: str, services: Given, client: Operator, n: Annotated[int, Query(ge=1, le=256)] = 20
) -> dict[str, Any]:
    """The task's most recent inputs on which its best candidates (`between`) are expected to differ most.

    `expected`: each candidate's mean outcome on the benchmark inputs nearest to that one; `disagreement`: the standard
    deviation of these. Inputs that are labelled already are left out. Needs `keep_texts`, for the task or in the
    routing section: 400, code `texts_not_kept`, without. Takes an admin key, where there is one.
    """
    client.check_task(task)
    if not services.table.policy_of(task).keep_texts:
        told = f"no texts are kept of task {task!r}: set keep_texts: true, in tasks.{task} or in routing"
        raise InvalidRequest(told, code="texts_not_kept")
    if services.scorer is None:
        raise ScorerUnavailable("no pack is configured, so there is nothing to suggest by")
    return {**await services.scorer.inspect_pack("suggestions", task=task, n=n), "id": task}
