"""One request as far as it has come, and the headers that tell of it."""

import time
from decimal import Decimal
from functools import lru_cache

import msgspec
from msgspec import field

from gateway.http import headers as names
from gateway.http.endpoints import Endpoint
from gateway.http.token_usage import Usage
from gateway.tasks.decision_table import Route
from gateway.upstream.failover import AttemptLog


class RequestRecord(msgspec.Struct):
    """One request as far as it has come. Times by time.perf_counter(), in seconds.

    read_at: when its last byte had come. seconds: that it took, once it has ended. status: of the answer, 0 before it
    begins. broke: a stream that ended early. kept: the model that gave the answer before, where it was still kept.
    span: gateway.otel's own, where it is on.
    """

    request_id: str
    started: float = field(default_factory=time.perf_counter)
    read_at: float = 0.0
    task: str | None = None
    route: Route | None = None
    trail: AttemptLog = field(default_factory=AttemptLog)
    status: int = 0
    overhead_s: float = 0.0
    seconds: float = 0.0
    is_complete: bool = False
    stream_error: str | None = None
    aborted_status: int = 0
    key: str | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    endpoint: Endpoint | None = None
    cached_model: str | None = None
    span: object = None

    @property
    def model(self) -> str:
        """The model that answered."""
        return self.answered_by[0]

    @property
    def backend(self) -> str:
        """The backend that answered."""
        return self.answered_by[1]

    @property
    def has_faults(self) -> bool:
        """Return whether a backend failed the request, or its stream broke."""
        attempts = self.trail.attempts
        return self.stream_error is not None or (bool(attempts) and attempts[0].fault is not None)

    @property
    def answered_by(self) -> tuple[str, str]:
        """Return the model and the backend that answered."""
        if self.cached_model is not None:
            return self.cached_model, names.NONE
        attempts = self.trail.attempts
        if attempts and attempts[-1].fault is None:
            return attempts[-1].model, attempts[-1].backend
        return names.NONE, names.NONE

    def mark_read(self) -> None:
        """Its last byte has come."""
        self.read_at = time.perf_counter()

    def begin_response(self, status: int) -> bytes:
        """The answer begins now: our headers for it, as lines."""
        self.status = status
        since = self.read_at or self.started
        self.overhead_s = max(0.0, time.perf_counter() - since - self.trail.waited_s)
        route, (model, backend) = self.route, self.answered_by
        reason, version = (route.reason, route.version) if route is not None else (names.NONE, 0)
        told = _routed(self.task or names.NONE, model, backend, reason, version, len(self.trail.attempts)) + (
            f"{names.OVERHEAD_MS}: {1000 * self.overhead_s:.3f}\r\n{names.REQUEST_ID}: {self.request_id}\r\n"
        )
        if self.cost_usd is not None:
            told += f"{names.COST_USD}: {self.cost_usd:f}\r\n"
        if self.cached_model is not None:
            told += f"{names.CACHE}: hit\r\n"
        if route is not None and route.shadow_model is not None:
            told += f"{names.SHADOW_MODEL}: {route.shadow_model}\r\n"
        if self.trail.is_degraded:
            told += f"{names.DEGRADED}: all-breakers-open\r\n"
        return told.encode("latin-1", "replace")


@lru_cache(maxsize=1024)
def _routed(task: str, model: str, backend: str, reason: str, version: int, attempts: int) -> str:
    """The headers that are the same for many requests."""
    return (
        f"{names.TASK}: {task}\r\n"
        f"{names.MODEL}: {model}\r\n"
        f"{names.BACKEND}: {backend}\r\n"
        f"{names.REASON}: {reason}\r\n"
        f"{names.DECISION}: {version}\r\n"
        f"{names.ATTEMPTS}: {attempts}\r\n"
    )
