"""GET /health/live, /health/ready, /metrics and /v1/backends: for those who run the gateway.

Health takes no key, so that whatever starts and stops gateways needs none. The others take an admin key, where there is
one; without, /metrics takes none, and /v1/backends a client's.
"""

from typing import Any

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.api.activity import sample_to_json
from gateway.api.services import Given, operator_of, scraper_of
from gateway.usage.timeseries import merge_minutes

router = APIRouter(tags=["operations"])

HOUR = 60

PROMETHEUS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/health/live")
async def check_live() -> dict[str, Any]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/health/ready")
async def check_ready(services: Given) -> dict[str, Any]:
    """Requests can be answered. That holds with the scorer starting or down too: routing then keeps what it knows."""
    if services.scorer is None:
        return {"status": "ok", "scorer": "none", "message": "no pack is configured"}
    return {"status": "ok", "scorer": services.scorer.status, "message": services.scorer.message}


@router.get("/v1/backends", dependencies=[Depends(operator_of)])
async def list_backends(services: Given) -> dict[str, Any]:
    """Every backend: its breaker, the requests it is answering, and how its last hour was."""
    data = [
        {
            "object": "backend",
            "id": watched.backend.name,
            "model": watched.model,
            "weight": watched.backend.weight,
            "breaker": watched.breaker.state,
            "retry_in_s": round(watched.breaker.retry_in_s, 3),
            "outstanding": watched.outstanding,
            "last_hour": sample_to_json(
                merge_minutes(services.minutes.series_of("backend", watched.backend.name, HOUR))
            ),
        }
        for watched in services.backends.all_backends()
    ]
    return {"object": "list", "data": data}


@router.get("/metrics", dependencies=[Depends(scraper_of)], response_class=Response, responses=PROMETHEUS)
async def get_metrics(services: Given) -> Response:
    """Prometheus' text format."""
    return Response(services.metrics.render_text(), media_type=CONTENT_TYPE_LATEST)
