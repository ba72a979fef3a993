"""Exact-match response cache: off unless a task's policy has a `cache`.

A hit needs the same key, endpoint, model and every member of the body, byte for byte. Requests that are not
deterministic (a temperature other than 0) are not cached unless the policy allows it; a response that was no success,
or broke off, never is.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config.schema import CacheConfig
from gateway.http.asgi import RawHeaders
from gateway.http.endpoints import EMBEDDINGS
from gateway.http.headers import first_value
from gateway.http.request_body import RequestBody, json_string

MAX_RESPONSE_BYTES = 1024 * 1024
MAX_BYTES = 64 * 1024 * 1024
BYPASS = (b"no-cache", b"no-store")


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A cached response.

    Attributes:
        model: That gave it.
        expires_at: By the cache's clock.
    """

    model: str
    content_type: bytes
    body: bytes
    expires_at: float


class CacheSlot:
    """The place of one request's response. Filled with the pieces that the client gets."""

    def __init__(self, answers: "ResponseCache", name: bytes, ttl_s: float) -> None:
        self._answers, self._name, self._ttl_s = answers, name, ttl_s
        self._pieces: list[bytes] = []
        self._size = 0

    def cached_response(self) -> CachedResponse | None:
        """Return the cached response, if there is one."""
        return self._answers.get(self._name)

    def append_chunk(self, piece: bytes) -> None:
        """Take more of the response; one that grows too large is not cached."""
        self._size += len(piece)
        if self._size <= MAX_RESPONSE_BYTES:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def commit_response(self, model: str, content_type: bytes) -> None:
        """Cache the response, which is complete and a success."""
        if 0 < self._size <= MAX_RESPONSE_BYTES:
            self._answers.put(self._name, model, content_type, b"".join(self._pieces), self._ttl_s)


class ResponseCache:
    """All cached responses. The least recently used is evicted when they are too many bytes."""

    def __init__(self, clock: Callable[[], float], max_bytes: int = MAX_BYTES) -> None:
        """clock: seconds, monotonic."""
        self._clock = clock
        self._max_bytes = max_bytes
        self._cached: dict[bytes, CachedResponse] = {}
        self._size = 0

    def open_slot(
        self, policy: CacheConfig | None, body: RequestBody, key: str | None, model: str, headers: RawHeaders
    ) -> CacheSlot | None:
        """Return a request's slot; None where its response is not to be cached."""
        if policy is None or not (policy.any_temperature or is_deterministic(body)) or _bypasses(headers):
            return None
        # Backends see the body without our tags, so they take no part in what is the same. Every part is preceded by
        # its length: "ab" + "c" and "a" + "bc" must not have one name.
        name = hashlib.sha256()
        for part in (repr(key).encode(), body.operation.path.encode(), body.forwarded_members(json_string(model))):
            name.update(len(part).to_bytes(8))
            name.update(part)
        return CacheSlot(self, name.digest(), policy.ttl_s)

    def get(self, name: bytes) -> CachedResponse | None:
        """Return the response of that name, unless it has expired."""
        cached = self._cached.pop(name, None)
        if cached is None:
            return None
        if cached.expires_at < self._clock():
            self._size -= len(cached.body)
            return None
        self._cached[name] = cached  # at the end of the dict, which is its order of use
        return cached

    def put(self, name: bytes, model: str, content_type: bytes, body: bytes, ttl_s: float) -> None:
        """Cache a response, and evict others as necessary."""
        # Two requests may miss at the same time: the later response replaces the earlier one.
        before = self._cached.pop(name, None)
        self._size += len(body) - (len(before.body) if before else 0)
        self._cached[name] = CachedResponse(model, content_type, body, self._clock() + ttl_s)
        while self._size > self._max_bytes:
            self._size -= len(self._cached.pop(next(iter(self._cached))).body)


def is_deterministic(body: RequestBody) -> bool:
    """Return whether a repeated request is meant to have the same response: embeddings, and temperature 0."""
    if body.operation is EMBEDDINGS:
        return True
    try:
        temperature = json.loads(body.members.get("temperature", b"null"))
    except ValueError:
        return False
    return isinstance(temperature, int | float) and not isinstance(temperature, bool) and temperature == 0


def _bypasses(headers: RawHeaders) -> bool:
    asked = first_value(headers, b"cache-control")
    return asked is not None and any(word.strip().lower() in BYPASS for word in asked.split(b","))
