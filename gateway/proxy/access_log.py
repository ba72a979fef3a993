"""Access log: a line for a request, with what it was counted as and never with what was said in it."""

import logging
from typing import Any

from gateway.http import headers as names
from gateway.observability.logs import REQUEST_LOGGER
from gateway.proxy.request_record import RequestRecord

log = logging.getLogger(REQUEST_LOGGER)

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that disconnected; nobody receives it, metrics and log show it."""


def logged_status(record: RequestRecord) -> int:
    """Return the status that a request is counted under."""
    if record.is_complete or record.stream_error:
        return record.status
    return record.aborted_status or CLIENT_CLOSED_REQUEST


def logged_reason(record: RequestRecord) -> str:
    """Return the reason why a request's model was chosen."""
    return record.route.reason if record.route else names.NONE


def is_enabled() -> bool:
    """Return whether requests without a fault are logged."""
    return log.isEnabledFor(logging.INFO)


def log_request(record: RequestRecord) -> None:
    """Write the line: a warning where a backend failed, else information."""
    faults = [f"{attempt.backend} {attempt.fault}" for attempt in record.trail.attempts if attempt.fault]
    if record.stream_error:
        faults.append(f"{record.backend} broke off: {record.stream_error}")
    # Faults are logged even where requests are not: an operator has to see them.
    level = logging.WARNING if faults else logging.INFO
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s%s key=%s task=%s model=%s reason=%s status=%d%s",
            record.request_id,
            "" if record.client_id is None else f" client_request_id={record.client_id}",
            record.key,
            record.task,
            record.model,
            logged_reason(record),
            logged_status(record),
            "".join(f"; {fault}" for fault in faults),
            extra={"request": _members(record, faults)},
        )


def _members(record: RequestRecord, faults: list[str]) -> dict[str, Any]:
    usage, cost = record.usage, record.cost_usd
    return {
        "request_id": record.request_id,
        "client_request_id": record.client_id,
        "key": record.key,
        "path": record.endpoint.public_path if record.endpoint else None,
        "task": record.task,
        "model": record.model,
        "backend": record.backend,
        "reason": logged_reason(record),
        "decision": record.route.version if record.route else 0,
        "status": logged_status(record),
        "seconds": round(record.seconds, 6),
        "overhead_ms": round(1000 * record.overhead_s, 3),
        "attempts": len(record.trail.attempts),
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_usd": None if cost is None else float(cost),
        "faults": faults,
    }
