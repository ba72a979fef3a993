"""The record of one request, filled as it goes on, and the response headers made from it."""

import time
from decimal import Decimal
from functools import lru_cache

import msgspec
from msgspec import field

from gateway.http import headers as names
from gateway.http.endpoints import Endpoint
from gateway.http.token_usage import Usage
from gateway.proxy.body_capture import BodyCapture
from gateway.tasks.decision_table import Route
from gateway.upstream.failover import Attempt, AttemptLog, describe_faults

HTTP_OK = 200


class RequestRecord(msgspec.Struct, gc=False):
    """Everything that is known of one request. Times by time.perf_counter(), in seconds.

    Nothing that it refers to refers back, so the garbage collector need not look at the last thousand of them.

    Attributes:
        read_at: When its last byte had come.
        status: Of the response, 0 before it begins.
        overhead_s: From read_at to the response's first byte, the time spent waiting for backends left out.
        seconds: From its first byte to the response's last, once it has ended.
        is_complete: The client was sent all of the response.
        stream_error: The reason why a stream ended early.
        aborted_status: Counted in place of `status` where a shutdown ended a stream, or an error with status 200 is
            all that the backends had to say; 0 otherwise.
        last_word: The attempt whose error the client gets, since no backend answered.
        client_id: The client's own ID of the request.
        cached_model: The model that gave the response, where it came from the cache.
        is_stream: The client asked for a stream.
        asked_model: `model` of the request's body.
        barred: Candidates that could not answer the request, and why.
        error: The gateway's own error, as the client got it.
        capture: What was said, where the request log stores that.
        span: gateway.otel's own, where it is on.
        secret: SHA-256 of the secret of the key.
        holds_slot: It counts against its key's limit of concurrent requests until it ends.
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
    client_id: str | None = None
    cached_model: str | None = None
    asked_model: str | None = None
    is_stream: bool = False
    barred: tuple[tuple[str, str], ...] = ()
    error: str | None = None
    capture: BodyCapture | None = None
    span: object = None
    last_word: Attempt | None = None
    secret: str | None = None
    holds_slot: bool = False

    @property
    def model(self) -> str:
        """Return the model that answered."""
        return self.answered_by[0]

    @property
    def backend(self) -> str:
        """Return the backend that answered."""
        return self.answered_by[1]

    @property
    def first_token_s(self) -> float | None:
        """Return the seconds from the request's last byte to a stream's first token; None where there was none."""
        attempts = self.trail.attempts
        if not self.is_stream or self.status != HTTP_OK or not attempts or attempts[-1].fault is not None:
            return None
        return self.overhead_s + self.trail.waited_s

    @property
    def has_faults(self) -> bool:
        """Return whether a backend failed the request, or its stream broke."""
        attempts = self.trail.attempts
        return self.stream_error is not None or (bool(attempts) and attempts[0].fault is not None)

    @property
    def answered_by(self) -> tuple[str, str]:
        """Return the model and the backend that answered, or whose error is the client's."""
        if self.cached_model is not None:
            return self.cached_model, names.NONE
        attempts = self.trail.attempts
        if attempts and attempts[-1].fault is None:
            return attempts[-1].model, attempts[-1].backend
        if self.last_word is not None:
            return self.last_word.model, self.last_word.backend
        return names.NONE, names.NONE

    def mark_read(self) -> None:
        """Note that the request's last byte has come."""
        self.read_at = time.perf_counter()

    def begin_whole(self, status: int, body: bytes) -> bytes:
        """Note that the response begins, and with it ends. Return what begin_response returns."""
        self.is_complete = True
        if self.capture is not None:
            self.capture.add_piece(body)
        return self.begin_response(status)

    def begin_response(self, status: int) -> bytes:
        """Note that the response begins. Return the gateway's own headers, each a line with CRLF."""
        self.status = status
        # From the request's last byte: an upload that takes long is the client's time.
        since = self.read_at or self.started
        overhead_s = time.perf_counter() - since - self.trail.waited_s
        self.overhead_s = overhead_s if overhead_s > 0.0 else 0.0
        route, (model, backend) = self.route, self.answered_by
        reason, version = (route.reason, route.version) if route is not None else (names.NONE, 0)
        lines = f"{names.OVERHEAD_MS}: {1000 * self.overhead_s:.3f}\r\n{names.REQUEST_ID}: {self.request_id}\r\n"
        if self.client_id is not None:
            lines += f"{names.CLIENT_REQUEST_ID}: {self.client_id}\r\n"
        if self.cost_usd is not None:
            lines += f"{names.COST_USD}: {_plain_text(self.cost_usd)}\r\n"
        if self.cached_model is not None:
            lines += f"{names.CACHE}: hit\r\n"
        if route is not None and route.shadow_model is not None:
            lines += f"{names.SHADOW_MODEL}: {route.shadow_model}\r\n"
        if self.trail.is_degraded:
            lines += f"{names.DEGRADED}: all-breakers-open\r\n"
        if self.last_word is not None:
            lines += f"{names.ERROR}: {' '.join(describe_faults(self.trail.attempts).split())}\r\n"
        route_lines = _route_lines(self.task or names.NONE, model, backend, reason, version, len(self.trail.attempts))
        return route_lines + _encode_lines(lines)


@lru_cache(maxsize=1024)
def _route_lines(task: str, model: str, backend: str, reason: str, version: int, attempts: int) -> bytes:
    """Return the headers that are the same for many requests."""
    return _encode_lines(
        f"{names.TASK}: {task}\r\n"
        f"{names.MODEL}: {model}\r\n"
        f"{names.BACKEND}: {backend}\r\n"
        f"{names.REASON}: {reason}\r\n"
        f"{names.DECISION}: {version}\r\n"
        f"{names.ATTEMPTS}: {attempts}\r\n"
        # A body that a client has steered is never a page, whatever a browser would guess.
        "x-content-type-options: nosniff\r\n"
    )


def _plain_text(amount: Decimal) -> str:
    """Return an amount without an exponent: nearly always it has none, and `str` takes a third of the time."""
    text = str(amount)
    return f"{amount:f}" if "E" in text else text


def _encode_lines(lines: str) -> bytes:
    # Names from the configuration may hold any letter; a header holds Latin-1 at most (RFC 9110, 5.5).
    return lines.encode("latin-1", "replace")
