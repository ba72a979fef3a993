"""Request lines, header fields, connections: RFC 9112, sections 2, 3, 5 and 9."""

import json
import time

from benchmarks.conforming.checks import holds, same
from benchmarks.conforming.http.exchange import AUTH, BODY, HOST, connected, exchange, request, statuses
from benchmarks.conforming.http.framing import SMUGGLED, refused
from benchmarks.conforming.target import Target

MEGABYTE = 1024 * 1024
SLOW_LIMIT_S = 45.0


def byte_by_byte(target: Target) -> None:
    """a request a byte at a time"""
    sent = request()
    statuses(exchange(target, *(sent[place : place + 1] for place in range(len(sent))), pause_s=0.0005), [200])


def five_megabytes(target: Target) -> None:
    """five megabytes in one write"""
    body = json.dumps({**json.loads(BODY), "user": "x" * 5 * MEGABYTE}).encode()
    statuses(exchange(target, request(body), patience_s=10), [200])
    same(len(target.seen.last()["user"]), 5 * MEGABYTE)


def no_host(target: Target) -> str:
    """no Host in HTTP/1.1: 400 (3.2)"""
    return refused(exchange(target, request(host=None)))


def two_hosts(target: Target) -> str:
    """two Hosts: 400 (3.2)"""
    return refused(exchange(target, request(BODY, b"host: other")))


def absolute_form(target: Target) -> None:
    """a target in absolute form is understood (3.2.2)"""
    line = b"POST http://gateway/v1/chat/completions HTTP/1.1"
    statuses(exchange(target, request(line=line)), [200])


def upgrade(target: Target) -> None:
    """an offer to upgrade is passed over, and nothing hangs (RFC 9110, 7.8)"""
    got = exchange(target, request(BODY, b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-version: 13"))
    statuses(got, [200], [400])


def http2_preface(target: Target) -> None:
    """HTTP/2's preface is refused"""
    got = exchange(target, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    holds(got.closed and got.statuses in ([400], [505], []), f"{got.statuses}, closed: {got.closed}")


def http10(target: Target) -> None:
    """HTTP/1.0: an answer, and the connection closes (9.3)"""
    got = exchange(target, request(line=b"POST /v1/chat/completions HTTP/1.0", host=None))
    same((got.statuses, got.closed), ([200], True))


def closes_when_asked(target: Target) -> None:
    """Connection: close is honoured (9.6)"""
    got = exchange(target, request(BODY, b"connection: close"))
    same((got.statuses, got.closed), ([200], True))


def after_an_error(target: Target) -> None:
    """a refused request leaves the connection usable (9.3)"""
    got = exchange(target, request(b"{"), request(), answers=2)
    same((got.statuses, got.closed), ([400, 200], False))


def methods(target: Target) -> str:
    """HEAD, OPTIONS and methods of nobody's are answered (RFC 9110, 9.1)"""
    found = []
    for line in (b"OPTIONS /v1/models HTTP/1.1", b"DELETE /v1/chat/completions HTTP/1.1", b"GET /v1/route HTTP/1.1"):
        found += exchange(target, request(b"", line=line)).statuses
    holds(all(status in (200, 204, 405) for status in found) and len(found) == 3, str(found))
    brew = exchange(target, request(b"", line=b"BREW /v1/models HTTP/1.1"))
    holds(brew.statuses in ([400], [405], [501], []), str(brew.statuses))
    return str([*found, *brew.statuses])


def paths(target: Target) -> str:
    """path tricks lead nowhere: 404, and never to another endpoint"""
    tried = (
        b"/v1/../metrics",
        b"//v1/models",
        b"/v1/%2e%2e/metrics",
        b"/v1/models/..%2f..%2fmetrics",
        b"/V1/MODELS",
        b"/v1/chat/completions/",
        b"/v1/chat%2fcompletions",
        b"/%00",
        b"/v1/chat/completions%00",
    )
    found = {}
    for path in tried:
        got = exchange(target, request(line=b"POST " + path + b" HTTP/1.1"))
        found[path.decode()] = got.statuses
        holds(got.statuses in ([404], [405], [400]), f"{path!r}: {got.statuses}")
        same(got.reached, 0)
    return f"{len(found)} paths"


def bad_lines(target: Target) -> str:
    """lines that are no request lines are refused (3)"""
    lines = (
        b"POST /v1/chat/completions",
        b"POST /v1/chat/ completions HTTP/1.1",
        b"POST /v1/chat/completions HTTP/9.9",
        b"\x00\x01\x02",
    )
    for line in lines:
        got = exchange(target, request(line=line))
        holds(got.closed and got.reached == 0 and got.statuses in ([400], [505], []), f"{line!r}: {got}"[:200])
    return f"{len(lines)} lines"


def bad_fields(target: Target) -> str:
    """header fields that parsers disagree on are refused (5.1, 5.2, 2.2)"""
    fields = {
        "a space before the colon": b"x-task-id : t",
        "a folded line": b"x-a: b\r\n c",
        "no name": b": b",
        "a NUL": b"x-a: \x00",
        "a bare CR": b"x-a: b\rc: d",
        "a space in the name": b"x a: b",
    }
    for name, header in fields.items():
        got = exchange(target, request(BODY, header))
        holds(got.closed and got.reached == 0 and got.statuses in ([400], []), f"{name}: {got.statuses}, {got.closed}")
    return f"{len(fields)} fields"


def bare_newlines(target: Target) -> str:
    """bare line feeds smuggle nothing (2.2)"""
    got = exchange(target, request().replace(b"\r\n", b"\n"))
    holds(got.statuses in ([400], [200], []) and got.reached <= 1, f"{got.statuses}, reached {got.reached}")
    return f"{got.statuses}"


def header_limits(target: Target) -> str:
    """headers without end are refused or cut off: 431, 400 or a closed connection (RFC 6585, 5)"""
    found = []
    for headers in ([b"x-%d: y" % n for n in range(20_000)], [b"x: " + b"y" * 4 * MEGABYTE]):
        got = exchange(target, request(BODY, *headers), patience_s=10)
        holds(got.closed and got.reached == 0 and got.statuses in ([431], [400], []), f"{got.statuses}, {got.closed}")
        found.append(str(got.statuses))
    return ", ".join(found)


def slow_header(target: Target) -> str:
    """a header that never ends does not hold a connection for ever"""
    with connected(target) as made:
        made.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"\r\nx-slow: ")
        begun = time.monotonic()
        made.settimeout(SLOW_LIMIT_S)
        try:
            data = made.recv(1000)
        except OSError as error:
            raise AssertionError(f"still open after {SLOW_LIMIT_S:g} s") from error
    holds(data == b"" or b" 408 " in data or b" 400 " in data, repr(data[:80]))
    return f"closed after {time.monotonic() - begun:.0f} s"


def half_closed(target: Target) -> str:
    """a client that closes its side has left: its request is cancelled, nothing hangs (as nginx has it)"""
    got = exchange(target, request(BODY.replace(b'"chat"', b'"slow"')), half_close=True)
    holds(got.closed and got.took_s < 2, f"closed: {got.closed}, {got.took_s:.1f} s")
    return f"{got.statuses}, closed after {1000 * got.took_s:.0f} ms"


def deep(target: Target) -> None:
    """JSON nested without end is refused: 400"""
    body = b'{"model": "chat", "messages": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    statuses(exchange(target, request(body)), [400])


def injected(target: Target) -> None:
    """nothing of a request reaches the answer's headers unchecked"""
    got = exchange(
        target, request(BODY, b"x-request-id: a\x01b", b"x-benchroute-model: mine", b"x-benchroute-cost-usd: 9")
    )
    if got.statuses == [200]:
        headers = got.answers[0].headers
        same(headers["x-benchroute-model"], "chat")
        holds("\x01" not in headers["x-request-id"] and headers.get("x-benchroute-cost-usd") != "9", str(headers))
    else:
        statuses(got, [400])


def smuggling_over_pipeline(target: Target) -> None:
    """a body that looks like a request stays a body"""
    body = json.dumps({**json.loads(BODY), "user": SMUGGLED.decode()}).encode()
    got = exchange(target, request(body), patience_s=1, answers=2)
    same((got.statuses, got.reached), ([200], 1))


def unauthenticated(target: Target) -> None:
    """without a key: 401 before the body is looked at"""
    got = exchange(target, request(b"{").replace(AUTH + b"\r\n", b""))
    statuses(got, [401])


CHECKS = (
    byte_by_byte,
    five_megabytes,
    no_host,
    two_hosts,
    absolute_form,
    upgrade,
    http2_preface,
    http10,
    closes_when_asked,
    after_an_error,
    methods,
    paths,
    bad_lines,
    bad_fields,
    bare_newlines,
    header_limits,
    slow_header,
    half_closed,
    deep,
    injected,
    smuggling_over_pipeline,
    unauthenticated,
)
