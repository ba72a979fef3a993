"""GET /v1/decisions: decisions as they are made. A key with an allow-list of tasks sees those alone."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api.services import ClientPrincipal, Given
from gateway.tasks.decision_feed import DecisionEvent

router = APIRouter(tags=["tasks"])

LONGEST_WAIT_S = 20.0


@router.get("/v1/decisions")
async def stream_decisions(
    services: Given,
    client: ClientPrincipal,
    after: Annotated[int, Query(ge=0)] = 0,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0,
    changes: bool = False,
) -> dict[str, Any]:
    """The decisions behind the number `after`, oldest first; where there is none, the first that comes within wait_s.

    changes: only those that moved a task to another model. `last` is the `after` of the next call. Numbers begin anew
    when the gateway starts, and the last two thousand are kept.
    """

    def wanted(happened: DecisionEvent) -> bool:
        return (client.tasks is None or happened.task in client.tasks) and (happened.is_change or not changes)

    found = await services.decision_feed.wait_for(after, wait_s, wanted)
    return {"object": "list", "data": [_shown(one) for one in found], "last": services.decision_feed.last_number}


def _shown(happened: DecisionEvent) -> dict[str, Any]:
    choice = happened.decision
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
