"""Bodies by length and in chunks, whole and in small pieces: the upstream gets the same bytes."""

from collections.abc import Callable, Iterator, Sequence

from qa.conformance.checks import Check, expect_equal
from qa.conformance.http.cases import OK, Expected, Pause, Step, body, head, make_case, marker, post
from qa.conformance.http.connection import Connection
from qa.conformance.servers import Target

SUITE = "http framing"
CHUNKS = "RFC 9112, 7.1: a server must be able to take the chunked coding"
EXTENSION = "RFC 9112, 7.1.1: chunk extensions that are not known must be ignored"
TRAILER = "RFC 9112, 7.1.2 and RFC 9110, 6.5.1: trailers may be dropped, and must not be taken for headers"
BAD = "RFC 9112, 7.1 and 8: a chunk that is none makes the message incomplete: 400, then close"
WRITES = "RFC 9112, 2.2: a message is a sequence of bytes, however it is cut"
TE = "transfer-encoding: chunked"
BAD_CHUNK = Expected([[400]], [0], ends=True, or_just_close=True)


def pieces(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut the data into pieces of these sizes, cyclically."""
    place, turn = 0, 0
    while place < len(data):
        size = sizes[turn % len(sizes)]
        yield data[place : place + size]
        place, turn = place + size, turn + 1


def chunks(data: bytes, sizes: Sequence[int], extension: str = "", form: str = "x") -> bytes:
    """Encode the data as chunks, without the last chunk."""
    return b"".join(f"{len(piece):{form}}{extension}\r\n".encode() + piece + b"\r\n" for piece in pieces(data, sizes))


def _in_chunks(end: bytes, **how: str) -> Callable[[str], list[Step]]:
    return lambda mark: [head(TE) + chunks(body(mark), (1, 7, 64, 3), **how) + end]


def _bad(data: bytes) -> Callable[[str], list[Step]]:
    """Chunks, then an invalid one."""
    return lambda mark: [head(TE) + chunks(body(mark), (50,)) + data]


def _crumbs(mark: str) -> list[Step]:
    return [step for byte in post(mark) for step in (bytes([byte]), Pause(0.001))]


def _crumbs_of_chunks(mark: str) -> list[Step]:
    data = head(TE) + chunks(body(mark), (5,)) + b"0\r\n\r\n"
    return [step for byte in data for step in (bytes([byte]), Pause(0.0005))]


def _large(mark: str) -> list[Step]:
    return [post(mark, text="x" * 1_900_000)]


def _as_sent(name: str, write: Callable[[bytes], bytes]) -> Check:
    """Compare the upstream's body with the client's, apart from `model`, which the gateway replaces."""
    mark = marker(SUITE, name)
    data = body(mark, big=10**30, text='half a pair \ud83d, "quotes", and 😀')

    def run(target: Target) -> str:
        with Connection(target.port) as connection:
            connection.send(write(data))
            expect_equal(connection.read_response().status, 200, "status")
        (exchange,) = target.exchanges(mark)
        expected = b"{" + data[1:-1].replace(b'": ', b'":').replace(b', "', b',"') + b"}"
        observed = exchange.received.replace(b'": ', b'":').replace(b', "', b',"')
        expect_equal(observed, expected, "what the upstream received")
        expect_equal(
            exchange.headers.get("content-length"), str(len(exchange.received)), "Content-Length to the upstream"
        )
        expect_equal(exchange.headers.get("transfer-encoding"), None, "Transfer-Encoding to the upstream")
        return f"{len(exchange.received)} bytes, every member as it was"

    return Check(
        SUITE,
        name,
        "a body with a 30-digit number and half a surrogate pair",
        "the same at the upstream",
        run,
        "DESIGN: the client's body stays what it was",
    )


CHECKS = (
    _as_sent("body by length", lambda data: head(f"content-length: {len(data)}") + data),
    _as_sent("body in chunks", lambda data: head(TE) + chunks(data, (13, 1, 200)) + b"0\r\n\r\n"),
    make_case(SUITE, "chunks of odd sizes", CHUNKS, _in_chunks(b"0\r\n\r\n"), OK),
    make_case(SUITE, "sizes in upper case", CHUNKS, _in_chunks(b"0\r\n\r\n", form="X"), OK),
    make_case(SUITE, "sizes with leading zeros", CHUNKS, _in_chunks(b"000\r\n\r\n", form="08x"), OK),
    make_case(
        SUITE,
        "coding's name in capitals",
        "RFC 9112, 7: names of codings are case-insensitive",
        lambda mark: [head("Transfer-Encoding: CHUNKED") + chunks(body(mark), (9,)) + b"0\r\n\r\n"],
        OK,
    ),
    make_case(SUITE, "extensions", EXTENSION, _in_chunks(b"0;last\r\n\r\n", extension=";name=value"), OK),
    make_case(SUITE, "quoted extensions", EXTENSION, _in_chunks(b"0\r\n\r\n", extension=';name="a;b"'), OK),
    make_case(SUITE, "trailers", TRAILER, _in_chunks(b"0\r\nx-checksum: abc\r\n\r\n"), OK),
    make_case(SUITE, "a chunk size that is none", BAD, _bad(b"zz\r\nab\r\n0\r\n\r\n"), BAD_CHUNK),
    make_case(SUITE, "a negative chunk size", BAD, _bad(b"-1\r\nab\r\n0\r\n\r\n"), BAD_CHUNK),
    make_case(SUITE, "a chunk size with 0x", BAD, _bad(b"0x2\r\nab\r\n0\r\n\r\n"), BAD_CHUNK),
    make_case(SUITE, "a chunk size beyond 64 bits", BAD, _bad(b"fffffffffffffffff\r\nab\r\n0\r\n\r\n"), BAD_CHUNK),
    make_case(SUITE, "a chunk size with a space before it", BAD, _bad(b" 2\r\nab\r\n0\r\n\r\n"), BAD_CHUNK),
    make_case(SUITE, "a chunk longer than it says", BAD, _bad(b"1\r\nabc\r\n0\r\n\r\n"), BAD_CHUNK),
    make_case(SUITE, "a chunk that ends in LF", BAD, _bad(b"2\r\nab\n0\r\n\r\n"), BAD_CHUNK),
    make_case(SUITE, "a chunk size that ends in LF", BAD, _bad(b"2\nab\r\n0\r\n\r\n"), BAD_CHUNK),
    make_case(
        SUITE,
        "an extension with a bare LF",
        BAD + " (the two parsers of CVE-2025-22871 differ here)",
        _bad(b"2;a\nxx\r\n0\r\n\r\n"),
        BAD_CHUNK,
    ),
    make_case(SUITE, "one byte at a time", WRITES, _crumbs, OK),
    make_case(SUITE, "chunks, one byte at a time", WRITES, _crumbs_of_chunks, OK),
    make_case(SUITE, "1.9 MB in one write", WRITES, _large, OK),
    make_case(
        SUITE,
        "empty lines before the request",
        "RFC 9112, 2.2: a server should ignore at least one",
        lambda mark: [b"\r\n\r\n" + post(mark)],
        OK,
    ),
    make_case(
        SUITE,
        "no length, no chunks",
        "RFC 9112, 6.3: then the body is empty; 411 would do too",
        lambda mark: [head()],
        Expected([[400, 411]], [0], ends=None, envelope=True),
    ),
    make_case(
        SUITE,
        "an empty body",
        "DESIGN: errors in OpenAI's envelope",
        lambda mark: [head("content-length: 0")],
        Expected([[400]], [0], ends=False, envelope=True),
    ),
)
