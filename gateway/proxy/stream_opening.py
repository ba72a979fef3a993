"""The beginning of a stream, held until it says something: until then another backend can answer in its place.

Comments and pings, a role without text, an announced item: none of it is an answer yet. A backend that reports its
failure behind them, with status 200, has failed before the client was told anything.
"""

from gateway.http.endpoints import Endpoint
from gateway.http.sse_events import EventSplitter, parse_event, split_events
from gateway.http.stream_protocol import DONE, EventKind, classify_event, says_text
from gateway.upstream.errors import ErrorInBody, UpstreamFault, UpstreamProtocolError

MAX_OPENING_BYTES = 4 * 1024 * 1024
"""Beyond this a beginning goes on as it is. /v1/responses repeats instructions and tools in its first events."""


class StreamOpening:
    """What has come of a stream that has said nothing yet.

    Attributes:
        is_over: It goes on now: it has said something, or has grown too long.
        fault: Why it is no answer; None as long as it may be one.
    """

    __slots__ = ("_held", "_operation", "_splitter", "fault", "is_over")

    def __init__(self, operation: Endpoint) -> None:
        self._operation = operation
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self.is_over = False
        self.fault: UpstreamFault | None = None

    def feed(self, data: bytes) -> None:
        """Take more of the stream; is_over and fault tell what it has come to."""
        complete = self._splitter.feed(data)
        for event in split_events(complete):
            self._held.append(event)
            if not self.is_over and self.fault is None:
                self._take(event)
        if not self._splitter.is_at_boundary or sum(map(len, self._held)) > MAX_OPENING_BYTES:
            self.is_over = self.fault is None

    def take_idle(self) -> bytes:
        """Return the comments, pings and blank lines that came first, and hold them no longer."""
        idle: list[bytes] = []
        while self._held and classify_event(self._operation, self._held[0]) is EventKind.IDLE:
            idle.append(self._held.pop(0))
        return b"".join(idle)

    def take_all(self) -> bytes:
        """Return all that is held."""
        held, self._held = self._held, []
        return b"".join([*held, self._splitter.take_rest()])

    def end(self) -> UpstreamFault:
        """Return why a stream that ends here is no answer."""
        # Some servers label an error in plain JSON as a stream of events.
        self._take_plain(self._splitter.take_rest())
        return self.fault or UpstreamProtocolError("ended its stream before it said anything")

    def _take(self, event: bytes) -> None:
        kind = classify_event(self._operation, event)
        data = parse_event(event).data or b""
        if kind is EventKind.ERROR:
            self.fault = ErrorInBody.from_data(data)
        elif kind is EventKind.LAST and data.strip() == DONE:
            self.fault = UpstreamProtocolError("ended its stream before it said anything")
        elif kind in (EventKind.CONTENT, EventKind.LAST):
            self.is_over = True

    def _take_plain(self, rest: bytes) -> None:
        if rest:
            self._held.append(rest)
        if rest and self.fault is None and rest.lstrip().startswith(b"{"):
            self._take(b"data: " + b" ".join(rest.split()))


def begins_with_text(operation: Endpoint, data: bytes) -> bool:
    """Return True for a first piece that needs no holding: whole events, the first of which says something."""
    return data.endswith(b"\n\n") and says_text(operation, data)
