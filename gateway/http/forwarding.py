"""Forwarding of headers, in both directions: all go on but those on a deny-list.

A client's headers reach the backend, and a backend's the client, except for what belongs to one connection (RFC 9110,
7.6.1), what frames or describes a body that the gateway writes anew, credentials, and the gateway's own. Each entry of
the two lists has its reason. A pattern is a name in lower case, with `*` at its beginning or its end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from gateway.http.asgi import RawHeaders
from gateway.vocabulary import HOP_BY_HOP_HEADERS

MAX_VERDICTS = 1024
"""Names whose verdict is remembered: clients choose them."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Headers that are not forwarded.

    Attributes:
        reason: Why, for people.
        is_fixed: No setting changes it: forwarding them would break HTTP itself.
    """

    reason: str
    patterns: tuple[str, ...]
    is_fixed: bool = False


HOP_BY_HOP = Denial(
    "belongs to one connection (RFC 9110, 7.6.1), as do those that `Connection` names",
    HOP_BY_HOP_HEADERS,
    is_fixed=True,
)
OWN = Denial("is the gateway's own", ("x-benchroute-*", "x-task-id", "x-session-id"), is_fixed=True)

REQUEST_DENIALS = (
    HOP_BY_HOP,
    OWN,
    Denial(
        "frames or describes the body, which the gateway writes, or asks for what it answers itself",
        ("host", "content-length", "content-type", "content-encoding", "accept-encoding", "expect"),
        is_fixed=True,
    ),
    Denial(
        "would be wrong for a body or a head that has changed",
        ("content-md5", "digest", "content-digest", "repr-digest", "signature", "signature-input"),
    ),
    Denial(
        "is a credential: the client's is for the gateway, the backend's comes from the configuration",
        (
            *("authorization", "cookie", "cookie2", "*-authorization", "*-auth", "*-key", "*apikey", "*-token"),
            *("*-secret", "*-password", "*-jwt", "*-jwt-assertion", "*-credential", "*-credentials", "x-amzn-oidc-*"),
            *("x-ms-token-*", "x-ms-client-principal*", "x-auth-request-*", "remote-user", "x-remote-*"),
        ),
    ),
    Denial(
        "tells who and what is in front of the gateway: addresses, users and names of an internal network",
        (
            *("forwarded", "via", "x-forwarded-*", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"),
            *("fastly-client-ip", "cdn-loop", "x-envoy-*", "x-appengine-*", "x-azure-*", "x-arr-*"),
            *("cf-connecting-ip*", "cf-ipcountry", "cf-visitor", "cf-ray", "cf-worker", "cf-access-*"),
        ),
    ),
    Denial(
        "would let a client call another method or path of the backend with the gateway's key",
        ("x-http-method*", "x-method-override", "x-original-*", "x-rewrite-url"),
    ),
    Denial(
        "is a browser's word on the page that asks; backends would take the gateway's request for that page's",
        ("origin", "referer", "sec-*", "access-control-*", "upgrade-insecure-requests"),
    ),
    Denial(
        "asks for a part of a stored document, or for it under a condition; an answer of a model is none",
        ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
    ),
)
REQUEST_EXCEPTIONS = ("idempotency-key", "*-idempotency-key")
"""Headers that only look like credentials."""

RESPONSE_DENIALS = (
    HOP_BY_HOP,
    OWN,
    Denial(
        "frames or describes the body, which the gateway writes",
        ("content-length", "content-encoding", "accept-ranges"),
        is_fixed=True,
    ),
    Denial(
        "is written by the gateway",
        ("date", "server", "x-request-id", "x-content-type-options", "cache-control", "x-accel-buffering"),
    ),
    Denial("would be wrong for a body that has changed", ("content-md5", "digest", "content-digest", "repr-digest")),
    Denial(
        "is a credential of the backend's, or asks for one",
        ("set-cookie", "set-cookie2", "www-authenticate", "authentication-info"),
    ),
    Denial(
        "would send a client past the gateway",
        ("location", "content-location", "refresh", "alt-svc", "link"),
    ),
    Denial(
        "tells a browser what holds for the backend's site",
        (
            *("access-control-*", "content-security-policy*", "cross-origin-*", "strict-transport-security"),
            *("clear-site-data", "permissions-policy", "referrer-policy", "x-frame-options", "x-xss-protection"),
            *("report-to", "reporting-endpoints", "nel", "expect-ct", "public-key-pins*", "service-worker-allowed"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class HeaderPatterns:
    """A set of header names, given by patterns."""

    names: frozenset[bytes]
    beginnings: tuple[bytes, ...]
    ends: tuple[bytes, ...]

    def match_name(self, name: bytes) -> bool:
        """Return whether a name (lower case) is in the set."""
        return name in self.names or name.startswith(self.beginnings) or name.endswith(self.ends)


def parse_patterns(patterns: Iterable[str]) -> HeaderPatterns:
    """Return the set of names that any of the patterns matches."""
    encoded = [pattern.lower().encode() for pattern in patterns]
    return HeaderPatterns(
        frozenset(one for one in encoded if b"*" not in one),
        tuple(one[:-1] for one in encoded if one.endswith(b"*")),
        tuple(one[1:] for one in encoded if one.startswith(b"*") and not one.endswith(b"*")),
    )


class HeaderRules(dict[bytes, bool]):
    """Name in lower case -> whether it is forwarded. A name costs one lookup, but for the first time."""

    def __init__(self, denials: Iterable[Denial], deny: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        """deny, allow: the configuration's patterns. They go before the denials, and `deny` before `allow`."""
        super().__init__()
        denials = tuple(denials)
        self._fixed = parse_patterns(_patterns(one for one in denials if one.is_fixed))
        self._denied = parse_patterns(deny)
        self._allowed = parse_patterns(allow)
        self._denials = parse_patterns(_patterns(denials))
        self._exceptions = parse_patterns(REQUEST_EXCEPTIONS)

    def __missing__(self, name: bytes) -> bool:
        verdict = self._is_forwarded(name)
        if len(self) < MAX_VERDICTS:
            self[name] = verdict
        return verdict

    def _is_forwarded(self, name: bytes) -> bool:
        # Servers that hand headers on as variables (CGI, WSGI) do not tell `x_api_key` from `x-api-key`.
        name = name.replace(b"_", b"-")
        if self._fixed.match_name(name) or self._denied.match_name(name):
            return False
        if self._allowed.match_name(name) or self._exceptions.match_name(name):
            return True
        return not self._denials.match_name(name)


def _patterns(denials: Iterable[Denial]) -> Iterator[str]:
    for one in denials:
        yield from one.patterns


class Forwarding(msgspec.Struct, frozen=True, gc=False):
    """The rules of both directions."""

    request: HeaderRules
    response: HeaderRules


class ForwardedHeaders(msgspec.Struct, frozen=True, gc=False):
    """The headers of a client's request that a backend gets.

    Attributes:
        pairs: the headers.
        lines: the same as HTTP/1.1 field lines, each with its CR LF.
        names_agent: true if a User-Agent is among them.
        narrowed: what backends with a filter of their own get of them; clients repeat their heads.
    """

    pairs: RawHeaders
    lines: bytes
    names_agent: bool
    narrowed: "dict[BackendFilter, ForwardedHeaders]" = msgspec.field(default_factory=dict)


NO_HEADERS = ForwardedHeaders((), b"", False)


def forwarded_headers(headers: Iterable[tuple[bytes, bytes]], rules: HeaderRules) -> ForwardedHeaders:
    """Return the headers of a client's request that a backend gets."""
    allowed = [pair for pair in without_nominated(headers) if rules[pair[0]]]
    return _joined(allowed)


def _joined(pairs: RawHeaders) -> ForwardedHeaders:
    # The field lines are joined here, once for a head that repeats, and not with every request that is sent.
    names_agent = any(name == b"user-agent" for name, _ in pairs)
    return ForwardedHeaders(pairs, b"".join([b"%b: %b\r\n" % pair for pair in pairs]), names_agent)


def without_nominated(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Return headers without those that Connection names (RFC 9110, 7.6.1)."""
    headers = list(headers)
    nominated = {
        token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b",")
    }
    return [pair for pair in headers if pair[0] not in nominated] if nominated else headers


def response_headers(headers: RawHeaders, rules: HeaderRules) -> list[tuple[bytes, bytes]]:
    """Return the headers of a backend's response that a client gets."""
    return [pair for pair in headers if rules[pair[0]]]


class BackendFilter:
    """Filter of one backend: without the headers that it sets itself, or that are not for it."""

    def __init__(self, denied: Iterable[str], names_agent: bool) -> None:
        """denied: patterns of names. names_agent: the backend's own headers have a User-Agent."""
        self._denied = parse_patterns(denied)
        self._names_agent = names_agent

    def narrow_headers(self, forwarded: ForwardedHeaders) -> ForwardedHeaders:
        """Return what the backend gets of a client's forwarded headers."""
        narrowed = forwarded.narrowed.get(self)
        if narrowed is None:
            match = self._denied.match_name
            kept = _joined([pair for pair in forwarded.pairs if not match(pair[0].replace(b"_", b"-"))])
            narrowed = ForwardedHeaders(kept.pairs, kept.lines, kept.names_agent or self._names_agent)
            forwarded.narrowed[self] = narrowed
        return narrowed
