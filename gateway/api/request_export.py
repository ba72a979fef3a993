"""The request log as CSV and JSON, streamed page by page: a large export is never in memory."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from gateway.api.pagination import encode_cursor
from gateway.api.request_views import request_to_json
from gateway.request_log.access import RequestLog
from gateway.request_log.entry import LoggedRequest
from gateway.request_log.filters import RequestFilter

MAX_EXPORTED = 100_000
PAGE = 500

COLUMNS = (
    "at", "id", "client_request_id", "key", "task", "requested_model", "model", "backend", "reason", "decision",
    "endpoint", "stream", "status", "error", "latency_ms", "first_token_ms", "overhead_ms", "input_tokens",
    "cached_tokens", "output_tokens", "reasoning_tokens", "estimated", "cost_usd", "cached", "shadow_model", "attempts",
)  # fmt: skip

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters by which spreadsheets take a cell for a formula (OWASP, CSV Injection)."""


async def export_csv(log: RequestLog, wanted: RequestFilter, before: int | None, limit: int) -> AsyncIterator[bytes]:
    """Yield CSV (RFC 4180), in UTF-8: a head, then a line a request."""
    yield _csv_line(COLUMNS)
    async for rows, _ in _pages(log, wanted, before, limit):
        yield b"".join([_csv_line(_csv_cells(one)) for one in rows])


async def export_json(
    log: RequestLog, wanted: RequestFilter, before: int | None, limit: int, of: str
) -> AsyncIterator[bytes]:
    """Yield a list as the endpoint of pages returns it. of: the list that the cursor at its end is of."""
    separator, more, last = b'{"object":"list","data":[', False, 0
    async for rows, has_more in _pages(log, wanted, before, limit):
        yield separator + b",".join([msgspec.json.encode(request_to_json(one)) for one in rows])
        separator, more, last = b",", has_more, rows[-1].number
    if last == 0:
        yield separator
    end = {"has_more": more, "next_cursor": encode_cursor(of, last) if more else None}
    yield b"]," + msgspec.json.encode(end)[1:]


async def _pages(
    log: RequestLog, wanted: RequestFilter, before: int | None, limit: int
) -> AsyncIterator[tuple[list[LoggedRequest], bool]]:
    """Yield pages that are not empty, up to `limit` rows, and whether more follow each."""
    left = limit
    while left > 0:
        page = await asyncio.to_thread(log.newest, wanted, before, min(PAGE, left))
        if page.rows:
            yield list(page.rows), page.has_more
        if not page.has_more or not page.rows:
            return
        left, before = left - len(page.rows), page.rows[-1].number


def _csv_cells(one: LoggedRequest) -> list[object]:
    row: Mapping[str, Any] = {**request_to_json(one), "attempts": len(one.attempts)}
    # The exact cost: a float would print as 1e-06.
    return [one.cost if name == "cost_usd" else row[name] for name in COLUMNS]


def _csv_line(cells: object) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerow([_safe_cell(cell) for cell in cells])  # type: ignore[attr-defined]
    return written.getvalue().encode("utf-8", "replace")


def _safe_cell(cell: object) -> object:
    """Return a cell that no spreadsheet evaluates: clients choose task IDs, models and request IDs."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
