"""Which headers go through, and the gateway's own.

Both directions work by allow-list: a client's Authorization is for the gateway, a backend's cookies are for nobody,
and hop-by-hop headers (RFC 9110, 7.6.1) belong to their own connection.
"""

import random
import re
from collections.abc import Iterable, Sequence

import msgspec

RawHeaders = Iterable[tuple[bytes, bytes]]
Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case."""

ANTHROPIC_HEADERS = (b"anthropic-version", b"anthropic-beta")
REQUEST_ALLOW_LIST = frozenset(
    {b"accept", b"user-agent", b"traceparent", b"tracestate", b"openai-beta", b"idempotency-key", *ANTHROPIC_HEADERS}
)
RESPONSE_ALLOW_LIST = frozenset(
    {b"content-type", b"retry-after", b"openai-processing-ms", b"openai-version", b"openai-model"}
)
RESPONSE_PREFIX_ALLOW_LIST = b"x-ratelimit-"

TASK = "x-benchroute-task"
MODEL = "x-benchroute-model"
BACKEND = "x-benchroute-backend"
REASON = "x-benchroute-reason"
DECISION = "x-benchroute-decision"
ATTEMPTS = "x-benchroute-attempts"
OVERHEAD_MS = "x-benchroute-overhead-ms"
DEGRADED = "x-benchroute-degraded"
COST_USD = "x-benchroute-cost-usd"
CACHE = "x-benchroute-cache"
SHADOW_MODEL = "x-benchroute-shadow-model"
REQUEST_ID = "x-request-id"

NONE = "none"
"""Stands in a header whose value is not known, so that every answer carries the same headers."""

_DRAW = random.Random()  # noqa: S311 - names for logs, no secrets
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}\Z")


def first_value(headers: RawHeaders, name: bytes) -> bytes | None:
    """The value of the first header of that (lower-case) name."""
    for key, value in headers:  # a generator would take twice as long, and this is asked often
        if key == name:
            return value
    return None


def request_id_of(headers: RawHeaders) -> str:
    """The client's own x-request-id where it is harmless, else a new one."""
    return client_request_id(headers) or new_request_id()


def client_request_id(headers: RawHeaders) -> str | None:
    """The client's own x-request-id, None where there is none, or one that could do harm."""
    given = first_value(headers, b"x-request-id")
    return given.decode() if given is not None and _REQUEST_ID.match(given) else None


def new_request_id() -> str:
    """A name for a request that has none."""
    return f"req_{_DRAW.getrandbits(96):024x}"


class ForwardedHeaders(msgspec.Struct, frozen=True, gc=False):
    """What of a client's headers a backend gets, as lines. names_agent: whether a User-Agent is among them."""

    lines: bytes
    names_agent: bool


def forwarded_headers(headers: RawHeaders) -> ForwardedHeaders:
    """Those that are for backends."""
    kept = [pair for pair in headers if pair[0] in REQUEST_ALLOW_LIST]
    return ForwardedHeaders(
        b"".join([b"%b: %b\r\n" % pair for pair in kept]), first_value(kept, b"user-agent") is not None
    )


def response_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """What of a backend's headers a client gets."""
    return [
        pair for pair in headers if pair[0] in RESPONSE_ALLOW_LIST or pair[0].startswith(RESPONSE_PREFIX_ALLOW_LIST)
    ]
