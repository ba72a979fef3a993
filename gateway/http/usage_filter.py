"""Takes out of a stream what only the gateway asked for: the event that tells what it took.

OpenAI sends it last, with `choices` empty and `usage` an object; every event before it then has `"usage": null`, which
stays. Whole events go through at once; a piece of one waits for its end, since only then can be said what it is.
"""

import re

_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class UsageEventFilter:
    """One stream's filter."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What of the stream may go on now; nothing where all of it is held or taken out."""
        if not self._held and chunk.endswith(b"\n\n") and b'"usage"' not in chunk:  # nearly always
            return chunk
        data = self._held + chunk
        if data.endswith(_ENDS):
            self._held = b""
        else:
            ends = [match.end() for match in _END.finditer(data)]
            cut = ends[-1] if ends else 0
            data, self._held = data[:cut], data[cut:]
        if _USAGE.search(data) is None:
            return data
        return b"".join(event for event in _events(data) if not _tells_usage(event))

    def flush(self) -> bytes:
        """What is still held when the stream has ended."""
        held, self._held = self._held, b""
        return b"" if _tells_usage(held) else held


def _events(data: bytes) -> list[bytes]:
    ends = [0, *(match.end() for match in _END.finditer(data))]
    return [data[start:end] for start, end in zip(ends, [*ends[1:], len(data)], strict=True)]


def _tells_usage(event: bytes) -> bool:
    return _USAGE.search(event) is not None and _NO_CHOICES.search(event) is not None
