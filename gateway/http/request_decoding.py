"""Compressed request bodies (RFC 9110, 8.4): decoded piece by piece, within the same limit as any other body.

A compressed body can unpack to a thousand times its size. Each piece is therefore decoded only up to what the limit
leaves, and the decoder's own window is bounded.
"""

import importlib
import zlib
from types import ModuleType
from typing import Protocol

from gateway.errors import InvalidRequest, PayloadTooLarge, UnsupportedContentEncoding
from gateway.http.content_coding import GZIP as GZIP_BITS
from gateway.http.content_coding import ZSTD_MODULES, ZSTD_WINDOW_LOG, deflate_form
from gateway.http.headers import Headers, first_value

IDENTITY = (b"", b"identity")
GZIP, DEFLATE, ZSTD = "gzip", "deflate", "zstd"
ALIASES = {b"gzip": GZIP, b"x-gzip": GZIP, b"deflate": DEFLATE, b"zstd": ZSTD}
"""RFC 9110, 8.4.1.3: x-gzip is gzip. RFC 8878 and RFC 9659: zstd."""

MAX_MEMBERS = 16
"""gzip members or zstd frames in a body: clients send one; a million empty ones would take minutes."""


class Decompressor(Protocol):
    """One gzip member, zlib stream or zstd frame, as zlib and compression.zstd decode it."""

    @property
    def eof(self) -> bool:
        """True behind the last byte."""

    @property
    def unused_data(self) -> bytes:
        """Data behind the last byte."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return up to max_length bytes of what data decodes to."""


class BodyDecoder:
    """Decoder of one body."""

    def __init__(self, coding: str, limit: int) -> None:
        """coding: gzip, deflate or zstd. limit: of the decoded body, in bytes; the coded one may be as large."""
        self._coding, self._limit = coding, limit
        self._received, self._left = 0, limit
        self._members = 0
        self._start = b""
        self._decompressor: Decompressor | None = None

    def decode(self, data: bytes) -> bytes:
        """Return what a piece decodes to. Raises PayloadTooLarge, InvalidRequest."""
        self._received += len(data)
        if self._received > self._limit:
            raise self._too_large()
        # Two bytes tell zlib's format from a raw stream.
        self._start += data
        if self._decompressor is None and len(self._start) < 2:
            return b""
        data, self._start = self._start, b""
        decoded: list[bytes] = []
        while data:
            decoded.append(piece := self._decode_member(data))
            self._left -= len(piece)
            if self._left < 0:
                raise self._too_large()
            # All has been read, unless the member has ended: less came out than was allowed to.
            data = self._decompressor.unused_data if self._decompressor is not None and self._decompressor.eof else b""
        return b"".join(decoded)

    def check_end(self) -> None:
        """Raise InvalidRequest for a body that ends within its coding."""
        if self._decompressor is None or not self._decompressor.eof:
            raise self._invalid("it ends too early")

    def _decode_member(self, data: bytes) -> bytes:
        if self._decompressor is None or self._decompressor.eof:
            self._members += 1
            if self._members > MAX_MEMBERS:
                raise self._invalid(f"it has more than {MAX_MEMBERS} members")
            self._decompressor = make_decompressor(self._coding, data)
        try:
            return self._decompressor.decompress(data, self._left + 1)
        # zstd's own error is no ValueError, and named by a module that may not be there.
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            raise self._invalid(str(error)) from error

    def _too_large(self) -> PayloadTooLarge:
        limit = f"{self._limit} bytes (server.max_body_bytes)"
        return PayloadTooLarge(f"The request body is larger than the limit of {limit}, compressed or decoded.")

    def _invalid(self, reason: str) -> InvalidRequest:
        message = f"The request body is not valid {self._coding}, which its Content-Encoding names: {reason}."
        return InvalidRequest(message, code="invalid_content_encoding")


def body_decoder(headers: Headers, limit: int) -> BodyDecoder | None:
    """Return the decoder of a request's body; None for one that is not compressed. limit: bytes.

    Raises UnsupportedContentEncoding.
    """
    value = first_value(headers, b"content-encoding")
    if value is None:
        return None
    codings = [name for part in value.split(b",") if (name := part.strip().lower()) not in IDENTITY]
    if not codings:
        return None
    coding = ALIASES.get(codings[0], "")
    if len(codings) > 1 or coding not in supported_codings():
        raise UnsupportedContentEncoding(
            f"Content-Encoding {value[:100].decode('latin-1')!r} is not supported: send one of "
            f"{', '.join(supported_codings())}, or the body as it is."
        )
    return BodyDecoder(coding, limit)


def supported_codings() -> tuple[str, ...]:
    """Return the codings that are decoded here."""
    return (GZIP, DEFLATE) if zstd_module() is None else (GZIP, DEFLATE, ZSTD)


def zstd_module() -> ModuleType | None:
    """Return the module that decodes zstd; None on a platform that has none."""
    for name in ZSTD_MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def make_decompressor(coding: str, start: bytes) -> Decompressor:
    """Return the decompressor of a member that begins with these bytes."""
    if coding == ZSTD and (zstd := zstd_module()) is not None:
        options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        frame: Decompressor = zstd.ZstdDecompressor(options=options)
        return frame
    if coding == GZIP:
        return zlib.decompressobj(GZIP_BITS)
    return zlib.decompressobj(deflate_form(start))
