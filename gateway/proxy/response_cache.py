"""Answers kept for requests that are the same to the byte: off unless a task's policy has a `cache`.

Same means: the same key's request to the same endpoint and model, every member of the body alike. Requests that are not
deterministic (a temperature other than 0) are not kept unless the policy says so; an answer that was no success, or
broke off, is never kept.
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
    """An answer. until: by the clock. model: the one that gave it."""

    model: str
    content_type: bytes
    body: bytes
    expires_at: float


class CacheSlot:
    """The place of one request's answer. Fed with the pieces that the client gets."""

    def __init__(self, answers: "ResponseCache", name: bytes, ttl_s: float) -> None:
        self._answers, self._name, self._ttl_s = answers, name, ttl_s
        self._pieces: list[bytes] = []
        self._size = 0

    def cached_response(self) -> CachedResponse | None:
        """The answer that is there."""
        return self._answers.get(self._name)

    def append_chunk(self, piece: bytes) -> None:
        """More of the answer."""
        self._size += len(piece)
        if self._size <= MAX_RESPONSE_BYTES:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def commit_response(self, model: str, content_type: bytes) -> None:
        """The answer is complete, and a success."""
        if 0 < self._size <= MAX_RESPONSE_BYTES:
            self._answers.put(self._name, model, content_type, b"".join(self._pieces), self._ttl_s)


class ResponseCache:
    """All answers kept. The least recently used goes first when they are too many bytes."""

    def __init__(self, clock: Callable[[], float], max_bytes: int = MAX_BYTES) -> None:
        """clock: seconds, monotonic."""
        self._clock = clock
        self._max_bytes = max_bytes
        self._kept: dict[bytes, CachedResponse] = {}
        self._size = 0

    def open_slot(
        self, policy: CacheConfig | None, body: RequestBody, key: str | None, model: str, headers: RawHeaders
    ) -> CacheSlot | None:
        """Where the answer to a request is kept; None where it is not to be."""
        if policy is None or not (policy.any_temperature or is_deterministic(body)) or _bypasses(headers):
            return None
        # Backends see the body without our tags, so they take no part in what is the same.
        name = hashlib.sha256()
        for part in (repr(key).encode(), body.operation.path.encode(), body.forwarded_members(json_string(model))):
            name.update(len(part).to_bytes(8))
            name.update(part)
        return CacheSlot(self, name.digest(), policy.ttl_s)

    def get(self, name: bytes) -> CachedResponse | None:
        """The answer of that name, unless it is too old."""
        kept = self._kept.pop(name, None)
        if kept is None:
            return None
        if kept.expires_at < self._clock():
            self._size -= len(kept.body)
            return None
        self._kept[name] = kept
        return kept

    def put(self, name: bytes, model: str, content_type: bytes, body: bytes, ttl_s: float) -> None:
        """Keeps an answer."""
        before = self._kept.pop(name, None)
        self._size += len(body) - (len(before.body) if before else 0)
        self._kept[name] = CachedResponse(model, content_type, body, self._clock() + ttl_s)
        while self._size > self._max_bytes:
            self._size -= len(self._kept.pop(next(iter(self._kept))).body)


def is_deterministic(body: RequestBody) -> bool:
    """Whether the same request is meant to have the same answer: embeddings, and temperature 0."""
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
