"""Chunks of a body (RFC 9112, 7.1) that come whole: recognised by their length, without reading their size."""

from collections.abc import Mapping

MAX_LENGTHS = 4096
"""Lengths whose size line is remembered: backends choose them."""

SIZE_DIGITS = 8
LINE_END = b"\r\n"


class SizeLines(dict[int, bytes | tuple[()]]):
    """Length of a whole chunk, framing included -> its size line, as servers write it: `2b` CR LF.

    n + len(hex(n)) grows with n, so a length has one such line at most. Other spellings (upper case, leading zeros,
    extensions) are for the parser. Where there is none, the value is (), with which no bytes start.
    """

    def __missing__(self, length: int) -> bytes | tuple[()]:
        line = _size_line(length)
        if len(self) < MAX_LENGTHS:
            self[length] = line
        return line


SIZE_LINES: Mapping[int, bytes | tuple[()]] = SizeLines()


def chunk_payload(chunk: bytes) -> bytes:
    """Return what a whole chunk holds. chunk: with its size line and the CR LF behind it."""
    return chunk[chunk.index(LINE_END) + 2 : -2]


def _size_line(length: int) -> bytes | tuple[()]:
    for digits in range(1, SIZE_DIGITS + 1):
        size = length - digits - 2 * len(LINE_END)
        # Not the last chunk, which has no payload.
        if size > 0 and len(line := b"%x\r\n" % size) == digits + len(LINE_END):
            return line
    return ()
