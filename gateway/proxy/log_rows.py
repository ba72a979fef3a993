"""Records of requests as rows of the request log, in columns. Runs in the log's thread."""

import secrets
import time
from collections.abc import Callable, Sequence
from itertools import islice
from math import floor
from operator import lt

from gateway.http import headers as names
from gateway.http.endpoints import Endpoint
from gateway.proxy.body_capture import BodyCapture
from gateway.proxy.record_columns import RecordColumns, is_constant, transpose
from gateway.proxy.request_record import RequestRecord
from gateway.request_log.entry import TIME_BITS, Columns, LoggedAttempt, RareFields
from gateway.upstream.errors import ErrorStatus, UpstreamFault

MAX_ERROR_CHARS = 500
MAX_MODEL_CHARS = 200
SAME_CLOCK_S = 1e-5
"""Difference of two clocks that are one, read one after the other."""

MS = 1000.0
US = 1e6  # a float: to multiply one by an integer takes half as long again
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
        self._last = self._own_bits
        self._paths: dict[str, str] = {}  # of the endpoints there are

    def make_columns(self, of: RecordColumns, offset: float) -> Columns:
        """Return the rows of records. offset: seconds from the records' clock to Unix time."""
        own, timer = self._clocks
        between = own() - timer()  # nearly 0: on most systems both are one clock
        rare: list[RareFields | None] = [None] * len(of)
        statuses = list(of.status)
        for place in of.unusual:
            rare[place] = _rare_fields(of.records[place], between)
            if of.stream_error[place] is not None:
                statuses[place] = -statuses[place]
        began = of.started if abs(between) < SAME_CLOCK_S else [started - between for started in of.started]
        attempt_began, attempt_ended = _last_times(of)
        return (
            self._numbers(of, offset), of.request_id, of.client_id, of.key, of.task,
            of.model, of.backend, of.reason, statuses, _in_ms(of.seconds), of.cost_usd,
            _since(of.started, of.read_at), _in_ms(of.overhead_s), _in_ms(of.waited_s),
            _since(began, attempt_began), _since(began, attempt_ended),
            self._endpoints(of.endpoint), _asked_models(of.asked_model), of.version, of.is_stream,
            *_tokens(of), rare, self._bodies(of.capture),
        )  # fmt: skip

    def _numbers(self, of: RecordColumns, offset: float) -> list[int]:
        """Return numbers in the order in which requests ended, be the system's clock set back meanwhile."""
        own, step = self._own_bits, 1 << TIME_BITS
        numbers = [
            (floor((began + took + offset) * US) << TIME_BITS) | own
            for began, took in zip(of.started, of.seconds, strict=True)
        ]
        if numbers[0] <= self._last or not all(map(lt, numbers, islice(numbers, 1, None))):
            last = self._last
            for place, number in enumerate(numbers):
                numbers[place] = last = max(number, last + step)
        self._last = numbers[-1]
        return numbers

    def _endpoints(self, endpoints: Sequence[Endpoint | None]) -> Sequence[str]:
        if is_constant(endpoints):
            return [self._path_of(endpoints[0])] * len(endpoints)
        return [self._path_of(endpoint) for endpoint in endpoints]

    def _path_of(self, endpoint: Endpoint | None) -> str:
        if endpoint is None:
            return names.NONE
        path = self._paths.get(endpoint.path)
        if path is None:
            path = self._paths[endpoint.path] = endpoint.public_path
        return path

    def _bodies(self, captures: Sequence[BodyCapture | None]) -> Sequence[bytes | None]:
        encode = self._encode_body
        if encode is None:
            return [None] * len(captures)
        return [None if capture is None else encode(capture) for capture in captures]


def _in_ms(seconds: Sequence[float]) -> Sequence[float]:
    return [one * MS for one in seconds]


def _since(began: Sequence[float], ended: Sequence[float]) -> Sequence[float]:
    """Return the milliseconds between two times, 0 where the second is 0: it never was."""
    if all(ended):
        return [(end - start) * MS for start, end in zip(began, ended, strict=True)]
    return [(end - start) * MS if end else 0.0 for start, end in zip(began, ended, strict=True)]


def _last_times(of: RecordColumns) -> tuple[Sequence[float], Sequence[float]]:
    """Return when the last attempt of each began and ended, 0 where there was none."""
    last = [times[-2:] if times else (0.0, 0.0) for times in of.times] if of.unusual else of.times
    began, ended = transpose(last, 2)
    return began, ended


def _asked_models(asked: Sequence[str | None]) -> Sequence[str | None]:
    if is_constant(asked):
        return [_shorten(asked[0], MAX_MODEL_CHARS)] * len(asked)
    return [_shorten(one, MAX_MODEL_CHARS) for one in asked]


def _tokens(of: RecordColumns) -> tuple[Sequence[int | None], ...]:
    """Return the columns from `input_tokens` to `is_estimated`."""
    given: Sequence[int | None]
    given, made, read, _, reasoning, is_estimated = of.tokens
    if not all(of.has_usage):
        given = [count if has_usage else None for count, has_usage in zip(given, of.has_usage, strict=True)]
    return given, read, made, reasoning, is_estimated


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
