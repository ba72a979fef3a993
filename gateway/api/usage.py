"""GET /v1/usage: what was spent, by key or by task."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from gateway.api.services import Given, principal_of
from gateway.spending import shown

router = APIRouter(tags=["usage"], dependencies=[Depends(principal_of)])

PERIOD = r"^\d{4}(-\d{2}(-\d{2})?)?$"


@router.get("/v1/usage")
async def usage(
    services: Given,
    by: Literal["key", "task"] = "task",
    period: Annotated[str, Query(pattern=PERIOD)] | None = None,
) -> dict[str, Any]:
    """Requests, tokens and US dollars, and what best-on-average would have cost. period: a year, month or day, UTC."""
    sums = services.ledger.by_name(by, period or "")
    data = [{"object": "usage", by: name, **shown(spent)} for name, spent in sorted(sums.items())]
    return {"object": "list", "data": data}
