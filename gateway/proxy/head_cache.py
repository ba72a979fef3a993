"""Cache of one request head: a client that sends it again, but for its body's length, spares the parser.

SDKs send the same head with every request of a connection (RFC 9112, 9.3); to parse it costs more than to route it.
"""

import re
from typing import NamedTuple

from gateway.http.endpoints import Endpoint
from gateway.http.headers import RequestHead

MAX_LENGTH_DIGITS = 7
"""Limit of the digits of a Content-Length; a longer one goes through the parser."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,%d})(?=\r\n)" % MAX_LENGTH_DIGITS, re.IGNORECASE)


class ParsedHead(NamedTuple):
    """A head that the parser and the strict checks have accepted.

    Attributes:
        length_at: Index of its Content-Length among the headers.
    """

    operation: Endpoint
    headers: list[tuple[bytes, bytes]]
    length_at: int
    head: RequestHead
    keep_alive: bool

    def is_repeated(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Return whether these headers are the same, but for the length."""
        place = self.length_at
        if len(headers) != len(self.headers):
            return False
        # One comparison of two lists, in C, in place of one for every header.
        length, headers[place] = headers[place], self.headers[place]
        is_same = headers == self.headers
        headers[place] = length
        return is_same and length[0] == self.headers[place][0]


class HeadTemplate(NamedTuple):
    """A head as bytes.

    Attributes:
        before: Everything before the digits of its length.
        after: Everything behind them, with the empty line.
        known: The same, parsed.
    """

    before: bytes
    after: bytes
    known: ParsedHead

    def match_again(self, data: bytes) -> tuple[bytes, int] | None:
        """Return the body's length as digits, and its start; None where data does not begin with this head."""
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
    """Return the template of the head that data begins with.

    None where data holds more than one request, or where more than one header could be the length: a second request
    must never be taken for a part of the first (request smuggling, RFC 9112, 11.2).
    """
    end = data.find(b"\r\n\r\n")
    found = list(_LENGTH.finditer(data, 0, end + 2))
    if end < 0 or len(found) != 1 or len(data) > end + 4 + int(found[0][1]):
        return None
    return HeadTemplate(data[: found[0].start(1)], data[found[0].end(1) : end + 4], known)
