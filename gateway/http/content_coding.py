"""Content codings (RFC 9110, 8.4.1): decompression piece by piece, so that a few bytes never become many at once.

gzip and deflate (RFC 1952, 1950, 1951) come with Python, zstd (RFC 8878) with Python 3.14 or a library; br (RFC 7932)
needs the extra `encodings`. Requests and responses are read by the same decoders.
"""

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

PIECE_BYTES = 64 * 1024
"""Limit of what is decompressed at a time; brotli, which grows its buffer in steps, exceeds it by less than half."""

ZSTD_WINDOW_LOG = 23
"""A decoder need not take larger windows than 8 MB (RFC 9659, 3); a frame can ask for 2 GB of memory."""

ZSTD_MODULES = ("compression.zstd", "backports.zstd")
"""Python's own from 3.14 on, and the same for those before."""

GZIP_BITS, ZLIB_BITS, RAW_BITS = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
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


def new_decompressor(coding: str, max_members: int | None = None) -> Decompressor:
    """Return a decompressor for a coding's name in lower case. max_members: gzip members or zstd frames of a body.

    Raises CodingError for one that is unknown, or whose library is not installed.
    """
    made = CODINGS.get(coding)
    if made is None:
        raise CodingError(f"has the content-encoding {coding[:40]!r}, which is not supported")
    return made(max_members)


class Member(Protocol):
    """One gzip member, zlib stream or zstd frame, as zlib and compression.zstd decode it."""

    @property
    def eof(self) -> bool:
        """True behind the last byte."""

    @property
    def unused_data(self) -> bytes:
        """Data behind the last byte."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return up to max_length bytes of what data decodes to."""


@dataclass(frozen=True, slots=True)
class MemberFormat:
    """A format whose bodies consist of members.

    Attributes:
        open_member: makes the decoder of a member that begins with these bytes.
        error: of the library, for data that is not in this format.
        fault: what is wrong then.
        first_bytes: of a body, that `open_member` needs.
        continues: whether these bytes, behind a member, begin another one.
    """

    open_member: Callable[[bytes], Member]
    error: type[Exception]
    fault: str
    first_bytes: int
    continues: Callable[[bytes], bool]


class _Members:
    """Decompressor of a body of members, which may follow one another (RFC 1952, 2.2; RFC 8878, 3)."""

    def __init__(self, form: MemberFormat, max_members: int | None) -> None:
        self._form, self._max_members = form, max_members
        self._member: Member | None = None
        self._count = 0
        self._start = b""

    @property
    def is_complete(self) -> bool:
        return self._member is not None and self._member.eof

    def read_piece(self, data: bytes) -> bytes:
        while True:
            if self._member is None or self._member.eof:
                data = self._begin_member(data)
                if not data:
                    return b""
            else:
                # zlib hands back what its limit left unread; zstd keeps it.
                data = getattr(self._member, "unconsumed_tail", b"") + data
            piece = self._decompress(data)
            # An empty member says nothing, and yet the next one may follow in the same data.
            if piece or self._member is None or not (self._member.eof and self._member.unused_data):
                return piece
            data = b""

    def _begin_member(self, data: bytes) -> bytes:
        """Open the next member, and return its data; b"" where none begins."""
        data = (self._start if self._member is None else self._member.unused_data) + data
        if self._member is None:
            self._start = data
            if len(data) < self._form.first_bytes:
                return b""
        # Zeros behind a member are padding, as gzip itself takes them.
        elif not data.strip(b"\0"):
            return b""
        elif not self._form.continues(data):
            raise CodingError("goes on behind its compressed data")
        self._count += 1
        if self._max_members is not None and self._count > self._max_members:
            raise CodingError(f"has more than {self._max_members} members")
        self._member, self._start = self._form.open_member(data), b""
        return data

    def _decompress(self, data: bytes) -> bytes:
        assert self._member is not None  # noqa: S101 - begun above
        try:
            return bytes(self._member.decompress(data, PIECE_BYTES))
        except self._form.error as error:
            raise CodingError(self._form.fault) from error


def _open_deflate(first: bytes) -> Member:
    """Open a body with zlib's wrapper, or without it, as many send it (RFC 1950, 2.2)."""
    is_wrapped = first[0] & 0x0F == zlib.DEFLATED and (first[0] * 256 + first[1]) % 31 == 0
    return zlib.decompressobj(ZLIB_BITS if is_wrapped else RAW_BITS)


GZIP = MemberFormat(
    lambda _: zlib.decompressobj(GZIP_BITS),
    zlib.error,
    "is not valid gzip",
    first_bytes=1,
    continues=lambda data: GZIP_MAGIC.startswith(data[:2]),
)
DEFLATE = MemberFormat(_open_deflate, zlib.error, "is not valid deflate", first_bytes=2, continues=lambda _: False)


def _zstd(max_members: int | None) -> Decompressor:
    library = _import("zstd", *ZSTD_MODULES)
    options = {library.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}

    def open_frame(_: bytes) -> Member:
        frame: Member = library.ZstdDecompressor(options=options)
        return frame

    fault = "is not valid zstd, or needs a window of more than 8 MB"
    return _Members(MemberFormat(open_frame, library.ZstdError, fault, 1, lambda _: True), max_members)


class _Brotli:
    def __init__(self) -> None:
        self._library = _import("br", "brotli")
        self._inner: Any = self._library.Decompressor()

    @property
    def is_complete(self) -> bool:
        return bool(self._inner.is_finished())

    def read_piece(self, data: bytes) -> bytes:
        try:
            return bytes(self._inner.process(data, output_buffer_limit=PIECE_BYTES))
        except self._library.error as error:
            raise CodingError("is not valid br") from error


def find_zstd() -> ModuleType | None:
    """Return the module that decodes zstd; None on a platform that has none."""
    return _find_module(*ZSTD_MODULES)


def _find_module(*names: str) -> ModuleType | None:
    """Return the first module that is there: Python's own where it has one."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _import(coding: str, *names: str) -> ModuleType:
    found = _find_module(*names)
    if found is None:
        raise CodingError(f"has the content-encoding {coding}: pip install 'benchroute[encodings]'")
    return found


CODINGS: Mapping[str, Callable[[int | None], Decompressor]] = {
    "gzip": lambda most: _Members(GZIP, most),
    "x-gzip": lambda most: _Members(GZIP, most),  # RFC 9110, 8.4.1.3: the same
    "deflate": lambda most: _Members(DEFLATE, most),
    "br": lambda _: _Brotli(),
    "zstd": _zstd,
}
