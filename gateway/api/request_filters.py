"""Filters of the request log as query parameters, and who may read it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, Query

from gateway.api.dependencies import Given, Operator
from gateway.api.services import Services, sees_all
from gateway.errors import Forbidden, InvalidRequest, RequestLogUnavailable
from gateway.keys.auth import Principal
from gateway.request_log.access import RequestLog
from gateway.request_log.filters import RequestFilter

US = 1_000_000
MAX_NAME = 256

BROKEN = (-599, -1)
"""Statuses of streams that ended early, as a row has them."""

STATUS_CLASSES: Mapping[str, Sequence[tuple[int, int]]] = {
    "error": ((500, 599), BROKEN),
    "rejected": ((400, 499),),
    "broken": (BROKEN,),
}
"""Values of `status` besides HTTP's: as the history counts errors and rejected requests (history_counts.Slot)."""

StatusText = Annotated[
    str,
    Query(
        pattern=r"^([1-5]\d\d|[2-5]xx|error|rejected|broken)$",
        description="A status, or 2xx to 5xx; `error`: 5xx, and streams that ended early (`broken`), as `errors` "
        "counts; `rejected`: 4xx.",
    ),
]
Instant = Annotated[datetime, Query(description="ISO 8601; without an offset it is UTC.")]
NameText = Annotated[str, Query(max_length=MAX_NAME)]


def request_log_of(services: Services) -> RequestLog:
    """Return the request log. Raises RequestLogUnavailable."""
    if services.request_log.log is None:
        raise RequestLogUnavailable(services.request_log.fault)
    return services.request_log.log


def log_reader(services: Given, client: Operator) -> Principal:
    """Authenticate who may read the request log: an operator that sees the whole gateway. Raises Forbidden."""
    if not sees_all(services, client):
        raise Forbidden(f"Key {client.name!r} has a list of tasks: the request log shows those of all keys.")
    return client


def time_filter(
    _: Annotated[Principal, Depends(log_reader)], since: Instant | None = None, until: Instant | None = None
) -> RequestFilter:
    """Return the filter of a time range: a FastAPI dependency. Raises as `log_reader`."""
    return RequestFilter(
        since_us=0 if since is None else _to_us(since, "since"),
        until_us=None if until is None else _to_us(until, "until"),
    )


Times = Annotated[RequestFilter, Depends(time_filter)]


def request_filter(
    times: Times,
    task: NameText | None = None,
    model: NameText | None = None,
    backend: NameText | None = None,
    reason: NameText | None = None,
    key: NameText | None = None,
    endpoint: NameText | None = None,
    status: StatusText | None = None,
    search: Annotated[
        str,
        Query(
            max_length=160,
            pattern=r"^[A-Za-z0-9._:/+=-]*$",
            description="Beginning of the request's ID, or of the client's own x-request-id.",
        ),
    ] = "",
    min_latency_ms: Annotated[float, Query(ge=0, allow_inf_nan=False)] | None = None,
    min_cost_usd: Annotated[float, Query(ge=0, allow_inf_nan=False)] | None = None,
) -> RequestFilter:
    """Return the filter that a request asks for: a FastAPI dependency. Raises as `log_reader`."""
    equal = {"task": task, "model": model, "backend": backend, "reason": reason, "key": key, "endpoint": endpoint}
    return replace(
        times,
        equal={name: value for name, value in equal.items() if value},
        statuses=None if status is None else _status_ranges(status),
        search=search,
        min_latency_ms=min_latency_ms,
        min_cost_usd=min_cost_usd,
    )


Filter = Annotated[RequestFilter, Depends(request_filter)]
Format = Literal["csv", "json"]


def _status_ranges(status: str) -> Sequence[tuple[int, int]]:
    if status in STATUS_CLASSES:
        return STATUS_CLASSES[status]
    first, last = (100 * int(status[0]), 100 * int(status[0]) + 99) if status.endswith("xx") else (int(status),) * 2
    return (first, last), (-last, -first)


def _to_us(at: datetime, name: str) -> int:
    try:
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * US)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{name}: out of range.", param=name) from None
