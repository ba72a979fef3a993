"""GET /v1/overview: all tasks in a few numbers, and the busiest of them. For the dashboard's first page."""

import asyncio
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api.details import SPARK_MINUTES, detailed_summary
from gateway.api.services import Given, Operator, Services

router = APIRouter(tags=["tasks"])

MAX_COUNTED_TASKS = 20_000
"""Tasks that are looked at one by one; with more, the counts are of these."""


@router.get("/v1/overview")
async def get_overview(services: Given, _: Operator, limit: Annotated[int, Query(ge=1, le=100)] = 12) -> dict[str, Any]:
    """How many tasks there are, by the model they go to and by the reason, and those with most requests in the hour."""
    names = sorted({*services.table.task_names(), *services.minutes.series_names("task")})
    counted = names[:MAX_COUNTED_TASKS]
    models, reasons = await asyncio.to_thread(_counts, services, counted)
    busiest = await asyncio.to_thread(_busiest, services, names, limit)
    found = await asyncio.to_thread(services.store.read_explanations, busiest)
    return {
        "object": "overview",
        "tasks": len(names),
        "counted": len(counted),
        "by_model": dict(models.most_common()),
        "by_reason": dict(reasons.most_common()),
        "busiest": [detailed_summary(name, found.get(name), services) for name in busiest],
    }


def _counts(services: Services, names: list[str]) -> tuple[Counter[str], Counter[str]]:
    models: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for name in names:
        route = services.table.route_task(name)
        models[route.ranking[0]] += 1
        reasons[route.reason] += 1
    return models, reasons


def _busiest(services: Services, names: list[str], limit: int) -> list[str]:
    """By requests in the last hour; those without any fill up, by name."""
    minutes = services.minutes
    requests = {
        name: sum(minute.requests for minute in minutes.series_of("task", name, SPARK_MINUTES))
        for name in minutes.series_names("task")
    }
    return sorted(names, key=lambda name: (-requests.get(name, 0), name))[:limit]
