"""Endpoints for usage: /v1/usage, /v1/me."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Response

from gateway.api.dependencies import ClientPrincipal, Given
from gateway.api.pagination import PageRequest, Paging, encode_row, json_response, page_to_json
from gateway.api.services import Services, sees_all
from gateway.config import LOOPBACK
from gateway.errors import Forbidden
from gateway.loop_share import LoopShare
from gateway.usage.ledger import LedgerKind, UsageTotals, to_json
from gateway.usage.timeseries import MINUTE_S, Minute, quantile_us

usage_router = APIRouter(tags=["usage"])
me_router = APIRouter(tags=["operations"])

PERIOD = r"^\d{4}(-\d{2}(-\d{2})?)?$"


MAX_NAMES_SEEN = 5_000
"""Names that one page looks at: of a day long ago, few of 100,000 tasks have usage. The page is short then."""


@usage_router.get("/v1/usage", response_model=dict[str, Any])
async def get_usage(
    services: Given,
    client: ClientPrincipal,
    page: Paging,
    by: Literal["key", "task"] = "task",
    period: Annotated[str, Query(pattern=PERIOD)] | None = None,
) -> Response:
    """Return requests, tokens, cost and savings, by key or by task, page by page; `total` is of all pages.

    Savings count responses whose model routing chose: `baseline_usd`, what the best model on average would have cost,
    minus `routed_cost_usd`. Requests that named their model, and those of pinned tasks, are in `cost_usd` alone.

    `period` is a year, month or day (UTC). With admin keys configured, a client key sees its own usage only; so does
    one with a list of tasks.
    """
    found, ledger = period or "", services.ledger
    if not sees_all(services, client):
        if by == "task":
            raise Forbidden("Usage by task requires an admin key. by=key returns the usage of this key.", param="by")
        own = ledger.usage_on("key", client.name, found) if client.name else UsageTotals()
        data = [_usage_to_json(by, client.name or "", own)] if own.requests else []
        return json_response(page_to_json(data, f"usage {by}", None, total=to_json(own)))
    rows, last = await _usage_page(services, by, found, page)
    return json_response(page_to_json(rows, f"usage {by}", last, total=to_json(ledger.total_usage(by, found))))


async def _usage_page(
    services: Services, by: LedgerKind, period: str, page: PageRequest
) -> tuple[list[msgspec.Raw], str | None]:
    """Return a page of the usage by name, and the name that the next one begins behind."""
    share, rows, seen = LoopShare(), list[msgspec.Raw](), ""
    for looked_at, name in enumerate(services.ledger.names_after(by, page.name_position(f"usage {by}"))):
        if len(rows) == page.limit or looked_at == MAX_NAMES_SEEN:
            return rows, seen
        seen = name
        if (totals := services.ledger.usage_on(by, name, period)).requests:
            rows.append(encode_row(_usage_to_json(by, name, totals)))
        await share.give_way()
    return rows, None


def _usage_to_json(by: LedgerKind, name: str, totals: UsageTotals) -> dict[str, Any]:
    return {"object": "usage", by: name, **to_json(totals)}


@me_router.get("/v1/me")
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
        "routed_cost_usd": minute.compared_usd,
        "baseline_usd": minute.baseline_usd,
        "saved_usd": minute.baseline_usd - minute.compared_usd,
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
