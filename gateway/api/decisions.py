"""GET /v1/decisions: decisions as they are made. A key with an allow-list of tasks sees those alone."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api.services import Client, Given
from gateway.tasks.decision_feed import Happened

router = APIRouter(tags=["tasks"])

LONGEST_WAIT_S = 20.0


@router.get("/v1/decisions")
async def decisions(
    services: Given,
    client: Client,
    after: Annotated[int, Query(ge=0)] = 0,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0,
    changes: bool = False,
) -> dict[str, Any]:
    """The decisions behind the number `after`, oldest first; where there is none, the first that comes within wait_s.

    changes: only those that moved a task to another model. `last` is the `after` of the next call. Numbers begin anew
    when the gateway starts, and the last two thousand are kept.
    """

    def wanted(happened: Happened) -> bool:
        return (client.tasks is None or happened.task in client.tasks) and (happened.is_change or not changes)

    found = await services.recent.after(after, wait_s, wanted)
    return {"object": "list", "data": [_shown(one) for one in found], "last": services.recent.number}


def _shown(happened: Happened) -> dict[str, Any]:
    choice = happened.choice
    return {
        "object": "decision",
        "number": happened.number,
        "at": datetime.fromtimestamp(happened.at, UTC).isoformat(timespec="milliseconds"),
        "task": happened.task,
        "model": choice.model,
        "before": happened.before,
        "reason": choice.reason,
        "version": choice.version,
        "n": choice.n,
        "ranking": list(choice.ranking),
    }
