"""A request's line in the log, where one is wanted: what it was counted as, never what it said."""

import logging
from typing import Any

from gateway.http import headers as names
from gateway.observability.logs import REQUEST_LOGGER
from gateway.proxy.request_record import RequestRecord

log = logging.getLogger(REQUEST_LOGGER)

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that left; nobody receives it, metrics and log show it."""


def logged_status(progress: RequestRecord) -> int:
    """The status that the request is counted under."""
    if progress.is_complete or progress.stream_error:
        return progress.status
    return progress.aborted_status or CLIENT_CLOSED_REQUEST


def logged_reason(progress: RequestRecord) -> str:
    """Why its model was chosen."""
    return progress.route.reason if progress.route else names.NONE


def is_enabled() -> bool:
    """Whether requests that went as they should have a line."""
    return log.isEnabledFor(logging.INFO)


def log_request(progress: RequestRecord) -> None:
    """Writes the line. It costs nothing where requests are not logged and nothing went wrong."""
    faults = [f"{attempt.backend} {attempt.fault}" for attempt in progress.trail.attempts if attempt.fault]
    if progress.stream_error:
        faults.append(f"{progress.backend} broke off: {progress.stream_error}")
    level = logging.WARNING if faults else logging.INFO
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s key=%s task=%s model=%s reason=%s status=%d%s",
            progress.request_id,
            progress.key,
            progress.task,
            progress.model,
            logged_reason(progress),
            logged_status(progress),
            "".join(f"; {fault}" for fault in faults),
            extra={"request": _about(progress, faults)},
        )


def _about(progress: RequestRecord, faults: list[str]) -> dict[str, Any]:
    usage, cost = progress.usage, progress.cost_usd
    return {
        "request_id": progress.request_id,
        "key": progress.key,
        "path": f"/v1{progress.endpoint.path}" if progress.endpoint else None,
        "task": progress.task,
        "model": progress.model,
        "backend": progress.backend,
        "reason": logged_reason(progress),
        "decision": progress.route.version if progress.route else 0,
        "status": logged_status(progress),
        "seconds": round(progress.seconds, 6),
        "overhead_ms": round(1000 * progress.overhead_s, 3),
        "attempts": len(progress.trail.attempts),
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_usd": None if cost is None else float(cost),
        "faults": faults,
    }
