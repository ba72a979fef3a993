"""Server-sent events (WHATWG HTML, 9.2) as OpenAI and Anthropic stream them: `data: {…}` events and a final one."""

import re

from gateway.errors import RequestError
from gateway.http.endpoints import MESSAGES, Endpoint
from gateway.http.error_envelope import JSON, encode_error
from gateway.http.headers import Headers, first_value

EVENT_STREAM = b"text/event-stream"

_TAIL_BYTES = 64
"""More than the longest final line, `event: response.incomplete`, with the line ends around it."""

KEEPALIVE_COMMENT = b": keepalive\n\n"
"""A line that begins with a colon is a comment (WHATWG HTML, 9.2.6)."""


def is_event_stream(headers: Headers) -> bool:
    """Return whether a body is a stream of events."""
    content_type = first_value(headers, b"content-type")
    if content_type is None or content_type == JSON:  # nearly always one of them
        return False
    return content_type.partition(b";")[0].strip().lower() == EVENT_STREAM


_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')

# WHATWG HTML, 9.2.6: an event ends with an empty line, and a line with CR LF, LF or CR.
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class StreamEndDetector:
    """Reads a stream as it passes and reports if it has ended as it should.

    A connection that closes without the final event was cut: HTTP alone cannot tell, where the body is delimited by
    the end of the connection (RFC 9112, 6.3).
    """

    def __init__(self, operation: Endpoint) -> None:
        self.operation = operation
        self._last_data = operation.last_data
        self._last_event = _event_pattern(operation.last_events)
        self._has_last_event = False
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """Read the next chunk of the stream."""
        # 0.05 us for a usual chunk: it is kept whole, and cut only when somebody asks, which most never do.
        if self._last_event is None and len(chunk) >= _TAIL_BYTES:
            self._tail = chunk
            return
        if self._last_event is not None and not self._has_last_event:
            # The name of the last event may be split between two chunks.
            self._has_last_event = self._last_event.search(self._tail + chunk) is not None
        self._tail = (self._tail[-_TAIL_BYTES:] + chunk)[-_TAIL_BYTES:]

    @property
    def is_done(self) -> bool:
        """True if the final event has arrived."""
        if self._last_event is not None:
            return self._has_last_event and self.is_at_boundary
        # WHATWG HTML, 9.2.6: a line ends with CR LF, LF or CR; a space after the colon belongs to the syntax.
        last = self._tail[-_TAIL_BYTES:].rstrip(b"\r\n").rpartition(b"\n")[2].rpartition(b"\r")[2]
        name, _, value = last.partition(b":")
        return name == b"data" and value.strip() == self._last_data

    @property
    def is_at_boundary(self) -> bool:
        """True if the next byte begins an event: an empty line has just ended the one before."""
        tail = self._tail[-_TAIL_BYTES:]
        return not tail or tail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").endswith(b"\n\n")


def format_error_event(error: RequestError, end: StreamEndDetector) -> bytes:
    """Return an event that reports an error; it ends a half-written event first."""
    # Anthropic's clients dispatch by the event's name, OpenAI's by the `error` member of its data.
    name = b"event: error\n" if end.operation is MESSAGES else b""
    return (b"" if end.is_at_boundary else b"\n\n") + name + b"data: " + encode_error(error, end.operation) + b"\n\n"


def _event_pattern(events: tuple[bytes, ...]) -> re.Pattern[bytes] | None:
    """Return a pattern for the line that names any of these events, None without events."""
    if not events:
        return None
    return re.compile(rb"(?:^|[\r\n])event: ?(?:" + b"|".join(map(re.escape, events)) + rb")[\r\n]")


class UsageEventFilter:
    """Removal of the usage event from a stream whose client did not ask for it.

    OpenAI sends it last, with `choices` empty and `usage` an object. Every event before it has `"usage": null`, which
    is forwarded. Complete events pass at once; an incomplete one is held until its end shows what it is.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes that may be forwarded now; empty where all are held or removed."""
        # Nearly every chunk is one whole event without usage: 0.3 us in place of 0.6 with the patterns below.
        if not self._held and chunk.endswith(b"\n\n") and b'"usage"' not in chunk:
            return chunk
        data = self._held + chunk
        if data.endswith(_EVENT_ENDS):
            self._held = b""
        else:
            ends = [match.end() for match in _EVENT_END.finditer(data)]
            cut = ends[-1] if ends else 0
            data, self._held = data[:cut], data[cut:]
        if _USAGE.search(data) is None:
            return data
        return b"".join(event for event in _split_events(data) if not _is_usage_event(event))

    def flush(self) -> bytes:
        """Return the bytes that are still held when the stream has ended."""
        held, self._held = self._held, b""
        return b"" if _is_usage_event(held) else held


def _split_events(data: bytes) -> list[bytes]:
    ends = [0, *(match.end() for match in _EVENT_END.finditer(data))]
    return [data[start:end] for start, end in zip(ends, [*ends[1:], len(data)], strict=True)]


def _is_usage_event(event: bytes) -> bool:
    # A provider may put usage into its last event with choices too: that one is the client's.
    return _USAGE.search(event) is not None and _NO_CHOICES.search(event) is not None
