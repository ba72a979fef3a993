"""Endpoints of the request log: /v1/requests, /v1/requests/{id}, /v1/requests/export, /v1/requests/values.

Whoever sees the whole gateway's figures may read it; any other key may not.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from gateway.api.dependencies import Given
from gateway.api.pagination import PageRequest, Paging, encode_cursor, json_response, page_to_json
from gateway.api.request_export import MAX_EXPORTED, MAX_WITH_BODIES, Export, export_csv, export_json
from gateway.api.request_filters import Filter, Format, Times, log_reader, request_log_of
from gateway.api.request_views import decision_then, details_to_json, request_to_json
from gateway.api.services import Services
from gateway.decision import Decision, ExplainedDecision
from gateway.errors import Forbidden, InvalidRequest, NotFound
from gateway.keys.auth import Principal
from gateway.request_log.access import RequestLog
from gateway.request_log.entry import LoggedRequest
from gateway.request_log.filters import RequestFilter
from gateway.request_log.pages import RequestPage

router = APIRouter(tags=["requests"])

MAX_WAIT_S = 20.0
POLL_S = 0.5
LIST = "requests"
MAX_VALUES = 100
ValueField = Literal["task", "model", "backend", "reason", "key", "status", "endpoint"]
"""Fields with suggestions: the columns in gateway.request_log.blocks.CODED."""

EXPORTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}}}
}


@router.get("/v1/requests", response_model=dict[str, Any])
async def list_requests(
    services: Given,
    wanted: Filter,
    page: Paging,
    after: Annotated[str, Query(max_length=512, description="`last` of an earlier answer: only later requests.")] = "",
    wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S, description="With `after`: wait for the first of them.")] = 0,
) -> Response:
    """List requests that have ended, newest first; with `after`, those since then, oldest first.

    All filters can be combined. Requests are listed by the end of their response, a second after it at most. `last` is
    the `after` of the next request.
    """
    log = request_log_of(services)
    if not after:
        before = page.number_position(LIST) or None
        last = 0 if page.cursor else await asyncio.to_thread(log.last_number)
        found = await asyncio.to_thread(_read_page, log, wanted, before, page.limit)
        cursor = found.last if found.has_more else None
    else:
        if page.cursor:
            raise InvalidRequest("cursor: conflicts with `after`: send only one of them.", param="cursor")
        last, cursor = PageRequest(after, 1).number_position(LIST), None
        found = await _wait_for(log, wanted, last, page.limit, wait_s)
        last = found.last or last
    shown = page_to_json(found.rows, LIST, cursor)
    return json_response({**shown, "has_more": found.has_more, "last": encode_cursor(LIST, last)})


@router.get("/v1/requests/export", response_class=Response, responses=EXPORTS)
async def export_requests(
    services: Given,
    client: Annotated[Principal, Depends(log_reader)],
    wanted: Filter,
    format: Format = "csv",  # noqa: A002 - the parameter's name
    limit: Annotated[int, Query(ge=1, le=MAX_EXPORTED)] = 10_000,
    cursor: Annotated[str, Query(max_length=512, description="Begin behind this row.")] = "",
    bodies: Annotated[
        bool, Query(description=f"With `prompt` and `answer` as stored; {MAX_WITH_BODIES} requests at most.")
    ] = False,
) -> Response:
    """Return the newest requests that match, up to `limit`, as CSV or as JSON.

    `bodies=true` adds what was said in them where `log.bodies` has stored it, redacted; it requires an admin key, if
    any key is configured.
    Cells that a spreadsheet would take for a formula begin with an apostrophe. The JSON form ends with `has_more` and
    `next_cursor`.
    """
    if bodies and not (client.is_admin or services.authenticator.is_open):
        raise Forbidden(
            "bodies: prompts and answers are exported with an admin key only (`admin.keys`).", param="bodies"
        )
    log, before = request_log_of(services), PageRequest(cursor, 1).number_position(LIST) or None
    asked = Export(wanted, before, min(limit, MAX_WITH_BODIES) if bodies else limit, bodies)
    rows: AsyncIterator[bytes] = export_csv(log, asked) if format == "csv" else export_json(log, asked, LIST)
    kind = "text/csv; charset=utf-8; header=present" if format == "csv" else "application/json"
    named = {"content-disposition": f'attachment; filename="requests.{format}"'}
    return StreamingResponse(rows, media_type=kind, headers=named)


@router.get("/v1/requests/values", response_model=dict[str, Any])
async def list_request_values(
    services: Given,
    times: Times,
    field: ValueField,
    part: Annotated[str, Query(max_length=256, description="In any case; values that begin with it come first.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_VALUES)] = 20,
) -> Response:
    """Return values that a field has in the log and that contain `part`, those of the latest requests first."""
    found = await asyncio.to_thread(request_log_of(services).values, field, part, times, limit)
    return json_response({"object": "list", "field": field, "data": found.values, "has_more": found.has_more})


@router.get("/v1/requests/{request}", response_model=dict[str, Any], dependencies=[Depends(log_reader)])
async def get_request(request: str, services: Given) -> Response:
    """Return a request: attempts, eligibility, timings, the decision it followed, and what was said if that is stored.

    `decision_then` says whether the decision of that time is still stored.
    """
    found = await asyncio.to_thread(request_log_of(services).find, request)
    if found is None:
        raise NotFound(
            f"Request {request[:150]!r} is not in the log: check its x-request-id; rows are removed by "
            "`log.retention_days` and `log.max_mb`.",
            code="request_not_found",
        )
    explained, changes = await asyncio.to_thread(_read_decision, services, found)
    return json_response(details_to_json(found, decision_then(found, explained, changes)))


@dataclass(frozen=True, slots=True)
class _ShownPage:
    """Rows as JSON. last: number of the last one, 0 without any."""

    rows: list[dict[str, Any]]
    last: int
    has_more: bool


def _shown_page(page: RequestPage) -> _ShownPage:
    last = page.rows[-1].number if page.rows else 0
    return _ShownPage([request_to_json(one) for one in page.rows], last, page.has_more)


def _read_page(log: RequestLog, wanted: RequestFilter, before: int | None, limit: int) -> _ShownPage:
    """Read a page. In a thread, the rows' JSON too: of a thousand it takes milliseconds."""
    return _shown_page(log.newest(wanted, before, limit))


def _read_following(log: RequestLog, wanted: RequestFilter, after: int, limit: int) -> _ShownPage:
    return _shown_page(log.following(wanted, after, limit))


async def _wait_for(log: RequestLog, wanted: RequestFilter, after: int, limit: int, wait_s: float) -> _ShownPage:
    """Return the requests after a number; if there are none, wait for the first."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        found = await asyncio.to_thread(_read_following, log, wanted, after, limit)
        left_s = until - loop.time()
        if found.rows or left_s <= 0:
            return found
        await asyncio.sleep(min(POLL_S, left_s))


def _read_decision(services: Services, found: LoggedRequest) -> tuple[ExplainedDecision | None, list[Decision]]:
    """Return the decision of a request's task now, and the changes of its model."""
    if found.task is None or not found.version:
        return None, []
    explained = services.store.read_explanations([found.task]).get(found.task)
    return explained, list(services.store.decision_changes(found.task))
