"""What two parsers in a row could read differently: refused, the connection closed, nothing hidden goes through."""

from collections.abc import Callable, Sequence

from qa.conformance.http.cases import Step, Wanted, body, case, head, post

SUITE = "http smuggling"
BOTH = "RFC 9112, 6.1 and 11.2: Content-Length beside Transfer-Encoding ought to be an error, and ends the connection"
LENGTH = "RFC 9112, 6.3: an invalid Content-Length is an unrecoverable error: 400, then close"
CODING = (
    "RFC 9112, 6.1 and 6.3: chunked must be the final coding, else the length is not known: 400 (or 501), then close"
)
FIELD = "RFC 9112, 5.1: whitespace between a field's name and its colon must be refused with 400"
FOLD = "RFC 9112, 5.2: a line fold must be refused with 400, or replaced by spaces"
NEWLINE = "RFC 9112, 2.2: a recipient may take a bare LF, but no peer must read another message out of it"
NAME = "RFC 9110, 5.1 and 5.5: no CR, LF or NUL in a value, only token characters in a name"

Write = Callable[[str], Sequence[Step]]
UNKNOWN = Wanted([[400, 501]], [0], ends=True)


def chunked(mark: str) -> bytes:
    """The marker's body in one chunk."""
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
    """A sound request with one line that is not."""
    return lambda mark: [post(mark, line) + post(mark)]


def _bare_lf(mark: str) -> list[Step]:
    return [post(mark).replace(b"\r\n", b"\n")]


def _bare_lf_at_end(mark: str) -> list[Step]:
    return [post(mark).replace(b"\r\n\r\n", b"\n\n")]


def _bare_cr(mark: str) -> list[Step]:
    return [post(mark, "x-a: b\rx-c: d")]


CHECKS = (
    case(SUITE, "CL and TE", BOTH, _hiding("content-length: 5", "transfer-encoding: chunked")),
    case(SUITE, "TE and CL", BOTH, _hiding("transfer-encoding: chunked", "content-length: 5")),
    case(SUITE, "CL and TE of another case", BOTH, _hiding("Content-Length: 5", "TRANSFER-ENCODING: Chunked")),
    case(SUITE, "CL differs twice", LENGTH, lambda mark: [head("content-length: 3", "content-length: 5") + b"{}{}{}"]),
    case(
        SUITE,
        "CL twice the same",
        LENGTH + "; or one of them used",
        lambda mark: [head(f"content-length: {len(body(mark))}", f"content-length: {len(body(mark))}") + body(mark)],
        Wanted([[200, 400]], [0, 1]),
    ),
    case(SUITE, "CL list that differs", LENGTH, _sized(" 3, 5")),
    case(
        SUITE,
        "CL list that is the same",
        LENGTH + "; or one of them used",
        _sized(" N, N"),
        Wanted([[400]], [0], ends=True),
    ),
    case(SUITE, "CL negative", LENGTH, _sized(" -1")),
    case(SUITE, "CL with a plus", LENGTH, _sized(" +N")),
    case(SUITE, "CL empty", LENGTH, _sized("")),
    case(SUITE, "CL with a space inside", LENGTH, _sized(" 1 0")),
    case(SUITE, "CL in hex", LENGTH, _sized(" 0x10")),
    case(SUITE, "CL with an underscore", LENGTH, _sized(" 1_0")),
    case(SUITE, "CL beyond 64 bits", LENGTH, _sized(" 99999999999999999999")),
    case(SUITE, "CL that wraps around", LENGTH, _sized(" 18446744073709551621")),
    case(SUITE, "CL with a decimal point", LENGTH, _sized(" 10.0")),
    case(SUITE, "CL with text", LENGTH, _sized(" 10a")),
    case(SUITE, "TE xchunked", CODING, _coded("transfer-encoding: xchunked"), UNKNOWN),
    case(SUITE, "TE chunked, identity", CODING, _coded("transfer-encoding: chunked, identity"), UNKNOWN),
    case(SUITE, "TE identity", CODING, _coded("transfer-encoding: identity"), UNKNOWN),
    case(SUITE, "TE gzip", CODING, _coded("transfer-encoding: gzip"), UNKNOWN),
    case(
        SUITE,
        "TE gzip, chunked",
        CODING + "; 501 for a coding that is not known",
        _coded("transfer-encoding: gzip, chunked"),
        UNKNOWN,
    ),
    case(
        SUITE, "TE chunked twice", CODING, _coded("transfer-encoding: chunked", "transfer-encoding: chunked"), UNKNOWN
    ),
    case(SUITE, "TE chunked, chunked", CODING, _coded("transfer-encoding: chunked, chunked"), UNKNOWN),
    case(
        SUITE,
        "TE chunked then identity line",
        CODING,
        _coded("transfer-encoding: chunked", "transfer-encoding: identity"),
        UNKNOWN,
    ),
    case(SUITE, "TE with a vertical tab", CODING, _coded("transfer-encoding: \x0bchunked"), UNKNOWN),
    case(SUITE, "TE quoted", CODING, _coded('transfer-encoding: "chunked"'), UNKNOWN),
    case(SUITE, "TE with a parameter", CODING, _coded("transfer-encoding: chunked;a=b"), UNKNOWN),
    case(SUITE, "TE empty beside CL", BOTH, _hiding("content-length: 5", "transfer-encoding:")),
    case(
        SUITE,
        "TE chunked in HTTP/1.0",
        "RFC 9112, 6.1: faulty framing; processed, the connection must be closed after it",
        lambda mark: [head("transfer-encoding: chunked", version="HTTP/1.0") + chunked(mark) + post(mark)],
        Wanted([[200, 400]], [0, 1], ends=True),
    ),
    case(SUITE, "space before the colon", FIELD, _line("x-a : b")),
    case(SUITE, "TE with a space before the colon", FIELD, _hiding("content-length: 5", "transfer-encoding : chunked")),
    case(SUITE, "CL with a tab before the colon", FIELD, _hiding("content-length\t: 5")),
    case(SUITE, "folded line", FOLD, _line("x-a: b\r\n c")),
    case(SUITE, "folded TE", FOLD, _hiding("content-length: 5", "transfer-encoding:\r\n chunked")),
    case(
        SUITE,
        "space before the first field",
        "RFC 9112, 2.2: refused, or the line ignored",
        lambda mark: [post(mark).replace(b"\r\nhost", b"\r\n host", 1)],
    ),
    case(SUITE, "bare LF everywhere", NEWLINE, _bare_lf, Wanted([[200, 400]], [0, 1])),
    case(SUITE, "bare LF ends the head", NEWLINE, _bare_lf_at_end, Wanted([[200, 400]], [0, 1])),
    case(SUITE, "bare CR in a value", "RFC 9112, 2.2: a bare CR is an error, or replaced by a space", _bare_cr),
    case(SUITE, "NUL in a value", NAME, _line("x-a: b\0c")),
    case(SUITE, "NUL in a name", NAME, _line("x\0a: b")),
    case(SUITE, "no colon", NAME, _line("x-a b")),
    case(SUITE, "empty name", NAME, _line(": b")),
    case(SUITE, "name in brackets", NAME, _line("x[a]: b")),
    case(SUITE, "name beyond ASCII", NAME, _line("x\xe4: b")),
)
