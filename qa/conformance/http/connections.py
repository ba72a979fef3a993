"""Several requests on a connection, and closing from either side."""

import json
import time
from collections.abc import Callable
from typing import Any

from qa.conformance.checks import Check, Mismatch, expect_equal, expect_true
from qa.conformance.http.cases import Expected, body, head, make_case, marker, post, record_case
from qa.conformance.http.connection import Connection, ConnectionClosed, MalformedResponse, ResponseTimeout
from qa.conformance.servers import Target

SUITE = "http connections"
ORDER = "RFC 9112, 9.3.2: answers to pipelined requests come in the order of the requests"
KEEP = "RFC 9112, 9.3: a connection persists unless one side says close"
CLOSE = "RFC 9112, 9.6: after a request with close the server answers it, closes, and takes no further request"
OLD = "RFC 9112, 6.1: no Transfer-Encoding in an answer to HTTP/1.0"
GONE = "DESIGN: nobody would read the answer, so the backend should stop making it"
HALF = "RFC 9112, 9.5: either side may close at any time; what a half-closed client is owed is left open"
CUT_S = 5.0
MANY = 5


def _pipelined(target: Target) -> str:
    """Five requests at once, the first one slow."""
    marks = [marker(SUITE, f"pipelined {place}") for place in range(MANY)]
    with Connection(target.port) as connection:
        connection.send(_to("slow", marks[0]) + b"".join(post(mark) for mark in marks[1:]))
        texts = [_text(connection) for _ in marks]
    expect_equal(texts, [f"you said: hello {mark}" for mark in marks], "the responses' order")
    return f"{MANY} answers, in order"


def _mixed(target: Target) -> str:
    """A valid request, an invalid one, another path, a stream, a valid one."""
    mark = marker(SUITE, "mixed")
    bad = head("content-length: 2") + b"{}"
    with Connection(target.port) as connection:
        connection.send(
            post(mark) + bad + head(method="GET", target="/v1/models") + post(mark, stream=True) + post(mark)
        )
        responses = [connection.read_response() for _ in range(5)]
    expect_equal([response.status for response in responses], [200, 400, 200, 200, 200], "statuses")
    expect_true(responses[3].body.endswith(b"data: [DONE]\n\n"), f"the stream ended with {responses[3].body[-60:]!r}")
    return "200, 400, 200, a whole stream, 200"


def _text(connection: Connection) -> str:
    text: str = json.loads(connection.read_response().body)["choices"][0]["message"]["content"]
    return text


def _reused(target: Target) -> str:
    """A valid request after each kind of refusal, all on one connection."""
    mark = marker(SUITE, "reused")
    wrong_key = post(mark).replace(b"Bearer sk-", b"Bearer no-")
    refusals = {
        400: head("content-length: 3") + b"abc",
        401: wrong_key,
        404: head("content-length: 2", target="/v1/nowhere") + b"{}",
        405: head("content-length: 2", method="PUT") + b"{}",
        500: _to("e500", mark),
    }
    with Connection(target.port) as connection:
        for status, request in refusals.items():
            connection.send(request)
            expect_equal(connection.read_response().status, status, "status")
            connection.send(post(mark))
            expect_equal(connection.read_response().status, 200, f"status after {status}")
    return f"200 after each of {', '.join(map(str, refusals))}"


def _to(model: str, mark: str, **more: Any) -> bytes:
    """Return a request to another model."""
    data = body(mark, **more).replace(b"gpt-conformance", model.encode())
    return head(f"content-length: {len(data)}") + data


def _hundred(target: Target) -> str:
    mark = marker(SUITE, "hundred")
    with Connection(target.port) as connection:
        for _ in range(100):
            connection.send(post(mark))
            expect_equal(connection.read_response().status, 200, "status")
    return "100 answers on one connection"


def _closes(*lines: str, version: str = "HTTP/1.1") -> Callable[[str], list[bytes]]:
    """A request with close, and another one pipelined behind it."""
    return lambda mark: [post(mark, *lines).replace(b"HTTP/1.1", version.encode(), 1) + post(mark)]


def _old_stream(target: Target) -> str:
    """HTTP/1.0 has no chunked coding: the end of the connection ends the stream."""
    mark = marker(SUITE, "old stream")
    with Connection(target.port) as connection:
        connection.send(post(mark, stream=True).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        response = connection.read_response()
        expect_true(connection.is_closed_within(2), "the connection stays open")
    expect_equal(response.header("transfer-encoding"), None, "Transfer-Encoding")
    expect_equal(response.body, _without_usage(target.exchanges(mark)[0].sent), "the stream")
    return f"{len(response.body)} bytes up to the end of the connection"


def _without_usage(sent: bytes) -> bytes:
    """Return the stream that a client gets that did not ask for usage."""
    shown = b"".join(event + b"\n\n" for event in sent.split(b"\n\n")[:-1] if b'"choices":[],' not in event)
    return shown.replace(b',"usage":null', b"")


def _half_closed(stream: bool, model: str) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        mark = marker(SUITE, f"half closed {stream} {model}")
        with Connection(target.port) as connection:
            connection.send(_to(model, mark, stream=stream))
            connection.half_close()
            try:
                response = connection.read_response()
                observed = f"{response.status}, {len(response.body)} bytes"
            except ConnectionClosed as ended:
                observed = f"no whole answer: {ended}"[:120]
        time.sleep(0.3)
        seen = target.exchanges(mark)

        return f"{observed}; at the upstream: {', '.join(one.ending for one in seen) or 'nothing'}"

    return run


def _half_body(target: Target) -> str:
    """A body that never completes."""
    mark = marker(SUITE, "half body")
    with Connection(target.port) as connection:
        connection.send(head("content-length: 1000") + body(mark))
        connection.half_close()
        try:
            observed = str(connection.read_response().status)
            expect_equal(observed, "400", "status")
        except ConnectionClosed:
            observed = "closed"
    expect_equal(len(target.exchanges(mark)), 0, "requests at the upstream")
    return f"{observed}; the upstream was not asked"


def _left(model: str, pipelined: bool) -> Callable[[Target], str]:
    """A client that disconnects before its response is complete, with or without a pipelined request."""

    def run(target: Target) -> str:
        mark = marker(SUITE, f"left {model} {pipelined}")
        with Connection(target.port) as connection:
            connection.send(_to(model, mark, stream=model == "endless"))
            time.sleep(0.2)
            if pipelined:
                connection.send(post(marker(SUITE, f"behind {model}")))
                time.sleep(0.2)
        return _stopped(target, mark)

    return run


def _stopped(target: Target, mark: str) -> str:
    deadline = time.monotonic() + CUT_S
    while time.monotonic() < deadline:
        (exchange,) = target.exchanges(mark)
        expect_true(exchange.ending != "answered", "the upstream was not cancelled")
        if exchange.ending == "left":
            return f"the upstream was stopped after {len(exchange.sent)} bytes"
        time.sleep(0.1)
    raise Mismatch(f"the upstream still sends {CUT_S:g} s after the client has left")


def _head_behind_body(target: Target) -> str:
    """The start of a head in the same write as the large body before it: its size counts from its own start."""
    mark = marker(SUITE, "head behind body")
    second = post(mark)
    with Connection(target.port) as connection:
        connection.send(post(mark, text="x" * 100_000) + second[:40])
        expect_equal(connection.read_response().status, 200, "status")
        connection.send(second[40:])
        expect_equal(connection.read_response().status, 200, "status of the second")
    return "200, 200"


def _garbage(target: Target) -> str:
    """A valid request, then bytes that are no HTTP."""
    with Connection(target.port) as connection:
        connection.send(post(marker(SUITE, "garbage")) + b"\x00\x01\x02 garbage\r\n\r\n")
        first = connection.read_response()
        expect_equal(first.status, 200, "status")
        try:
            second = str(connection.read_response().status)
            expect_equal(second, "400", "status of the garbage")
        except ConnectionClosed:
            second = "closed"
        except (ResponseTimeout, MalformedResponse) as error:
            raise Mismatch(str(error)) from error
    return f"200, then {second}"


def _check(name: str, sent: str, expected: str, run: Callable[[Target], str], why: str) -> Check:
    return Check(SUITE, name, sent, expected, run, why)


STOPPED = "the upstream is stopped"
ONE = Expected([[200]], [1], ends=True)
CHECKS = (
    _check(
        "pipelined",
        f"{MANY} requests in one write, the first to a slow model",
        "their answers in order",
        _pipelined,
        ORDER,
    ),
    _check("pipelined, mixed", "good, bad, GET, stream, good in one write", "200, 400, 200, 200, 200", _mixed, ORDER),
    _check(
        "a head behind a large body",
        "100 kB and 40 bytes of the next head in one write",
        "200, 200",
        _head_behind_body,
        ORDER,
    ),
    _check(
        "garbage behind a request", "a request and garbage in one write", "200, then 400 or closed", _garbage, ORDER
    ),
    _check("reuse after refusals", "a good request after 400, 401, 404, 405 and 502", "200 each time", _reused, KEEP),
    _check("a hundred on one connection", "100 requests, one after the other", "200 each time", _hundred, KEEP),
    make_case(SUITE, "close", CLOSE, _closes("connection: close"), ONE),
    make_case(SUITE, "close in a list", CLOSE, _closes("connection: x-hop, Close"), ONE),
    make_case(SUITE, "HTTP/1.0", "RFC 9112, 9.3: no persistence without keep-alive", _closes(version="HTTP/1.0"), ONE),
    make_case(
        SUITE,
        "HTTP/1.0 with keep-alive",
        "RFC 9112, 9.3: may persist, if the answer says so",
        lambda mark: [post(mark, "connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")],
        Expected([[200]], [1]),
    ),
    _check("a stream to HTTP/1.0", "stream: true in HTTP/1.0", "no chunks; ends with the connection", _old_stream, OLD),
    _check("leaving a stream", "an endless stream, the socket closed", STOPPED, _left("endless", False), GONE),
    _check("leaving a slow model", "a slow model, the socket closed", STOPPED, _left("slow", False), GONE),
    _check(
        "leaving two, a stream first",
        "an endless stream, a request behind it, the socket closed",
        STOPPED,
        _left("endless", True),
        GONE,
    ),
    _check(
        "leaving two, a slow model first",
        "a slow model, a request behind it, the socket closed",
        STOPPED,
        _left("slow", True),
        GONE,
    ),
    _check(
        "half a body, then EOF",
        "a part of the body, then the write side closed",
        "closed or 400; nothing goes through",
        _half_body,
        "RFC 9112, 8: an incomplete request may be answered with an error before closing",
    ),
    record_case(
        SUITE,
        "half-closed after a request",
        HALF,
        "a whole request, then the write side closed",
        _half_closed(False, "gpt-conformance"),
    ),
    record_case(
        SUITE,
        "half-closed after a request to a slow model",
        HALF,
        "a whole request, then the write side closed",
        _half_closed(False, "slow"),
    ),
    record_case(
        SUITE,
        "half-closed after a request for a stream",
        HALF,
        "stream: true, then the write side closed",
        _half_closed(True, "gpt-conformance"),
    ),
)
