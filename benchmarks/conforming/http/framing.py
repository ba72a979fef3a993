"""Where a message ends: RFC 9112, sections 6 and 7, and RFC 9110, 10.1.1."""

from benchmarks.conforming.checks import holds, same
from benchmarks.conforming.http.exchange import BODY, Got, chunked, exchange, request, statuses
from benchmarks.conforming.target import BODY_LIMIT, Target

SMUGGLED = request(BODY, b"x-task-id: smuggled")


def refused(got: Got) -> str:
    """Fails unless the gateway refused, closed the connection, and let nothing through."""
    holds(got.statuses in ([400], []), f"expected a refusal, got {got.statuses}")
    holds(got.closed, "the connection stayed open after a message whose end is unsure")
    same(got.reached, 0)
    return "400, closed" if got.statuses else "closed without an answer"


def plain(target: Target) -> None:
    """a request, and another on the same connection"""
    got = exchange(target, request(), request(), answers=2)
    same((got.statuses, got.closed), ([200, 200], False))


def pipelined(target: Target) -> None:
    """ten requests sent at once are answered in their order (9.3.2)"""
    got = exchange(target, b"".join(request(BODY, b"x-request-id: r%d" % n) for n in range(10)), answers=10)
    same([answer.headers.get("x-request-id") for answer in got.answers], [f"r{n}" for n in range(10)])


def pipelined_after_slow(target: Target) -> None:
    """a fast answer does not overtake a slow one before it (9.3.2)"""
    slow = request(BODY.replace(b'"chat"', b'"slow"'), b"x-request-id: first")
    got = exchange(target, slow + request(BODY, b"x-request-id: second"), answers=2)
    same([answer.headers.get("x-request-id") for answer in got.answers], ["first", "second"])


def in_chunks(target: Target) -> None:
    """a body in chunks of one byte (7.1)"""
    body = chunked(*(BODY[place : place + 1] for place in range(len(BODY))))
    statuses(exchange(target, request(body, b"transfer-encoding: chunked", length=False)), [200])
    same(target.seen.last()["messages"][0]["content"], "hi")


def extensions(target: Target) -> None:
    """chunk extensions and trailers are read past (7.1.1, 7.1.2)"""
    body = chunked(BODY[:7], BODY[7:], extension=b";a=b", trailers=b"x-trailer: y\r\n")
    statuses(exchange(target, request(body, b"transfer-encoding: chunked", length=False)), [200])


def bad_chunk(target: Target) -> str:
    """a chunk size that is no number is refused (7.1)"""
    return refused(exchange(target, request(b"zz\r\n{}\r\n0\r\n\r\n", b"transfer-encoding: chunked", length=False)))


def huge_chunk(target: Target) -> str:
    """a chunk size beyond any number is refused (7.1)"""
    size = b"f" * 40
    return refused(exchange(target, request(size + b"\r\n{}", b"transfer-encoding: chunked", length=False)))


def both_lengths(target: Target) -> str:
    """Content-Length beside Transfer-Encoding is refused (6.3)"""
    head = request(chunked(BODY) + SMUGGLED, b"transfer-encoding: chunked", b"content-length: 5", length=False)
    return refused(exchange(target, head))


def both_lengths_swapped(target: Target) -> str:
    """the same the other way round"""
    head = request(chunked(BODY) + SMUGGLED, b"content-length: 5", b"transfer-encoding: chunked", length=False)
    return refused(exchange(target, head))


def two_lengths(target: Target) -> str:
    """two lengths that differ are refused (6.3)"""
    return refused(exchange(target, request(BODY + SMUGGLED, b"content-length: 3")))


def listed_lengths(target: Target) -> str:
    """a list of lengths that differ is refused (6.3)"""
    return refused(exchange(target, request(BODY, b"content-length: 3, 4", length=False)))


def signed_length(target: Target) -> str:
    """a length with a sign is refused (RFC 9110, 8.6)"""
    return refused(exchange(target, request(BODY, b"content-length: +" + str(len(BODY)).encode(), length=False)))


def negative_length(target: Target) -> str:
    """a negative length is refused (RFC 9110, 8.6)"""
    return refused(exchange(target, request(BODY, b"content-length: -1", length=False)))


def spaced_length(target: Target) -> str:
    """a length in two pieces is refused (RFC 9110, 8.6)"""
    return refused(exchange(target, request(BODY, b"content-length: 1 0", length=False)))


def long_length(target: Target) -> str:
    """a length beyond any number is refused (RFC 9110, 8.6)"""
    return refused(exchange(target, request(BODY, b"content-length: " + b"9" * 40, length=False)))


def unknown_coding(target: Target) -> str:
    """a transfer coding that is not known is refused (6.1)"""
    got = exchange(target, request(chunked(BODY), b"transfer-encoding: xchunked", length=False))
    holds(got.statuses in ([400], [501], []) and got.closed, f"{got.statuses}, closed: {got.closed}")
    same(got.reached, 0)
    return f"{got.statuses}, closed"


def chunked_not_last(target: Target) -> str:
    """chunked that is not the last coding is refused (6.3)"""
    return refused(exchange(target, request(chunked(BODY), b"transfer-encoding: chunked, identity", length=False)))


def chunked_in_http10(target: Target) -> str:
    """a chunked body in HTTP/1.0 is not smuggled past (6.1)"""
    line = b"POST /v1/chat/completions HTTP/1.0"
    sent = request(chunked(BODY) + SMUGGLED, b"transfer-encoding: chunked", line=line, length=False)
    got = exchange(target, sent)
    holds(got.closed and got.reached <= 1, f"{got.statuses}, closed: {got.closed}, reached: {got.reached}")
    return f"{got.statuses}, closed"


def expects(target: Target) -> None:
    """Expect: 100-continue is answered before the body is sent (RFC 9110, 10.1.1)"""
    head, _, body = request(BODY, b"expect: 100-continue").partition(b"\r\n\r\n")
    got = exchange(target, head + b"\r\n\r\n", body, pause_s=0.2)
    statuses(got, [100, 200])


def too_large(target: Target) -> None:
    """a body announced too large is refused before it is sent: 413"""
    statuses(exchange(target, request(b"", b"content-length: %d" % (BODY_LIMIT + 1), length=False)), [413])


def too_large_in_chunks(target: Target) -> None:
    """a body that grows too large is refused on its way: 413"""
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    got = exchange(target, request(b"", b"transfer-encoding: chunked", length=False), *([piece] * 9))
    statuses(got, [413])


def compressed(target: Target) -> None:
    """a compressed body is refused and never unpacked"""
    statuses(exchange(target, request(b"\x1f\x8b" + b"\0" * 100, b"content-encoding: gzip")), [400], [415])


def cut_short(target: Target) -> None:
    """a body that ends before its length reaches no backend (8)"""
    got = exchange(target, request(BODY[:9], b"content-length: 100", length=False), half_close=True)
    same((got.statuses, got.closed, got.reached), ([], True, 0))


CHECKS = (
    plain,
    pipelined,
    pipelined_after_slow,
    in_chunks,
    extensions,
    bad_chunk,
    huge_chunk,
    both_lengths,
    both_lengths_swapped,
    two_lengths,
    listed_lengths,
    signed_length,
    negative_length,
    spaced_length,
    long_length,
    unknown_coding,
    chunked_not_last,
    chunked_in_http10,
    expects,
    too_large,
    too_large_in_chunks,
    compressed,
    cut_short,
)
