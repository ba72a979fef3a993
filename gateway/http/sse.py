"""Server-sent events (WHATWG HTML, 9.2), as OpenAI streams them: `data: {…}` events and a last one that says so."""

import re

from gateway.errors import RequestError
from gateway.http.endpoints import MESSAGES, Endpoint
from gateway.http.error_envelope import JSON, encode_error
from gateway.http.headers import Headers, first_value

EVENT_STREAM = b"text/event-stream"
_TAIL = 64

KEEPALIVE_COMMENT = b": keepalive\n\n"
"""A line that begins with a colon is a comment (WHATWG HTML, 9.2.6)."""


def is_event_stream(headers: Headers) -> bool:
    """Return whether a body is a stream of events."""
    content_type = first_value(headers, b"content-type")
    if content_type is None or content_type == JSON:  # nearly always one of them
        return False
    return content_type.partition(b";")[0].strip().lower() == EVENT_STREAM


class StreamEndDetector:
    """Watches a stream go past and knows whether it has ended as it should."""

    def __init__(self, operation: Endpoint) -> None:
        self.operation = operation
        self._last_data = operation.last_data
        self._last_event = _named(operation.last_events)
        self._saw_last_event = False
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """More of the stream."""
        if self._last_event is None and len(chunk) >= _TAIL:
            self._tail = chunk  # cut when it is looked at: most never are
            return
        if self._last_event is not None and not self._saw_last_event:
            self._saw_last_event = self._last_event.search(self._tail + chunk) is not None
        self._tail = (self._tail[-_TAIL:] + chunk)[-_TAIL:]

    @property
    def is_done(self) -> bool:
        """Whether the last event has come."""
        if self._last_event is not None:
            return self._saw_last_event and self.is_at_boundary
        last = self._tail[-_TAIL:].rstrip(b"\r\n").rpartition(b"\n")[2].rpartition(b"\r")[2]
        name, _, value = last.partition(b":")
        return name == b"data" and value.strip() == self._last_data

    @property
    def is_at_boundary(self) -> bool:
        """Whether the next byte begins an event."""
        tail = self._tail[-_TAIL:]
        return not tail or tail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").endswith(b"\n\n")


def format_error_event(error: RequestError, end: StreamEndDetector) -> bytes:
    """An event that tells of an error; closes a half-written one before it."""
    name = b"event: error\n" if end.operation is MESSAGES else b""
    return (b"" if end.is_at_boundary else b"\n\n") + name + b"data: " + encode_error(error, end.operation) + b"\n\n"


def _named(events: tuple[bytes, ...]) -> re.Pattern[bytes] | None:
    """A pattern for the line that names one of these events."""
    if not events:
        return None
    return re.compile(rb"(?:^|[\r\n])event: ?(?:" + b"|".join(map(re.escape, events)) + rb")[\r\n]")
