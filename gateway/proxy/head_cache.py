"""Cache of one request head: a client that sends it again, but for its body's length, spares the parser.

SDKs send the same head with every request of a connection (RFC 9112, 9.3); to parse it costs more than to route it.
"""

from typing import NamedTuple

from gateway.http.endpoints import Endpoint
from gateway.http.head_pattern import HeadPattern, find_pattern
from gateway.http.headers import RequestHead


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
    """A head as bytes, and the same parsed."""

    pattern: HeadPattern
    known: ParsedHead


def head_template(data: bytes, known: ParsedHead) -> HeadTemplate | None:
    """Return the template of the head that data begins with; None where `find_pattern` returns none."""
    pattern = find_pattern(data)
    return None if pattern is None else HeadTemplate(pattern, known)
