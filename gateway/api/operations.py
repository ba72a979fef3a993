"""GET /health/live, /health/ready, /metrics: for those who run the gateway; no key needed."""

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.api.services import Given

router = APIRouter(tags=["operations"])


@router.get("/health/live")
async def live() -> dict[str, Any]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/health/ready")
async def ready(services: Given) -> dict[str, Any]:
    """Requests can be answered. That holds with the scorer starting or down too: routing then keeps what it knows."""
    if services.scorer is None:
        return {"status": "ok", "scorer": "none", "message": "no pack is configured"}
    return {"status": "ok", "scorer": services.scorer.status, "message": services.scorer.message}


@router.get("/metrics")
async def metrics(services: Given) -> Response:
    """Prometheus' text format."""
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)
