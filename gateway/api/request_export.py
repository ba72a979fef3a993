"""The request log as CSV and JSON, streamed page by page: a large export is never in memory."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.api.pagination import encode_cursor
from gateway.api.request_views import body_to_json, request_to_json
from gateway.request_log.access import RequestLog
from gateway.request_log.entry import LoggedRequest
from gateway.request_log.filters import RequestFilter

EncodeRows = Callable[[Sequence[LoggedRequest]], bytes]

MAX_EXPORTED = 100_000
MAX_WITH_BODIES = 10_000
PAGE, PAGE_WITH_BODIES = 500, 50

COLUMNS = (
    "at", "id", "client_request_id", "key", "task", "requested_model", "model", "backend", "reason", "decision",
    "endpoint", "stream", "status", "error", "latency_ms", "first_token_ms", "overhead_ms", "input_tokens",
    "cached_tokens", "output_tokens", "reasoning_tokens", "estimated", "cost_usd", "cached", "shadow_model", "attempts",
)  # fmt: skip
BODY_COLUMNS = ("prompt", "answer")

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters by which spreadsheets take a cell for a formula (OWASP, CSV Injection)."""


@dataclass(frozen=True, slots=True)
class Export:
    """What to export.

    Attributes:
        before: only rows with a lesser number, None for all.
        limit: maximum number of rows.
        with_bodies: with what was said, where it is stored.
    """

    wanted: RequestFilter
    before: int | None
    limit: int
    with_bodies: bool = False


async def export_csv(log: RequestLog, asked: Export) -> AsyncIterator[bytes]:
    """Yield CSV (RFC 4180), in UTF-8: a head, then a line a request."""
    yield _csv_line((*COLUMNS, *BODY_COLUMNS) if asked.with_bodies else COLUMNS)
    async for page in _pages(log, asked, _csv_rows_with_bodies if asked.with_bodies else _csv_rows):
        yield page.encoded


async def export_json(log: RequestLog, asked: Export, of: str) -> AsyncIterator[bytes]:
    """Yield a list as the endpoint of pages returns it. of: the list that the cursor at its end is of."""
    yield b'{"object":"list","data":['
    more, last = False, 0
    async for page in _pages(log, asked, _json_rows_with_bodies if asked.with_bodies else _json_rows):
        yield (b"," if last else b"") + page.encoded
        more, last = page.has_more, page.last
    end = {"has_more": more, "next_cursor": encode_cursor(of, last) if more else None}
    yield b"]," + msgspec.json.encode(end)[1:]


@dataclass(frozen=True, slots=True)
class _EncodedPage:
    """Rows as they are exported. last: number of the last one."""

    encoded: bytes
    rows: int
    last: int
    has_more: bool


async def _pages(log: RequestLog, asked: Export, encode: EncodeRows) -> AsyncIterator[_EncodedPage]:
    """Yield pages that are not empty, up to the limit; each is read and encoded in a thread."""

    def read(before: int | None, count: int) -> _EncodedPage | None:
        page = log.newest(asked.wanted, before, count, asked.with_bodies)
        if not page.rows:
            return None
        return _EncodedPage(encode(page.rows), len(page.rows), page.rows[-1].number, page.has_more)

    left, before, most = asked.limit, asked.before, PAGE_WITH_BODIES if asked.with_bodies else PAGE
    while left > 0:
        page = await asyncio.to_thread(read, before, min(most, left))
        if page is None:
            return
        yield page
        if not page.has_more:
            return
        left, before = left - page.rows, page.last


def _csv_rows(rows: Sequence[LoggedRequest]) -> bytes:
    return b"".join([_csv_line(_csv_cells(one)) for one in rows])


def _csv_rows_with_bodies(rows: Sequence[LoggedRequest]) -> bytes:
    return b"".join([_csv_line([*_csv_cells(one), *_texts(one)]) for one in rows])


def _json_rows(rows: Sequence[LoggedRequest]) -> bytes:
    return b",".join([msgspec.json.encode(request_to_json(one)) for one in rows])


def _json_rows_with_bodies(rows: Sequence[LoggedRequest]) -> bytes:
    return b",".join([msgspec.json.encode({**request_to_json(one), **body_to_json(one)}) for one in rows])


def _csv_cells(one: LoggedRequest) -> list[object]:
    row: Mapping[str, Any] = {**request_to_json(one), "attempts": len(one.attempts)}
    # The exact cost: a float would print as 1e-06.
    return [one.cost if name == "cost_usd" else row[name] for name in COLUMNS]


def _texts(one: LoggedRequest) -> list[str | None]:
    return [None if said is None else said["text"] for said in body_to_json(one).values()]


def _csv_line(cells: Iterable[object]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerow([_safe_cell(cell) for cell in cells])
    return written.getvalue().encode("utf-8", "replace")


def _safe_cell(cell: object) -> object:
    """Return a cell that no spreadsheet evaluates: clients choose task IDs, models and request IDs."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
