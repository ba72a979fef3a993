"""What becomes of one request, and what is said of it: headers, metrics, log."""

import logging
import time
from dataclasses import dataclass, field

from gateway.asgi import RawHeaders
from gateway.decisions import Route
from gateway.lane.forward import Trail
from gateway.metrics import Metrics
from gateway.wire import headers as names

log = logging.getLogger("benchroute.request")

CLIENT_GONE = 499
"""nginx's status for a client that left; nobody receives it, metrics and log show it."""


@dataclass(slots=True)
class Progress:
    """One request as far as it has come. Times by time.perf_counter(), in seconds.

    read_at: when its last byte had come. status: of the answer, 0 before it begins. broke: a stream that ended early.
    """

    request_id: str
    started: float = field(default_factory=time.perf_counter)
    read_at: float = 0.0
    task: str | None = None
    route: Route | None = None
    trail: Trail = field(default_factory=Trail)
    status: int = 0
    overhead_s: float = 0.0
    is_complete: bool = False
    broke: str | None = None

    @property
    def model(self) -> str:
        """The model that answered."""
        return self._answered[0]

    @property
    def backend(self) -> str:
        """The backend that answered."""
        return self._answered[1]

    @property
    def _answered(self) -> tuple[str, str]:
        attempts = self.trail.attempts
        if attempts and attempts[-1].fault is None:
            return attempts[-1].model, attempts[-1].backend
        return names.NONE, names.NONE

    def read_now(self) -> None:
        """Its last byte has come."""
        self.read_at = time.perf_counter()

    def begin(self, status: int) -> RawHeaders:
        """The answer begins now: our headers for it."""
        self.status = status
        since = self.read_at or self.started
        self.overhead_s = max(0.0, time.perf_counter() - since - self.trail.waited_s)
        reason, version = (self.route.reason, self.route.version) if self.route else (names.NONE, 0)
        told = (
            (names.TASK, self.task or names.NONE),
            (names.MODEL, self.model),
            (names.BACKEND, self.backend),
            (names.REASON, reason),
            (names.DECISION, str(version)),
            (names.ATTEMPTS, str(len(self.trail.attempts))),
            (names.OVERHEAD_MS, f"{1000 * self.overhead_s:.3f}"),
            (names.REQUEST_ID, self.request_id),
        )
        shown = [(name.encode(), value.encode("latin-1", "replace")) for name, value in told]
        return [*shown, (names.DEGRADED.encode(), b"all-breakers-open")] if self.trail.is_degraded else shown


def account(progress: Progress, metrics: Metrics) -> None:
    """Counts a request that has ended, in whatever way. Nothing in here waits, so it runs on cancellation too."""
    status = progress.status if progress.is_complete or progress.broke else CLIENT_GONE
    reason = progress.route.reason if progress.route else names.NONE
    metrics.requests(progress.model, reason, str(status)).inc()
    metrics.duration(progress.model).observe(time.perf_counter() - progress.started)
    if progress.status:
        metrics.overhead.observe(progress.overhead_s)
    for attempt in progress.trail.attempts:
        metrics.attempts(attempt.backend, "ok" if attempt.fault is None else attempt.fault.kind).inc()
    faults = [f"{attempt.backend} {attempt.fault}" for attempt in progress.trail.attempts if attempt.fault]
    if progress.broke:
        metrics.attempts(progress.backend, "broke_off").inc()
        faults.append(f"{progress.backend} broke off: {progress.broke}")
    level = logging.WARNING if faults else logging.DEBUG
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s task=%s model=%s reason=%s status=%d%s",
            progress.request_id,
            progress.task,
            progress.model,
            reason,
            status,
            "".join(f"; {fault}" for fault in faults),
        )
