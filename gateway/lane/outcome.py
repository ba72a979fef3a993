"""One request as far as it has come, and the headers that tell of it."""

import time
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.asgi import RawHeaders
from gateway.decisions import Route
from gateway.lane.forward import Trail
from gateway.wire import headers as names
from gateway.wire.operations import Operation
from gateway.wire.usage import Usage


@dataclass(slots=True)
class Progress:
    """One request as far as it has come. Times by time.perf_counter(), in seconds.

    read_at: when its last byte had come. status: of the answer, 0 before it begins. broke: a stream that ended early.
    kept: the model that gave the answer before, where it was still kept. span: gateway.otel's own, where it is on.
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
    key: str | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    operation: Operation | None = None
    kept: str | None = None
    span: object = None

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
        if self.kept is not None:
            return self.kept, names.NONE
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
        if self.cost_usd is not None:
            shown.append((names.COST_USD.encode(), f"{self.cost_usd:f}".encode()))
        if self.kept is not None:
            shown.append((names.CACHE.encode(), b"hit"))
        if self.route is not None and self.route.would is not None:
            shown.append((names.SHADOW_MODEL.encode(), self.route.would.encode("latin-1", "replace")))
        if self.trail.is_degraded:
            shown.append((names.DEGRADED.encode(), b"all-breakers-open"))
        return shown
