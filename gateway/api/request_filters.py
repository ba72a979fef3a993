"""Filters of the request log as query parameters, and who may read it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, Query

from gateway.api.services import Given, Operator, Services, sees_all
from gateway.errors import Forbidden, InvalidRequest, RequestLogUnavailable
from gateway.keys.auth import Principal
from gateway.request_log.access import RequestLog
from gateway.request_log.filters import RequestFilter

US = 1_000_000
MAX_NAME = 256

STATUS_CLASSES: Mapping[str, tuple[int, int]] = {
    "2xx": (200, 299),
    "3xx": (300, 399),
    "4xx": (400, 499),
    "5xx": (500, 599),
    "error": (400, 599),
}
"""Values of `status` besides a status itself."""

StatusText = Annotated[
    str, Query(pattern=r"^([1-5]\d\d|[2-5]xx|error)$", description="A status, 2xx to 5xx, or `error`: 400 and above.")
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


def request_filter(
    _: Annotated[Principal, Depends(log_reader)],
    since: Instant | None = None,
    until: Instant | None = None,
    task: NameText | None = None,
    model: NameText | None = None,
    backend: NameText | None = None,
    reason: NameText | None = None,
    key: NameText | None = None,
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
    equal = {"task": task, "model": model, "backend": backend, "reason": reason, "key": key}
    return RequestFilter(
        since_us=0 if since is None else _to_us(since, "since"),
        until_us=None if until is None else _to_us(until, "until"),
        equal={name: value for name, value in equal.items() if value},
        statuses=None if status is None else STATUS_CLASSES.get(status) or (int(status), int(status)),
        search=search,
        min_latency_ms=min_latency_ms,
        min_cost_usd=min_cost_usd,
    )


Filter = Annotated[RequestFilter, Depends(request_filter)]
Format = Literal["csv", "json"]


def _to_us(at: datetime, name: str) -> int:
    try:
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * US)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{name}: out of range.", param=name) from None
