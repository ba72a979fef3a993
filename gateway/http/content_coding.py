"""Content codings (RFC 9110, 8.4.1): decompression piece by piece, so that a few bytes never become many at once.

gzip and deflate (RFC 1952, 1950, 1951) come with Python, zstd (RFC 8878) with Python 3.14 or a library; br (RFC 7932)
needs the extra `encodings`.
"""

import zlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Protocol

PIECE_BYTES = 64 * 1024
"""Limit of what is decompressed at a time; brotli, which grows its buffer in steps, exceeds it by less than half."""

ZSTD_WINDOW_LOG = 23
"""A decoder need not take larger windows than 8 MB (RFC 9659, 3); a frame can ask for 2 GB of memory."""

ZSTD_MODULES = ("compression.zstd", "backports.zstd")
"""Python's own from 3.14 on, and the same for those before."""

GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
GZIP_MAGIC = b"\x1f\x8b"


class CodingError(Exception):
    """A body cannot be decompressed. str(): a few words of it, without its content."""


class Decompressor(Protocol):
    """A decompressor of one body."""

    def read_piece(self, data: bytes) -> bytes:
        """Take more of the body, and return a piece of what it says; b"" if more is needed.

        Call it with b"" until it returns b"", and only then with more of the body. Raises CodingError.
        """

    @property
    def is_complete(self) -> bool:
        """Return whether the body has come to its end."""


def new_decompressor(coding: str) -> Decompressor:
    """Return a decompressor for a coding's name in lower case.

    Raises CodingError for one that is unknown, or whose library is not installed.
    """
    made = CODINGS.get(coding)
    if made is None:
        raise CodingError(f"has the content-encoding {coding[:40]!r}, which is not supported")
    return made()


class _Zlib:
    """gzip, whose members may follow one another (RFC 1952, 2.2), and deflate, which many send without its wrapper."""

    def __init__(self, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._first = b""
        self._inner: Any = zlib.decompressobj(GZIP) if is_gzip else None

    @property
    def is_complete(self) -> bool:
        return self._inner is not None and self._inner.eof

    def read_piece(self, data: bytes) -> bytes:
        if self._inner is None:
            self._first += data
            if len(self._first) < 2:
                return b""
            self._inner, data = zlib.decompressobj(deflate_form(self._first)), self._first
        try:
            data = self._inner.unconsumed_tail + data
            if self._inner.eof:
                data = self._next_member(self._inner.unused_data + data)
            return bytes(self._inner.decompress(data, PIECE_BYTES))
        except zlib.error as error:
            raise CodingError("is not valid gzip" if self._is_gzip else "is not valid deflate") from error

    def _next_member(self, data: bytes) -> bytes:
        # Zeros are padding, as gzip itself takes them.
        if not data.strip(b"\0"):
            return b""
        if not self._is_gzip or not GZIP_MAGIC.startswith(data[:2]):
            raise CodingError("goes on behind its compressed data")
        self._inner = zlib.decompressobj(GZIP)
        return data


def deflate_form(first: bytes) -> int:
    """Return the window bits for a body by its first two bytes (RFC 1950, 2.2)."""
    is_wrapped = first[0] & 0x0F == zlib.DEFLATED and (first[0] * 256 + first[1]) % 31 == 0
    return ZLIB if is_wrapped else RAW


class _Brotli:
    def __init__(self) -> None:
        self._library = _import("br", "brotli")
        self._inner = self._library.Decompressor()

    @property
    def is_complete(self) -> bool:
        return bool(self._inner.is_finished())

    def read_piece(self, data: bytes) -> bytes:
        try:
            return bytes(self._inner.process(data, output_buffer_limit=PIECE_BYTES))
        except self._library.error as error:
            raise CodingError("is not valid br") from error


class _Zstd:
    """zstd, whose frames may follow one another (RFC 8878, 3)."""

    def __init__(self) -> None:
        self._library = _import("zstd", *ZSTD_MODULES)
        self._inner = self._new()

    def _new(self) -> Any:
        limit = self._library.DecompressionParameter.window_log_max
        return self._library.ZstdDecompressor(options={limit: ZSTD_WINDOW_LOG})

    @property
    def is_complete(self) -> bool:
        return bool(self._inner.eof)

    def read_piece(self, data: bytes) -> bytes:
        if self._inner.eof:
            data = self._inner.unused_data + data
            if not data:
                return b""
            self._inner = self._new()
        try:
            return bytes(self._inner.decompress(data, PIECE_BYTES))
        except self._library.ZstdError as error:
            raise CodingError("is not valid zstd, or needs a window of more than 8 MB") from error


def _import(coding: str, *names: str) -> ModuleType:
    """Return the first module that is there: Python's own where it has one. Raises CodingError."""
    import importlib

    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise CodingError(f"has the content-encoding {coding}: pip install 'benchroute[encodings]'")


CODINGS: Mapping[str, Callable[[], Decompressor]] = {
    "gzip": lambda: _Zlib(is_gzip=True),
    "x-gzip": lambda: _Zlib(is_gzip=True),  # RFC 9110, 8.4.1.3: the same
    "deflate": lambda: _Zlib(is_gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}
