"""GET /v1/usage: what was spent, by key or by task. Where there is an admin key, a client's tells of itself alone."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from gateway.api.services import ClientPrincipal, Given
from gateway.errors import Forbidden
from gateway.usage.ledger import to_json

router = APIRouter(tags=["usage"])

PERIOD = r"^\d{4}(-\d{2}(-\d{2})?)?$"


@router.get("/v1/usage")
async def get_usage(
    services: Given,
    client: ClientPrincipal,
    by: Literal["key", "task"] = "task",
    period: Annotated[str, Query(pattern=PERIOD)] | None = None,
) -> dict[str, Any]:
    """Requests, tokens and US dollars, and what best-on-average would have cost. period: a year, month or day, UTC."""
    sums = services.ledger.usage_by_name(by, period or "")
    if services.authenticator.has_admin and not client.is_admin:
        if by == "task":
            raise Forbidden("what all keys spent on tasks takes an admin key; by=key tells of this one", param="by")
        sums = {name: spent for name, spent in sums.items() if name == client.name}
    data = [{"object": "usage", by: name, **to_json(spent)} for name, spent in sorted(sums.items())]
    return {"object": "list", "data": data}
