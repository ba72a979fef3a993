"""A head as bytes, but for its body's length: one that comes again needs no parser (RFC 9112)."""

import re
from typing import NamedTuple

MAX_LENGTH_DIGITS = 7
"""Limit of the digits of a Content-Length; a longer one goes through the parser."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,%d})(?=\r\n)" % MAX_LENGTH_DIGITS, re.IGNORECASE)


class HeadPattern(NamedTuple):
    """A head that the parser has accepted.

    Attributes:
        before: Everything before the digits of its length.
        after: Everything behind them, with the empty line.
        digits: How many of them the head had.
    """

    before: bytes
    after: bytes
    digits: int

    def match_head(self, data: bytes) -> tuple[int, int] | None:
        """Return the body's length and its start; None where data does not begin with this head."""
        before, after, usual = self
        start = len(before)
        # Slices: to parse the arguments of startswith takes longer than to compare a head.
        if data[:start] != before:
            return None
        end = start + usual
        if data[end : end + len(after)] != after:
            end = data.find(b"\r", start, start + MAX_LENGTH_DIGITS + 1)
            if end < 0 or data[end : end + len(after)] != after:
                return None
        digits = data[start:end]
        return (int(digits), end + len(after)) if digits.isdigit() else None


def find_pattern(data: bytes) -> HeadPattern | None:
    """Return the pattern of the head that data begins with.

    None where data holds more than one message, or where more than one header could be the length: a second message
    must never be taken for a part of the first (request smuggling, RFC 9112, 11.2).
    """
    end = data.find(b"\r\n\r\n")
    found = list(_LENGTH.finditer(data, 0, end + 2))
    if end < 0 or len(found) != 1 or len(data) > end + 4 + int(found[0][1]):
        return None
    first, last = found[0].span(1)
    return HeadPattern(data[:first], data[last : end + 4], last - first)
