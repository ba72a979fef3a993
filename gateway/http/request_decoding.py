"""Compressed request bodies (RFC 9110, 8.4): decoded piece by piece, within the same limit as any other body.

A compressed body can unpack to a thousand times its size. Each piece is therefore decoded only up to what the limit
leaves, and the decoder's own window is bounded.
"""

from gateway.errors import InvalidRequest, PayloadTooLarge, UnsupportedContentEncoding
from gateway.http.content_coding import CodingError, find_zstd, new_decompressor
from gateway.http.headers import Headers, first_value

IDENTITY = (b"", b"identity")
GZIP, DEFLATE, ZSTD = "gzip", "deflate", "zstd"
ALIASES = {b"gzip": GZIP, b"x-gzip": GZIP, b"deflate": DEFLATE, b"zstd": ZSTD}
"""RFC 9110, 8.4.1.3: x-gzip is gzip. RFC 8878 and RFC 9659: zstd."""

MAX_MEMBERS = 16
"""gzip members or zstd frames in a body: clients send one; a million empty ones would take minutes."""


class BodyDecoder:
    """Decoder of one body."""

    def __init__(self, coding: str, limit: int) -> None:
        """coding: gzip, deflate or zstd. limit: of the decoded body, in bytes; the coded one may be as large."""
        self._coding, self._limit = coding, limit
        self._received, self._left = 0, limit
        self._decompressor = new_decompressor(coding, MAX_MEMBERS)

    def decode(self, data: bytes) -> bytes:
        """Return what a piece decodes to. Raises PayloadTooLarge, InvalidRequest."""
        self._received += len(data)
        if self._received > self._limit:
            raise self._too_large()
        decoded: list[bytes] = []
        try:
            while piece := self._decompressor.read_piece(data):
                # A piece is bounded, so that a bomb is refused once one piece of it is too many.
                self._left -= len(piece)
                if self._left < 0:
                    raise self._too_large()
                decoded.append(piece)
                data = b""
        except CodingError as error:
            raise self._invalid(str(error)) from error
        return b"".join(decoded)

    def check_end(self) -> None:
        """Raise InvalidRequest for a body that ends within its coding."""
        if not self._decompressor.is_complete:
            raise self._invalid("ends too early")

    def _too_large(self) -> PayloadTooLarge:
        limit = f"{self._limit} bytes (server.max_body_bytes)"
        return PayloadTooLarge(f"The request body is larger than the limit of {limit}, compressed or decoded.")

    def _invalid(self, reason: str) -> InvalidRequest:
        message = (
            f"The request body cannot be decoded as {self._coding}, which its Content-Encoding names: it {reason}."
        )
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
    return (GZIP, DEFLATE) if find_zstd() is None else (GZIP, DEFLATE, ZSTD)
