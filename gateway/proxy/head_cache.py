"""A head that a client writes again, byte for byte but for its body's length, is known without being parsed."""

import re
from typing import NamedTuple

from gateway.http.endpoints import Endpoint
from gateway.http.headers import RequestHead

MAX_LENGTH_DIGITS = 7
"""Of a body's length on this lane, at most."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,%d})(?=\r\n)" % MAX_LENGTH_DIGITS, re.IGNORECASE)


class ParsedHead(NamedTuple):
    """A head that was acceptable, and for this lane. length_at: where its Content-Length stands among the headers."""

    operation: Endpoint
    headers: list[tuple[bytes, bytes]]
    length_at: int
    head: RequestHead
    keep_alive: bool


class HeadTemplate(NamedTuple):
    """How it is written: what stands before the digits of its length, and what after them. known: what it says."""

    before: bytes
    after: bytes
    known: ParsedHead

    def match_again(self, data: bytes) -> tuple[bytes, int] | None:
        """Where data begins with this head: the digits of its body's length, and where the body begins."""
        before = self.before
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + MAX_LENGTH_DIGITS + 1)
        if end < 0 or not data.startswith(self.after, end):
            return None
        digits = data[start:end]
        return (digits, end + len(self.after)) if digits.isdigit() else None


def head_template(data: bytes, known: ParsedHead) -> HeadTemplate | None:
    """How a head is written that data begins with. None where there is more in it than one request, or the length could
    stand elsewhere.
    """
    end = data.find(b"\r\n\r\n")
    found = list(_LENGTH.finditer(data, 0, end + 2))
    if end < 0 or len(found) != 1 or len(data) > end + 4 + int(found[0][1]):
        return None
    return HeadTemplate(data[: found[0].start(1)], data[found[0].end(1) : end + 4], known)
