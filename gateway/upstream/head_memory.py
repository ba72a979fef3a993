"""The head of a backend's last response: many servers send the same one again, but for the body's length."""

from collections.abc import Sequence

from gateway.http.head_pattern import HeadPattern, find_pattern
from gateway.http.headers import Headers
from gateway.upstream.decoding import COMMON_CONNECTION

LENGTH, CONNECTION = b"content-length", b"connection"
STATUS_LINE = b"HTTP/1.1 200 "
MAX_MISSES = 8
"""Heads that differed one after the other before no more are learnt: they have an ID of their own each. A date changes
once a second."""


class HeadMemory:
    """The last head of one connection that the parser has accepted."""

    __slots__ = ("_headers", "_length_at", "_misses", "_pattern")

    def __init__(self) -> None:
        self._pattern: HeadPattern | None = None
        self._headers: Sequence[tuple[bytes, bytes]] = ()
        self._length_at = self._misses = 0

    def match_response(self, data: bytes) -> tuple[Headers, bytes] | None:
        """Return head and body of a whole response with status 200 that begins as the last one did; else None."""
        if self._pattern is None or (found := self._pattern.match_head(data)) is None:
            return None
        length, start = found
        if len(data) - start != length or not length:
            return None
        self._misses = 0
        headers = list(self._headers)
        headers[self._length_at] = LENGTH, str(length).encode()
        return headers, data[start:]

    def learn_response(self, data: bytes, headers: Headers) -> None:
        """Learn a head. data: a whole response that the parser has accepted, on a connection that stays open.

        headers: of it, names in lower case.
        """
        if self._misses == MAX_MISSES or not data.startswith(STATUS_LINE):
            return
        self._misses += 1
        places = [place for place, (name, _) in enumerate(headers) if name == LENGTH]
        if len(places) == 1 and all(map(_is_plain, headers)):
            self._pattern, self._headers, self._length_at = find_pattern(data), headers, places[0]


def _is_plain(header: tuple[bytes, bytes]) -> bool:
    """Return whether a header leaves the body's end and form to its length."""
    name, value = header
    if name == CONNECTION:
        return value in COMMON_CONNECTION
    return name not in (b"transfer-encoding", b"content-encoding", b"upgrade", b"trailer")
