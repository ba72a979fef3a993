"""Unbounded heads and bodies, slow clients: everything has a limit."""

import time
from collections.abc import Callable

from qa.conformance.checks import Check, Mismatch, expect_equal, expect_true
from qa.conformance.http.cases import Expected, Step, body, head, make_case, marker, post
from qa.conformance.http.connection import Connection, ConnectionClosed, MalformedResponse, ResponseTimeout
from qa.conformance.servers import MAX_BODY_BYTES, Target

SUITE = "http limits"
FIELDS = "RFC 9110, 5.4 and RFC 6585, 5: too many or too long fields are answered with 431 or another 4xx"
SIZE = "RFC 9110, 15.5.14: 413 for a body that is larger than is taken"
EXTENSIONS = "RFC 9112, 7.1.1: the total length of chunk extensions ought to be limited"
TRAILERS = "RFC 9110, 5.4 and RFC 9112, 7.1.2: trailers are fields, and as limited as others"
HASTE = "RFC 9112, 9.5: a server has a time after which it closes; without one, sockets run out"

TOO_MUCH = Expected([[431, 400]], [0], ends=True, or_just_close=True)
TOO_LARGE = Expected([[413]], [0], envelope=True)
REFUSED = Expected([[400, 413, 431]], [0], ends=True, or_just_close=True)
HEAD_BOUND_S = 60.0
BODY_BOUND_S = 75.0
MEGABYTE = b"x" * 1_000_000


def _fields(count: int, size: int) -> Callable[[str], list[Step]]:
    """Return a request with this many extra fields of this size."""
    return lambda mark: [post(mark, *(f"x-{place}: {'y' * size}" for place in range(count)))]


def _endless_head(mark: str) -> list[Step]:
    return [head()[:-2] + b"x: ", *([MEGABYTE] * 20)]


def _endless_fields(mark: str) -> list[Step]:
    return [head()[:-2], *([b"x: y\r\n" * 10_000] * 50)]


def _announced(mark: str) -> list[Step]:
    return [head(f"content-length: {MAX_BODY_BYTES + 1}")]


def _announced_and_sent(mark: str) -> list[Step]:
    return [head(f"content-length: {MAX_BODY_BYTES + 100_000}"), *([MEGABYTE] * 2), b"x" * 100_000]


def _chunked(mark: str) -> list[Step]:
    chunk = f"{len(MEGABYTE):x}\r\n".encode() + MEGABYTE + b"\r\n"
    return [head("transfer-encoding: chunked"), *([chunk] * 4), b"0\r\n\r\n"]


def _extension(mark: str) -> list[Step]:
    data = body(mark)
    return [
        head("transfer-encoding: chunked"),
        f"{len(data):x};".encode(),
        *([MEGABYTE] * 8),
        b"\r\n" + data + b"\r\n0\r\n\r\n",
    ]


def _trailers(mark: str) -> list[Step]:
    data = body(mark)
    return [
        head("transfer-encoding: chunked") + f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n",
        *([b"x-trailer: y\r\n" * 50_000] * 10),
        b"\r\n",
    ]


def _slow_head(target: Target) -> str:
    """One header line per second, without an end."""
    return _ended(target, head()[:-2], b"x-slow: y\r\n", HEAD_BOUND_S)


def _slow_second_head(target: Target) -> str:
    """The same, after a first request was answered."""
    mark = marker(SUITE, "slow second head")
    return _ended(target, post(mark) + head()[:-2], b"x-slow: y\r\n", HEAD_BOUND_S, answered=1)


def _silent(target: Target) -> str:
    return _ended(target, b"", b"", HEAD_BOUND_S)


def _silent_body(target: Target) -> str:
    return _ended(target, head("content-length: 100") + b'{"model":', b"", BODY_BOUND_S)


def _ended(target: Target, first: bytes, again: bytes, bound_s: float, answered: int = 0) -> str:
    """Return how the gateway ends a connection that sends nothing or too little."""
    started = time.monotonic()
    with Connection(target.port, limit_s=1.0) as connection:
        connection.send(first)
        for _ in range(answered):
            expect_equal(connection.read_response().status, 200, "status")
        while time.monotonic() - started < bound_s:
            try:
                response = connection.read_response()
            except ResponseTimeout:
                connection.send(again)
                continue
            except ConnectionClosed:
                return f"closed without a response after {time.monotonic() - started:.0f} s"
            expect_equal(response.status, 408, "status")
            return f"408 after {time.monotonic() - started:.0f} s"
    raise Mismatch(f"the connection is still open after {bound_s:g} s")


def _slow_and_many(target: Target) -> str:
    """Many idle connections do not keep others out."""
    idle = [Connection(target.port) for _ in range(300)]
    try:
        with Connection(target.port) as connection:
            started = time.monotonic()
            connection.send(post(marker(SUITE, "idle")))
            expect_equal(connection.read_response().status, 200, "status")
            took_s = time.monotonic() - started
    finally:
        for one in idle:
            one.reset()
    expect_true(took_s < 2, f"an answer took {took_s:.1f} s")
    return f"200 within {took_s * 1000:.0f} ms with {len(idle)} silent connections open"


def _after_413(target: Target) -> str:
    """The rest of a rejected body is never parsed as a request."""
    mark = marker(SUITE, "after 413")
    hidden = post(mark)
    with Connection(target.port) as connection:
        connection.send(head(f"content-length: {MAX_BODY_BYTES + len(hidden)}"))
        expect_equal(connection.read_response().status, 413, "status")
        for _ in range(MAX_BODY_BYTES // len(MEGABYTE)):
            connection.send(MEGABYTE)
        connection.send(hidden)
        more = _more(connection)
    reached = len(target.exchanges(mark))
    expect_equal(reached, 0, "requests at the upstream")
    return f"413, {more}; nothing of the body went on"


def _more(connection: Connection) -> str:
    try:
        return "closed" if connection.is_closed_within(1.0) else "the body is read past"
    except MalformedResponse as error:
        raise Mismatch(str(error)) from error


def _largest_head(target: Target) -> str:
    """Find the largest accepted head, in steps of 4 kB."""
    for size in range(1, 64):
        with Connection(target.port) as connection:
            connection.send(post(marker(SUITE, "head"), *(["x: " + "y" * 4000] * size)))
            try:
                status = connection.read_response().status
            except ConnectionClosed:
                status = 0
        if status != 200:
            expect_true(size > 4, f"a head of {size * 4} kB is refused: proxies and cookies need 16 kB")
            how = status or "a closed connection"
            return f"{(size - 1) * 4} kB of fields are taken, {size * 4} kB answered with {how}"
    raise Mismatch("256 kB of fields are taken")


def _check(name: str, sent: str, expected: str, run: Callable[[Target], str], why: str, is_slow: bool = False) -> Check:
    return Check(SUITE, name, sent, expected, run, why, is_slow)


CHECKS = (
    _check(
        "a body that does not come",
        "a head, a beginning of its body, silence",
        f"408 or closed within {BODY_BOUND_S:g} s",
        _silent_body,
        HASTE,
        True,
    ),
    _check(
        "a slow head",
        "a field every second, without end",
        f"408 or closed within {HEAD_BOUND_S:g} s",
        _slow_head,
        HASTE,
        True,
    ),
    _check(
        "a slow second head",
        "a request, then a field every second, without end",
        f"408 or closed within {HEAD_BOUND_S:g} s",
        _slow_second_head,
        HASTE,
        True,
    ),
    _check("a silent connection", "nothing at all", f"408 or closed within {HEAD_BOUND_S:g} s", _silent, HASTE, True),
    _check(
        "many silent connections",
        "300 connections that say nothing, and one request",
        "its answer",
        _slow_and_many,
        HASTE,
    ),
    make_case(SUITE, "1000 fields", FIELDS, _fields(1000, 10), TOO_MUCH),
    make_case(SUITE, "100,000 fields", FIELDS, _fields(100_000, 1), TOO_MUCH),
    make_case(SUITE, "a field of 100 kB", FIELDS, _fields(1, 100_000), TOO_MUCH),
    make_case(SUITE, "20 fields of 20 kB", FIELDS, _fields(20, 20_000), TOO_MUCH),
    make_case(SUITE, "a field without end", FIELDS, _endless_head, TOO_MUCH),
    make_case(SUITE, "fields without end", FIELDS, _endless_fields, TOO_MUCH),
    make_case(SUITE, "50 fields of 200 bytes", FIELDS, _fields(50, 200), Expected([[200]], [1], ends=False)),
    _check("the largest head", "heads of 4, 8, 12, … kB", "over 16 kB, under 256 kB", _largest_head, FIELDS),
    make_case(SUITE, "a large body, announced", SIZE, _announced, TOO_LARGE),
    make_case(SUITE, "a large body, announced and sent", SIZE, _announced_and_sent, TOO_LARGE),
    make_case(SUITE, "a large body in chunks", SIZE, _chunked, TOO_LARGE),
    _check(
        "the rest of a large body",
        "a body that is refused, a request hidden at its end",
        "413; the upstream sees nothing",
        _after_413,
        SIZE + "; RFC 9112, 9.3: read past the body, or close",
    ),
    make_case(SUITE, "a chunk extension of 8 MB", EXTENSIONS, _extension, REFUSED),
    make_case(SUITE, "7 MB of trailers", TRAILERS, _trailers, REFUSED),
)
