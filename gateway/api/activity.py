"""GET /v1/activity and GET /v1/me: the last hours minute by minute, and what the caller may do. For the dashboard."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api.services import ClientPrincipal, Given, Operator, Services
from gateway.config import LOOPBACK
from gateway.errors import NotFound
from gateway.usage.timeseries import MINUTE_S, RETAINED_MINUTES, Minute, SeriesKind, merge_minutes, quantile_us

router = APIRouter(tags=["operations"])

Span = Annotated[int, Query(ge=1, le=RETAINED_MINUTES, description="How many minutes back, this one included.")]


@router.get("/v1/activity")
async def get_activity(
    services: Given, client: Operator, minutes: Span = 60, task: str | None = None, backend: str | None = None
) -> dict[str, Any]:
    """Requests, errors, latency, cost and savings by the minute: of all, of one task, or of one backend.

    Kept in memory by every gateway of its own requests; minutes without any are left out.
    """
    if task is not None:
        client.check_task(task)
    kind: SeriesKind = "task" if task is not None else "backend" if backend is not None else "gateway"
    name = task if task is not None else backend or ""
    if backend is not None and backend not in {watched.backend.name for watched in services.backends.all_backends()}:
        raise NotFound(f"there is no backend {backend!r}")
    found = services.minutes.series_of(kind, name, minutes)
    return {
        "object": "activity",
        "of": kind,
        "name": name or None,
        "minutes": minutes,
        "until": _time(services.minutes.current_minute() + 1),
        "total": sample_to_json(merge_minutes(found)),
        "data": [{"at": _time(minute.number), **sample_to_json(minute)} for minute in found],
    }


@router.get("/v1/me")
async def get_me(services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Whom the key belongs to, and what it opens."""
    keys = services.authenticator
    is_here = keys.is_open and services.config.server.host in LOOPBACK
    return {
        "object": "principal",
        "name": client.name,
        "needs_key": not keys.is_open,
        "is_admin": client.is_admin,
        "may_operate": client.is_admin or not keys.has_admin,
        "may_manage": is_here or (client.is_admin and not client.is_read_only),
        "may_configure": client.is_admin and not client.is_read_only,
    }


def requests_by_minute(services: Services, task: str, minutes: int) -> list[int]:
    """Of a task, oldest first, one number a minute."""
    now = services.minutes.current_minute()
    found = {minute.number: minute.requests for minute in services.minutes.series_of("task", task, minutes)}
    return [found.get(number, 0) for number in range(now - minutes + 1, now + 1)]


def sample_to_json(minute: Minute) -> dict[str, Any]:
    """Counts and US dollars; latencies in milliseconds, None where nothing was measured."""
    measured = sum(minute.total_buckets.values())
    return {
        "requests": minute.requests,
        "errors": minute.errors,
        "refused": minute.refused,
        "usd": minute.usd,
        "best_on_average_usd": minute.baseline_usd,
        "saved_usd": minute.baseline_usd - minute.usd,
        "mean_ms": round(minute.total_us / measured / 1000, 3) if measured else None,
        "p50_ms": _ms(quantile_us(minute.total_buckets, 0.5)),
        "p95_ms": _ms(quantile_us(minute.total_buckets, 0.95)),
        "overhead_mean_ms": round(minute.overhead_us / measured / 1000, 3) if measured else None,
        "overhead_p50_ms": _ms(quantile_us(minute.overhead_buckets, 0.5)),
        "overhead_p95_ms": _ms(quantile_us(minute.overhead_buckets, 0.95)),
    }


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1000


def _time(minute: int) -> str:
    return datetime.fromtimestamp(minute * MINUTE_S, UTC).isoformat()
