"""Records of requests as rows of the request log. Runs in the log's thread."""

import secrets
import time
from collections.abc import Callable, Sequence

from gateway.http import headers as names
from gateway.proxy.access_log import logged_status
from gateway.proxy.body_capture import BodyCapture
from gateway.proxy.request_record import RequestRecord
from gateway.request_log.entry import TIME_BITS, LoggedAttempt, RareFields, Row
from gateway.upstream.errors import ErrorStatus, UpstreamFault

MAX_ERROR_CHARS = 500
MAX_MODEL_CHARS = 200
MS = 1000.0
US = 1_000_000
EncodeBody = Callable[[BodyCapture], bytes | None]


class RowMaker:
    """Makes rows, each with a number of its own."""

    def __init__(
        self,
        encode_body: EncodeBody | None = None,
        draw: Callable[[int], int] = secrets.randbits,
        clocks: tuple[Callable[[], float], Callable[[], float]] = (time.perf_counter, time.monotonic),
    ) -> None:
        """encode_body: of what was said, where it is stored. draw: random bits, which tell this gateway from others.

        clocks: the records' own, and the deadline timer's, by which attempts are timed.
        """
        self._encode_body = encode_body
        self._own_bits = draw(TIME_BITS)
        self._clocks = clocks
        self._last_us = 0
        self._paths: dict[str, str] = {}  # of the endpoints there are

    def make_rows(self, records: Sequence[RequestRecord], offset: float) -> list[Row]:
        """Return rows. offset: seconds from the records' clock to Unix time."""
        own, timer = self._clocks
        between = own() - timer()  # nearly 0: on most systems both are one clock
        return [self._make_row(record, offset, between) for record in records]

    def _make_row(self, record: RequestRecord, offset: float, between: float) -> Row:
        # In one piece and by place: to call functions and name fields would double the cost of a request's row.
        started, route, trail, usage = record.started, record.route, record.trail, record.usage
        # In the order in which requests ended, be the system's clock set back meanwhile.
        at_us = int((started + record.seconds + offset) * US)
        if at_us <= self._last_us:
            at_us = self._last_us + 1
        self._last_us = at_us
        attempts, times, begun_ms, ended_ms = trail.attempts, trail.times, 0.0, 0.0
        if times:
            shift = between - started
            begun_ms, ended_ms = (times[-2] + shift) * MS, (times[-1] + shift) * MS
        if is_plain(record):
            model, backend, status, rare = attempts[0].model, attempts[0].backend, record.status, None
        else:
            (model, backend), status, rare = record.answered_by, logged_status(record), _rare_fields(record, between)
            status = -status if record.stream_error is not None else status
        asked, endpoint, capture = record.asked_model, record.endpoint, record.capture
        if asked is not None and (len(asked) > MAX_MODEL_CHARS or not asked.isascii()):
            asked = _shorten(asked, MAX_MODEL_CHARS)
        path = names.NONE if endpoint is None else self._paths.get(endpoint.path)
        if path is None:
            path = self._paths[endpoint.path] = endpoint.public_path  # type: ignore[union-attr]  # it has a path
        return _new_row(Row, (
            (at_us << TIME_BITS) | self._own_bits, record.request_id, record.client_id, record.key, record.task,
            model, backend, names.NONE if route is None else route.reason, status, record.seconds * MS,
            record.cost_usd, (record.read_at - started) * MS if record.read_at else 0.0, record.overhead_s * MS,
            trail.waited_s * MS, begun_ms, ended_ms, path,
            asked,
            0 if route is None else route.version, record.is_stream,
            None if usage is None else usage.input_tokens, 0 if usage is None else usage.cache_read_tokens,
            0 if usage is None else usage.output_tokens, 0 if usage is None else usage.reasoning_tokens,
            usage is not None and usage.is_estimated, rare,
            None if capture is None or self._encode_body is None else self._encode_body(capture),
        ))  # fmt: skip


_new_row = tuple.__new__


def is_plain(record: RequestRecord) -> bool:
    """Return True for a success at the first attempt, as nearly all requests are."""
    attempts, route = record.trail.attempts, record.route
    return (
        len(attempts) == 1
        and record.is_complete
        and attempts[0].fault is None
        and record.error is None
        and not record.barred
        and record.cached_model is None
        and (route is None or route.shadow_model is None)
    )


def _rare_fields(record: RequestRecord, between: float) -> RareFields:
    return RareFields(
        _attempts_of(record, between),
        record.cached_model is not None,
        None if record.route is None else record.route.shadow_model,
        record.barred,
        _shorten(record.stream_error, MAX_ERROR_CHARS),
        _shorten(record.error, MAX_ERROR_CHARS),
    )


def _attempts_of(record: RequestRecord, between: float) -> tuple[LoggedAttempt, ...]:
    trail, shift = record.trail, between - record.started
    timed = zip(trail.attempts, trail.times[::2], trail.times[1::2], strict=False)
    return tuple(
        [
            LoggedAttempt(one.model, one.backend, *_fault_of(one.fault), (begun + shift) * MS, (ended - begun) * MS)
            for one, begun, ended in timed
        ]
    )


def _fault_of(fault: UpstreamFault | None) -> tuple[str | None, str | None, int | None]:
    if fault is None:
        return None, None, None
    return str(fault), fault.kind, fault.status if isinstance(fault, ErrorStatus) else None


def _shorten(text: str | None, limit: int) -> str | None:
    """Return the beginning of a text that a client or a backend has sent, in characters that can be encoded."""
    if text is None or (text.isascii() and len(text) <= limit):
        return text
    # JSON can hold half a surrogate pair (RFC 8259, 8.2), which UTF-8 cannot.
    return text[:limit].encode("utf-8", "replace").decode()
