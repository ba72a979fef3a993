"""Chunks of a body (RFC 9112, 7.1) that come whole: one by its length, without reading its size, or several at once."""

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


def split_chunks(data: bytes) -> list[bytes] | None:
    """Return what each of several whole chunks holds; None for anything else, and for sizes not as in SIZE_LINES."""
    pieces, at = [], 0
    while at < len(data):
        end = data.find(LINE_END, at, at + SIZE_DIGITS + len(LINE_END))
        if end < 0:
            return None
        try:
            after = end + int(data[at:end], 16) + 2 * len(LINE_END)
        except ValueError:
            return None
        # The line of that length is the one that is there: int() also takes signs, spaces, `0x` and underscores.
        is_whole = after <= len(data) and data.startswith(LINE_END, after - 2)
        if not is_whole or not data.startswith(SIZE_LINES[after - at], at):
            return None
        pieces.append(data[end + 2 : after - 2])
        at = after
    return pieces or None


def _size_line(length: int) -> bytes | tuple[()]:
    for digits in range(1, SIZE_DIGITS + 1):
        size = length - digits - 2 * len(LINE_END)
        # Not the last chunk, which has no payload.
        if size > 0 and len(line := b"%x\r\n" % size) == digits + len(LINE_END):
            return line
    return ()
