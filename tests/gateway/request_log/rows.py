"""Rows of a request log, without a gateway."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gateway.request_log.blocks import Block, encode_block
from gateway.request_log.entry import TIME_BITS, LoggedAttempt, LoggedRequest, Row, to_columns

BASE: dict[str, Any] = {
    "client_id": None,
    "key": "team-a",
    "task": "support",
    "model": "good",
    "backend": "good/1",
    "reason": "score",
    "status": 200,
    "latency_ms": 812.5,
    "cost_usd": Decimal("0.0012"),
    "read_ms": 0.25,
    "overhead_ms": 0.5,
    "waited_ms": 209.5,
    "begun_ms": 0.5,
    "ended_ms": 210.0,
    "endpoint": "/v1/chat/completions",
    "asked_model": "auto",
    "version": 3,
    "is_stream": True,
    "input_tokens": 812,
    "cached_tokens": 512,
    "output_tokens": 96,
    "reasoning_tokens": 12,
    "is_estimated": False,
    "rare": None,
    "body": None,
}


def make_row(at_us: int, **changed: Any) -> Row:
    """Return a row of a request that ended at a time, in microseconds."""
    return Row(**{"number": at_us << TIME_BITS, "id": f"req_{at_us:024x}", **BASE, **changed})


def make_block(rows: Sequence[Row]) -> Block:
    """Return the block of some rows."""
    return encode_block(to_columns(rows))


def to_request(row: Row) -> LoggedRequest:
    """Return the request of a row that is a success at the first attempt, with times that float32 holds exactly."""
    values = row._asdict()
    begun, ended, cost = values.pop("begun_ms"), values.pop("ended_ms"), values.pop("cost_usd")
    assert values.pop("rare") is None
    attempt = LoggedAttempt(row.model, row.backend, None, None, None, begun, ended - begun)
    said = None if cost is None else f"{cost.normalize():f}"
    return LoggedRequest(
        **values, cost=said, first_token_ms=ended, attempts=(attempt,), is_cached=False, shadow_model=None, barred=(),
        stream_error=None, error=None,
    )  # fmt: skip
