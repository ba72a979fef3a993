"""A request's line in the log, where one is wanted: what it was counted as, never what it said."""

import logging
import time
from typing import Any

from gateway.http import headers as names
from gateway.observability.logs import REQUEST_LOGGER
from gateway.proxy.request_record import Progress

log = logging.getLogger(REQUEST_LOGGER)

CLIENT_GONE = 499
"""nginx's status for a client that left; nobody receives it, metrics and log show it."""


def status_of(progress: Progress) -> int:
    """The status that the request is counted under."""
    return progress.status if progress.is_complete or progress.broke else CLIENT_GONE


def reason_of(progress: Progress) -> str:
    """Why its model was chosen."""
    return progress.route.reason if progress.route else names.NONE


def is_told() -> bool:
    """Whether requests that went as they should have a line."""
    return log.isEnabledFor(logging.INFO)


def tell(progress: Progress) -> None:
    """Writes the line. It costs nothing where requests are not logged and nothing went wrong."""
    faults = [f"{attempt.backend} {attempt.fault}" for attempt in progress.trail.attempts if attempt.fault]
    if progress.broke:
        faults.append(f"{progress.backend} broke off: {progress.broke}")
    level = logging.WARNING if faults else logging.INFO
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s key=%s task=%s model=%s reason=%s status=%d%s",
            progress.request_id,
            progress.key,
            progress.task,
            progress.model,
            reason_of(progress),
            status_of(progress),
            "".join(f"; {fault}" for fault in faults),
            extra={"request": _about(progress, faults)},
        )


def _about(progress: Progress, faults: list[str]) -> dict[str, Any]:
    usage, cost = progress.usage, progress.cost_usd
    return {
        "request_id": progress.request_id,
        "key": progress.key,
        "path": f"/v1{progress.operation.path}" if progress.operation else None,
        "task": progress.task,
        "model": progress.model,
        "backend": progress.backend,
        "reason": reason_of(progress),
        "decision": progress.route.version if progress.route else 0,
        "status": status_of(progress),
        "seconds": round(time.perf_counter() - progress.started, 6),
        "overhead_ms": round(1000 * progress.overhead_s, 3),
        "attempts": len(progress.trail.attempts),
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_usd": None if cost is None else float(cost),
        "faults": faults,
    }
