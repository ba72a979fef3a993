"""GET /v1/overview: all tasks in a few numbers, and the busiest of them. For the dashboard's first page."""

import asyncio
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api.details import SPARK_MINUTES, detailed
from gateway.api.services import Given, Operator, Services

router = APIRouter(tags=["tasks"])

MOST_COUNTED = 20_000
"""Tasks that are looked at one by one; with more, the counts are of these."""


@router.get("/v1/overview")
async def overview(services: Given, _: Operator, limit: Annotated[int, Query(ge=1, le=100)] = 12) -> dict[str, Any]:
    """How many tasks there are, by the model they go to and by the reason, and those with most requests in the hour."""
    names = sorted({*services.table.names(), *services.minutes.names("task")})
    counted = names[:MOST_COUNTED]
    models, reasons = await asyncio.to_thread(_counts, services, counted)
    busiest = await asyncio.to_thread(_busiest, services, names, limit)
    found = await asyncio.to_thread(services.store.accounts, busiest)
    return {
        "object": "overview",
        "tasks": len(names),
        "counted": len(counted),
        "by_model": dict(models.most_common()),
        "by_reason": dict(reasons.most_common()),
        "busiest": [detailed(name, found.get(name), services) for name in busiest],
    }


def _counts(services: Services, names: list[str]) -> tuple[Counter[str], Counter[str]]:
    models: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for name in names:
        route = services.table.route(name)
        models[route.ranking[0]] += 1
        reasons[route.reason] += 1
    return models, reasons


def _busiest(services: Services, names: list[str], limit: int) -> list[str]:
    """By requests in the last hour; those without any fill up, by name."""
    minutes = services.minutes
    requests = {
        name: sum(minute.requests for minute in minutes.of("task", name, SPARK_MINUTES))
        for name in minutes.names("task")
    }
    return sorted(names, key=lambda name: (-requests.get(name, 0), name))[:limit]
