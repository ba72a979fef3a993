"""Endpoints for usage and activity: /v1/usage, /v1/activity, /v1/me."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from gateway.api.services import ClientPrincipal, Given, Operator, check_task_access, sees_all
from gateway.config import LOOPBACK
from gateway.errors import Forbidden, NotFound
from gateway.usage.ledger import to_json
from gateway.usage.timeseries import MINUTE_S, RETAINED_MINUTES, Minute, SeriesKind, merge_minutes, quantile_us

usage_router = APIRouter(tags=["usage"])
activity_router = APIRouter(tags=["operations"])

PERIOD = r"^\d{4}(-\d{2}(-\d{2})?)?$"

Span = Annotated[int, Query(ge=1, le=RETAINED_MINUTES, description="Number of minutes, including the current one.")]


@usage_router.get("/v1/usage")
async def get_usage(
    services: Given,
    client: ClientPrincipal,
    by: Literal["key", "task"] = "task",
    period: Annotated[str, Query(pattern=PERIOD)] | None = None,
) -> dict[str, Any]:
    """Return requests, tokens, cost and baseline cost, by key or by task.

    `period` is a year, month or day (UTC). With admin keys configured, a client key sees its own usage only; so does
    one with a list of tasks.
    """
    sums = services.ledger.usage_by_name(by, period or "")
    if not sees_all(services, client):
        if by == "task":
            raise Forbidden("Usage by task requires an admin key. by=key returns the usage of this key.", param="by")
        sums = {name: totals for name, totals in sums.items() if name == client.name}
    data = [{"object": "usage", by: name, **to_json(totals)} for name, totals in sorted(sums.items())]
    return {"object": "list", "data": data}


@activity_router.get("/v1/activity")
async def get_activity(
    services: Given, client: Operator, minutes: Span = 60, task: str | None = None, backend: str | None = None
) -> dict[str, Any]:
    """Return requests, errors, latency, cost and savings by minute: of all requests, of a task, or of a backend.

    Each gateway reports its own requests, from memory. Minutes without requests are left out.
    """
    if task is not None:
        check_task_access(task, client)
    elif client.tasks is not None:
        raise Forbidden(f"Key {client.name!r} has a list of tasks: `task` must be one of them.", param="task")
    kind: SeriesKind = "task" if task is not None else "backend" if backend is not None else "gateway"
    name = task if task is not None else backend or ""
    if backend is not None and backend not in {state.backend.name for state in services.backends.all_backends()}:
        raise NotFound(f"Unknown backend {backend!r}.")
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


@activity_router.get("/v1/me")
async def get_me(services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Return the name of the key and its permissions."""
    keys = services.authenticator
    is_local = keys.is_open and services.config.server.host in LOOPBACK
    return {
        "object": "principal",
        "name": client.name,
        "needs_key": not keys.is_open,
        "is_admin": client.is_admin,
        "may_operate": client.is_admin or not keys.has_admin,
        "may_manage": is_local or (client.is_admin and not client.is_read_only),
        "may_configure": client.is_admin and not client.is_read_only,
    }


def sample_to_json(minute: Minute) -> dict[str, Any]:
    """Return counts, US dollars, and latencies in milliseconds (None without a measurement)."""
    measured = sum(minute.total_buckets.values())
    return {
        "requests": minute.requests,
        "errors": minute.errors,
        "rejected": minute.refused,
        "cost_usd": minute.usd,
        "baseline_usd": minute.baseline_usd,
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
