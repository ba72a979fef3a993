"""Server-sent events as bytes (WHATWG HTML, 9.2.6): where they end, and what is in them."""

import re
from typing import NamedTuple

MAX_EVENT_BYTES = 1024 * 1024
"""Up to this size an event is held until it is complete; of a longer one every piece goes on as it comes."""

EVENT_ENDS = (b"\n\n", b"\r\n\r\n")
"""The usual ends of an event."""

# A line ends with CR LF, LF or CR. Atomic groups, so that one CR LF is never read as two ends.
_LINE_END = re.compile(rb"\r\n|\n|\r")
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_IDLE_LINES = re.compile(rb"(?:[ \t]*(?::[^\r\n]*)?(?>\r\n|\n|\r))+")
"""Comments and blank lines, which dispatch nothing: they need not wait for an event's end."""


class ServerSentEvent(NamedTuple):
    """An event.

    Attributes:
        name: Of its `event` field, empty without one.
        data: Of its `data` fields; None without any, so that nothing is dispatched.
    """

    name: bytes
    data: bytes | None


class EventSplitter:
    """Splitter of a stream: what it returns ends where an event ends, whichever way the stream is cut.

    Half an event is of no use to a client, and one that is never completed would be read as broken JSON.
    """

    __slots__ = ("_held", "_is_inside")

    def __init__(self) -> None:
        self._held = bytearray()
        self._is_inside = False

    @property
    def is_empty(self) -> bool:
        """True if the next byte begins an event, and nothing is held."""
        return not self._held and not self._is_inside

    @property
    def is_at_boundary(self) -> bool:
        """True if what has been returned ends with an event's end."""
        return not self._is_inside

    def feed(self, data: bytes) -> bytes:
        """Take the next piece. Return the bytes that are complete now, b"" without any."""
        if self._is_inside:
            self._is_inside = not data.endswith(EVENT_ENDS)
            return data
        held = self._held
        start = max(0, len(held) - 3)
        held += data
        # A CR at the end may be half of a CR LF, so that it ends nothing yet.
        end = len(held) - held.endswith(b"\r")
        cut = 0
        for match in _EVENT_END.finditer(held, start, end):
            cut = match.end()
        idle = _IDLE_LINES.match(held, cut, end)
        cut = idle.end() if idle is not None else cut
        if len(held) - cut > MAX_EVENT_BYTES:
            cut, self._is_inside = len(held), True
        complete = bytes(held[:cut])
        del held[:cut]
        return complete

    def take_rest(self) -> bytes:
        """Return what is held of an event that has not been completed, and hold it no longer."""
        rest, self._held = bytes(self._held), bytearray()
        return rest


def split_events(data: bytes) -> list[bytes]:
    """Return the events of a piece of a stream, each with its end; joined they are the piece.

    Comments and blank lines before an event are a piece of their own.
    """
    pieces, start = [], 0
    while start < len(data):
        found = _IDLE_LINES.match(data, start) or _EVENT_END.search(data, start)
        end = len(data) if found is None else found.end()
        pieces.append(data[start:end])
        start = end
    return pieces


def parse_event(event: bytes) -> ServerSentEvent:
    """Return an event's fields; of the name the last one counts, data fields are joined with LF."""
    name, data = b"", []
    for line in _LINE_END.split(event.removeprefix(b"\xef\xbb\xbf")):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return ServerSentEvent(name, b"\n".join(data) if data else None)
