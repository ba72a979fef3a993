"""Cross-origin requests of browsers (WHATWG Fetch, 3.2): which pages may read the gateway's responses.

Off by default. Credentials in the sense of Fetch, cookies and the browser's own, are never allowed: a page sends its
key in a header, so that `*` gives a page no more than its key does.
"""

from collections.abc import Iterable, Sequence

from gateway.http.asgi import RawHeaders
from gateway.http.headers import Headers, first_value

ANY = "*"
MAX_AGE_S = 600
"""Seconds that a browser may remember a preflight; Chromium takes at most two hours."""

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"

READABLE = frozenset(
    {b"cache-control", b"content-language", b"content-length", b"content-type", b"expires", b"last-modified", b"pragma"}
)
"""CORS-safelisted response headers (WHATWG Fetch, 2.2.2): readable without being named."""


class CorsPolicy:
    """The origins whose pages may call the gateway."""

    def __init__(self, origins: Sequence[str]) -> None:
        """origins: scheme, host and port each, or `*` for all."""
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = ANY in origins

    def concerns(self, headers: Headers) -> bool:
        """Return whether a request comes from a page, and any page is allowed."""
        return bool(self._origins) and first_value(headers, b"origin") is not None

    def allows_origin(self, headers: Headers) -> bool:
        """Return whether the page that a request comes from may read the response."""
        origin = first_value(headers, b"origin")
        return origin is not None and (self._any or origin.lower() in self._origins)

    def preflight_headers(self, headers: Headers) -> RawHeaders:
        """Return the headers of the answer to a preflight of a page that is allowed."""
        asked = first_value(headers, b"access-control-request-headers")
        allowed = [] if asked is None else [(b"access-control-allow-headers", asked)]
        return [
            *self._origin_headers(headers),
            (b"access-control-allow-methods", METHODS),
            *allowed,
            (b"access-control-max-age", str(MAX_AGE_S).encode()),
        ]

    def response_headers(self, headers: Headers, names: Iterable[bytes]) -> RawHeaders:
        """Return the headers that let a page read a response. headers: of the request. names: of the response's."""
        if not self.allows_origin(headers):
            # Another page's response must not be taken from a cache for this one's.
            return [(b"vary", b"origin")]
        exposed = b", ".join(sorted({name.lower() for name in names} - READABLE))
        return [*self._origin_headers(headers), (b"access-control-expose-headers", exposed)]

    def _origin_headers(self, headers: Headers) -> RawHeaders:
        if self._any:
            return [(b"access-control-allow-origin", b"*")]
        origin = first_value(headers, b"origin") or b""
        return [(b"access-control-allow-origin", origin), (b"vary", b"origin")]


def is_preflight(method: str, headers: Headers) -> bool:
    """Return whether a request asks on a page's behalf whether another one is allowed (WHATWG Fetch, 3.2.2)."""
    return method == "OPTIONS" and first_value(headers, b"access-control-request-method") is not None
