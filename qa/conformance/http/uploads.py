"""100-continue, content codings, hostile JSON, misleading trailers."""

import gzip
import zlib
from collections.abc import Callable

from qa.conformance.checks import Check, expect_equal, expect_true
from qa.conformance.http.cases import MODEL, OK, Expected, Step, body, head, make_case, marker, post
from qa.conformance.http.connection import Connection, Response
from qa.conformance.servers import MAX_BODY_BYTES, Target

SUITE = "http uploads"
EXPECT = "RFC 9110, 10.1.1: 100 before the body is sent, or a final answer in its place"
CODED = "RFC 9110, 8.4 and 15.5.16: 415 for a coding that is not taken; unpacked up to the limit, so no bomb goes off"
JSON = "DESIGN: what the gateway cannot read is refused with 400 in OpenAI's envelope"
TRAILER = "RFC 9110, 6.5.1: a trailer must not be taken for a header"
CONTINUE = "expect: 100-continue"

BAD = Expected([[400]], [0], ends=False, envelope=True)
NOT_TAKEN = Expected([[415]], [0], envelope=True)
TOO_LARGE = Expected([[413]], [0], envelope=True)
DEEP = 100_000


def _continue(version: str = "HTTP/1.1", expect: str = CONTINUE) -> Callable[[Target], str]:
    """Send the head, and the body after the 100."""

    def run(target: Target) -> str:
        data = body(marker(SUITE, f"continue {version} {expect}"), text="x" * 1_000_000)
        with Connection(target.port) as connection:
            connection.send(head(f"content-length: {len(data)}", expect, version=version))
            expect_equal(connection.read_interim(), 100, "the interim answer")
            connection.send(data)
            expect_equal(connection.read_response().status, 200, "status")
            connection.send(post(marker(SUITE, "behind")))
            expect_equal(connection.read_response().status, 200, "status of another request")
        return "100, then 200 to 1 MB; the connection is usable"

    return run


def _at_once(target: Target) -> str:
    """Send the body without waiting."""
    with Connection(target.port) as connection:
        connection.send(post(marker(SUITE, "at once"), CONTINUE))
        response = connection.read_response()
    expect_equal(response.status, 200, "status")
    expect_true(set(response.interim) <= {100}, f"interim answers: {response.interim}")
    return f"200 after {list(response.interim) or 'no interim answer'}"


def _old(target: Target) -> str:
    """HTTP/1.0 has no interim responses."""
    with Connection(target.port) as connection:
        connection.send(post(marker(SUITE, "old"), CONTINUE).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        response = connection.read_response()
    expect_equal((response.interim, response.status), ((), 200), "interim answers and status")
    return "200 alone"


def _refused(status: int, *lines: str) -> Callable[[Target], str]:
    """A rejection comes without 100; a body sent nevertheless is not parsed as a request."""

    def run(target: Target) -> str:
        mark = marker(SUITE, f"refused {status}")
        hidden = post(mark)
        with Connection(target.port) as connection:
            asked = head(CONTINUE, *(lines or (f"content-length: {len(hidden)}",)))
            connection.send(asked.replace(b"Bearer sk", b"Bearer no") if status == 401 else asked)
            response = connection.read_response()
            expect_equal((response.interim, response.status), ((), status), "interim answers and status")
            after = _after(connection, response, hidden, status)
        expect_equal(len(target.exchanges(mark)), 0, "requests at the upstream")
        return f"{status} without 100; {after}"

    return run


def _after(connection: Connection, response: Response, hidden: bytes, status: int) -> str:
    """The connection is closed, or the promised body skipped."""
    if (response.header("connection") or "").lower() == "close":
        expect_true(connection.is_closed_within(2), "it says close, and stays open")
        return "closed"
    if status == 413:  # too much to send it here; "the rest of a large body" does
        return "open"
    connection.send(hidden + head(method="GET", target="/v1/models"))
    expect_equal(connection.read_response().status, 200, "status of the request behind the body")
    return "the body is read past"


def _trailer(target: Target) -> str:
    mark = marker(SUITE, "trailer")
    data = body(mark)
    with Connection(target.port) as connection:
        trailers = (
            b"x-task-id: smuggled\r\nx-request-id: smuggled\r\nx-session-id: s\r\nx-benchroute-total-s: 0.001\r\n"
        )
        connection.send(
            head("transfer-encoding: chunked", "trailer: x-task-id")
            + f"{len(data):x}\r\n".encode()
            + data
            + b"\r\n0\r\n"
            + trailers
            + b"\r\n"
        )
        response = connection.read_response()
    expect_equal(response.status, 200, "status")
    expect_equal(response.header("x-benchroute-task"), "default", "the task")
    return "the task is `default`"


def _coded(name: str, encode: Callable[[bytes], bytes] = gzip.compress) -> Callable[[str], list[Step]]:
    def write(mark: str) -> list[Step]:
        data = encode(body(mark))
        return [head(f"content-encoding: {name}", f"content-length: {len(data)}") + data]

    return write


def _bomb(mark: str) -> list[Step]:
    data = gzip.compress(b" " * 500 * MAX_BODY_BYTES)
    return [head("content-encoding: gzip", f"content-length: {len(data)}"), data]


def _given(text: str | bytes) -> Callable[[str], list[Step]]:
    """A body unchanged."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return lambda mark: [head("content-type: application/json", f"content-length: {len(data)}"), data]


def _json(name: str, text: str | bytes, expected: Expected = BAD) -> Check:
    return make_case(SUITE, f"JSON: {name}", JSON, _given(text), expected)


def _check(name: str, sent: str, expected: str, run: Callable[[Target], str], why: str = EXPECT) -> Check:
    return Check(SUITE, name, sent, expected, run, why)


HEAD = f'{{"model":"{MODEL}","messages":'
CHECKS = (
    _check("100-continue", "a head, 1 MB once 100 has come", "100, then 200", _continue()),
    _check(
        "100-Continue in capitals",
        "the same, Expect: 100-Continue",
        "100, then 200",
        _continue(expect="Expect: 100-Continue"),
    ),
    _check("100-continue, body at once", "head and body in one write", "200, with or without 100", _at_once),
    _check(
        "100-continue in HTTP/1.0", "the same in HTTP/1.0", "200 without 100: the expectation must be ignored", _old
    ),
    _check(
        "100-continue, wrong key",
        "a head with a wrong key",
        "401 without 100; no desync",
        _refused(401),
        EXPECT + "; RFC 9112, 9.3: then close, or read the body past",
    ),
    _check(
        "100-continue, too large",
        "a head that announces too much",
        "413 without 100",
        _refused(413, f"content-length: {MAX_BODY_BYTES + 1}"),
    ),
    make_case(
        SUITE,
        "another expectation",
        "RFC 9110, 10.1.1: 417 may be the answer",
        lambda mark: [post(mark, "expect: miracles")],
        Expected([[200, 417]], [0, 1]),
    ),
    _check(
        "trailers that pretend",
        "chunks, then X-Task-Id, X-Request-Id and more as trailers",
        "the task is `default`",
        _trailer,
        TRAILER,
    ),
    *(
        make_case(SUITE, f"a body in {name}", CODED, _coded(name, encode), OK)
        for name, encode in (("gzip", gzip.compress), ("deflate", zlib.compress))
    ),
    *(
        make_case(SUITE, f"a body in {name}", CODED, _coded(name), NOT_TAKEN)
        for name in ("br", "compress", "gzip, gzip")
    ),
    make_case(SUITE, "a body that is not in its coding", CODED, _coded("gzip", bytes), BAD),
    make_case(SUITE, "a gzip bomb", CODED, _bomb, TOO_LARGE),
    make_case(
        SUITE,
        "identity",
        "RFC 9110, 8.4.1: identity is no coding",
        lambda mark: [post(mark, "content-encoding: identity")],
        OK,
    ),
    _json("nested without end", HEAD + "[" * DEEP),
    _json("nested deeply", HEAD + "[" * DEEP + "]" * DEEP + "}"),
    _json("objects nested deeply", HEAD + '[{"a":' * DEEP + "1" + "}]" * DEEP + "}"),
    _json("no object", "[1, 2]"),
    _json("empty", " "),
    _json("cut", HEAD + '[{"role"'),
    _json("something behind it", HEAD + "[]} {}"),
    _json("a trailing comma", HEAD + "[],}"),
    _json("NaN", HEAD + '[{"role":"user","content":"hi"}],"temperature":NaN}'),
    _json("single quotes", HEAD.replace('"', "'") + "[]}"),
    _json("a byte order mark", "\ufeff" + HEAD + "[]}"),
    _json("UTF-16", (HEAD + "[]}").encode("utf-16")),
    _json("bytes that are no UTF-8", HEAD.encode() + b'[{"role":"user","content":"\xff\xfe"}]}'),
    _json("a half surrogate as bytes", HEAD + '[{"role":"user","content":"\ud83d"}]}'),
    _json("a control character in a string", HEAD + '[{"role":"user","content":"a\nb"}]}'),
    _json("model is no string", '{"model":7,"messages":[]}'),
    _json("model is missing", '{"messages":[]}'),
)
