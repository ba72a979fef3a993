"""Multipart forms written by hand."""

from collections.abc import Iterable

BOUNDARY = b"0f3c"
FORM = {"content_type": "multipart/form-data; boundary=0f3c"}


def field(name: str, value: bytes) -> bytes:
    return b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (BOUNDARY, name.encode(), value)


def file_start(name: str = "file") -> bytes:
    """Return the beginning of a file's part; its content and a line break follow."""
    return b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="a.wav"\r\n\r\n' % (BOUNDARY, name.encode())


def file(content: bytes) -> bytes:
    return file_start() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--%b--\r\n" % BOUNDARY


def chunks(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Yield pieces as chunks (RFC 9112, 7.1)."""
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
