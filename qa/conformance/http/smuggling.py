"""Requests that two parsers could read differently: rejected, the connection closed, no hidden request forwarded."""

from collections.abc import Callable, Sequence

from qa.conformance.http.cases import Expected, Step, body, head, make_case, post

SUITE = "http smuggling"
BOTH = "RFC 9112, 6.1 and 11.2: Content-Length with Transfer-Encoding ought to be an error, and ends the connection"
LENGTH = "RFC 9112, 6.3: an invalid Content-Length is an unrecoverable error: 400, then close"
CODING = (
    "RFC 9112, 6.1 and 6.3: chunked must be the final coding, else the length is not known: 400 (or 501), then close"
)
FIELD = "RFC 9112, 5.1: whitespace between a field's name and its colon must be refused with 400"
FOLD = "RFC 9112, 5.2: a line fold must be refused with 400, or replaced by spaces"
NEWLINE = "RFC 9112, 2.2: a recipient may take a bare LF, but no peer must read another message out of it"
NAME = "RFC 9110, 5.1 and 5.5: no CR, LF or NUL in a value, only token characters in a name"

Write = Callable[[str], Sequence[Step]]
UNKNOWN = Expected([[400, 501]], [0], ends=True)


def chunked(mark: str) -> bytes:
    """Return the marker's body in one chunk."""
    data = body(mark)
    return f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n\r\n"


def _hiding(*lines: str) -> Write:
    """A short body by Content-Length, a hidden request behind it."""
    return lambda mark: [head(*lines) + b"0\r\n\r\n" + post(mark)]


def _sized(value: str) -> Write:
    """A body with this Content-Length, and a second request behind it."""
    return lambda mark: [head(f"content-length:{value.replace('N', str(len(body(mark))))}") + body(mark) + post(mark)]


def _coded(*lines: str) -> Write:
    return lambda mark: [head(*lines) + chunked(mark) + post(mark)]


def _line(line: str) -> Write:
    """A valid request with one malformed line."""
    return lambda mark: [post(mark, line) + post(mark)]


def _bare_lf(mark: str) -> list[Step]:
    return [post(mark).replace(b"\r\n", b"\n")]


def _bare_lf_at_end(mark: str) -> list[Step]:
    return [post(mark).replace(b"\r\n\r\n", b"\n\n")]


def _bare_cr(mark: str) -> list[Step]:
    return [post(mark, "x-a: b\rx-c: d")]


CHECKS = (
    make_case(SUITE, "CL and TE", BOTH, _hiding("content-length: 5", "transfer-encoding: chunked")),
    make_case(SUITE, "TE and CL", BOTH, _hiding("transfer-encoding: chunked", "content-length: 5")),
    make_case(SUITE, "CL and TE of another case", BOTH, _hiding("Content-Length: 5", "TRANSFER-ENCODING: Chunked")),
    make_case(
        SUITE, "CL differs twice", LENGTH, lambda mark: [head("content-length: 3", "content-length: 5") + b"{}{}{}"]
    ),
    make_case(
        SUITE,
        "CL twice the same",
        LENGTH + "; or one of them used",
        lambda mark: [head(f"content-length: {len(body(mark))}", f"content-length: {len(body(mark))}") + body(mark)],
        Expected([[200, 400]], [0, 1]),
    ),
    make_case(SUITE, "CL list that differs", LENGTH, _sized(" 3, 5")),
    make_case(
        SUITE,
        "CL list that is the same",
        LENGTH + "; or one of them used",
        _sized(" N, N"),
        Expected([[400]], [0], ends=True),
    ),
    make_case(SUITE, "CL negative", LENGTH, _sized(" -1")),
    make_case(SUITE, "CL with a plus", LENGTH, _sized(" +N")),
    make_case(SUITE, "CL empty", LENGTH, _sized("")),
    make_case(SUITE, "CL with a space inside", LENGTH, _sized(" 1 0")),
    make_case(SUITE, "CL in hex", LENGTH, _sized(" 0x10")),
    make_case(SUITE, "CL with an underscore", LENGTH, _sized(" 1_0")),
    make_case(SUITE, "CL beyond 64 bits", LENGTH, _sized(" 99999999999999999999")),
    make_case(SUITE, "CL that wraps around", LENGTH, _sized(" 18446744073709551621")),
    make_case(SUITE, "CL with a decimal point", LENGTH, _sized(" 10.0")),
    make_case(SUITE, "CL with text", LENGTH, _sized(" 10a")),
    make_case(SUITE, "TE xchunked", CODING, _coded("transfer-encoding: xchunked"), UNKNOWN),
    make_case(SUITE, "TE chunked, identity", CODING, _coded("transfer-encoding: chunked, identity"), UNKNOWN),
    make_case(SUITE, "TE identity", CODING, _coded("transfer-encoding: identity"), UNKNOWN),
    make_case(SUITE, "TE gzip", CODING, _coded("transfer-encoding: gzip"), UNKNOWN),
    make_case(
        SUITE,
        "TE gzip, chunked",
        CODING + "; 501 for a coding that is not known",
        _coded("transfer-encoding: gzip, chunked"),
        UNKNOWN,
    ),
    make_case(
        SUITE, "TE chunked twice", CODING, _coded("transfer-encoding: chunked", "transfer-encoding: chunked"), UNKNOWN
    ),
    make_case(SUITE, "TE chunked, chunked", CODING, _coded("transfer-encoding: chunked, chunked"), UNKNOWN),
    make_case(
        SUITE,
        "TE chunked then identity line",
        CODING,
        _coded("transfer-encoding: chunked", "transfer-encoding: identity"),
        UNKNOWN,
    ),
    make_case(SUITE, "TE with a vertical tab", CODING, _coded("transfer-encoding: \x0bchunked"), UNKNOWN),
    make_case(SUITE, "TE quoted", CODING, _coded('transfer-encoding: "chunked"'), UNKNOWN),
    make_case(SUITE, "TE with a parameter", CODING, _coded("transfer-encoding: chunked;a=b"), UNKNOWN),
    make_case(SUITE, "TE empty with CL", BOTH, _hiding("content-length: 5", "transfer-encoding:")),
    make_case(
        SUITE,
        "TE chunked in HTTP/1.0",
        "RFC 9112, 6.1: faulty framing; processed, the connection must be closed after it",
        lambda mark: [head("transfer-encoding: chunked", version="HTTP/1.0") + chunked(mark) + post(mark)],
        Expected([[200, 400]], [0, 1], ends=True),
    ),
    make_case(SUITE, "space before the colon", FIELD, _line("x-a : b")),
    make_case(
        SUITE, "TE with a space before the colon", FIELD, _hiding("content-length: 5", "transfer-encoding : chunked")
    ),
    make_case(SUITE, "CL with a tab before the colon", FIELD, _hiding("content-length\t: 5")),
    make_case(SUITE, "folded line", FOLD, _line("x-a: b\r\n c")),
    make_case(SUITE, "folded TE", FOLD, _hiding("content-length: 5", "transfer-encoding:\r\n chunked")),
    make_case(
        SUITE,
        "space before the first field",
        "RFC 9112, 2.2: refused, or the line ignored",
        lambda mark: [post(mark).replace(b"\r\nhost", b"\r\n host", 1)],
    ),
    make_case(SUITE, "bare LF everywhere", NEWLINE, _bare_lf, Expected([[200, 400]], [0, 1])),
    make_case(SUITE, "bare LF ends the head", NEWLINE, _bare_lf_at_end, Expected([[200, 400]], [0, 1])),
    make_case(SUITE, "bare CR in a value", "RFC 9112, 2.2: a bare CR is an error, or replaced by a space", _bare_cr),
    make_case(SUITE, "NUL in a value", NAME, _line("x-a: b\0c")),
    make_case(SUITE, "NUL in a name", NAME, _line("x\0a: b")),
    make_case(SUITE, "no colon", NAME, _line("x-a b")),
    make_case(SUITE, "empty name", NAME, _line(": b")),
    make_case(SUITE, "name in brackets", NAME, _line("x[a]: b")),
    make_case(SUITE, "name beyond ASCII", NAME, _line("x\xe4: b")),
)
