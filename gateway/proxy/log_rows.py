"""Records of requests as rows of the request log. Runs in the log's thread."""

import secrets
import time
from collections.abc import Callable, Sequence

from gateway.http import headers as names
from gateway.proxy.access_log import logged_reason, logged_status
from gateway.proxy.body_capture import BodyCapture
from gateway.proxy.request_record import RequestRecord
from gateway.request_log.entry import TIME_BITS, LoggedAttempt, Row
from gateway.upstream.errors import ErrorStatus, UpstreamFault

MAX_ERROR_CHARS = 500
MAX_MODEL_CHARS = 200
MS = 1000.0
US = 1_000_000
NO_TOKENS = (None, 0, 0, 0, False)

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

    def make_rows(self, records: Sequence[RequestRecord], offset: float) -> list[Row]:
        """Return rows. offset: seconds from the records' clock to Unix time."""
        own, timer = self._clocks
        between = own() - timer()  # nearly 0: on most systems both are one clock
        return [self._make_row(record, offset, between) for record in records]

    def _make_row(self, record: RequestRecord, offset: float, between: float) -> Row:
        # In the order in which requests ended, be the system's clock set back meanwhile.
        at_us = max(int((record.started + record.seconds + offset) * US), self._last_us + 1)
        self._last_us = at_us
        route, trail, usage, started = record.route, record.trail, record.usage, record.started
        model, backend = record.answered_by
        first_token_ms = None
        if record.is_stream and trail.times and trail.attempts[-1].fault is None:
            first_token_ms = _ms(trail.times[-1] + between - started)
        if usage is None:
            tokens: tuple[object, ...] = NO_TOKENS
        else:
            tokens = (
                usage.input_tokens, usage.cache_read_tokens, usage.output_tokens, usage.reasoning_tokens,
                usage.is_estimated,
            )  # fmt: skip
        return (
            (at_us << TIME_BITS) | self._own_bits,
            record.request_id,
            record.client_id,
            record.key,
            record.task,
            model,
            backend,
            logged_reason(record),
            logged_status(record),
            None if record.cost_usd is None else f"{record.cost_usd:f}",
            _ms(record.seconds),
            record.endpoint.public_path if record.endpoint is not None else names.NONE,
            _shorten(record.asked_model, MAX_MODEL_CHARS),
            0 if route is None else route.version,
            record.is_stream,
            _ms(record.read_at - started) if record.read_at else 0.0,
            first_token_ms,
            _ms(record.overhead_s),
            _ms(trail.waited_s),
            *tokens,
            record.cached_model is not None,
            None if route is None else route.shadow_model,
            _attempts_of(record, between),
            record.barred,
            _shorten(record.stream_error, MAX_ERROR_CHARS),
            _shorten(record.error, MAX_ERROR_CHARS),
            None if record.capture is None or self._encode_body is None else self._encode_body(record.capture),
        )


def _attempts_of(record: RequestRecord, between: float) -> tuple[LoggedAttempt, ...]:
    trail, shift = record.trail, between - record.started
    timed = zip(trail.attempts, trail.times[::2], trail.times[1::2], strict=False)
    return tuple(
        [
            LoggedAttempt(one.model, one.backend, *_fault_of(one.fault), _ms(begun + shift), _ms(ended - begun))
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


def _ms(seconds: float) -> float:
    return round(seconds * MS, 3)
