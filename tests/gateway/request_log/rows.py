"""Rows of a request log, without a gateway."""

from typing import Any

from gateway.request_log.entry import FIELDS, TIME_BITS, LoggedAttempt, LoggedRequest, Row

BASE: dict[str, Any] = {
    "number": 1 << TIME_BITS,
    "id": "req_000000000000000000000001",
    "client_id": None,
    "key": "team-a",
    "task": "support",
    "model": "good",
    "backend": "good/1",
    "reason": "score",
    "status": 200,
    "cost": "0.0012",
    "latency_ms": 812.5,
    "endpoint": "/v1/chat/completions",
    "asked_model": "auto",
    "version": 3,
    "is_stream": True,
    "read_ms": 0.2,
    "first_token_ms": 210.0,
    "overhead_ms": 0.4,
    "waited_ms": 209.0,
    "input_tokens": 812,
    "cached_tokens": 512,
    "output_tokens": 96,
    "reasoning_tokens": 12,
    "is_estimated": False,
    "is_cached": False,
    "shadow_model": None,
    "attempts": (LoggedAttempt("good", "good/1", None, None, None, 0.3, 209.7),),
    "barred": (),
    "stream_error": None,
    "error": None,
    "body": None,
}


def make_row(at_us: int, **changed: Any) -> Row:
    """Return a row of a request that ended at a time, in microseconds."""
    values = {**BASE, "number": at_us << TIME_BITS, "id": f"req_{at_us:024x}", **changed}
    return tuple(values[name] for name in FIELDS)


def to_request(row: Row) -> LoggedRequest:
    """Return the request of a row."""
    return LoggedRequest(*row)  # type: ignore[arg-type]  # as make_row made it
