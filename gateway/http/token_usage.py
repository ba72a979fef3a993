"""Token usage, read from a response as it passes.

Both vocabularies are understood: OpenAI's first (prompt_tokens, completion_tokens), and that of /v1/responses
(input_tokens, output_tokens), which is Anthropic's too. Anthropic's streams report input at their beginning and output
at their end. The usage of a response that reports none is unknown, not estimated.
"""

import json
import re
from collections import deque

import msgspec

from gateway.http.request_body import is_json_object

_USAGE = re.compile(rb'"usage"\s*:\s*(?=\{)')
_LINE_END = re.compile(rb"[\r\n]+")
_DECODER = json.JSONDecoder()

INPUT, OUTPUT = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")

TAIL_BYTES = 16 * 1024
"""Usage is in the last events of a stream, and near the end of a body."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one request and its response."""

    input_tokens: int
    output_tokens: int

    @property
    def total_tokens(self) -> int:
        """Sum of both directions."""
        return self.input_tokens + self.output_tokens


class StreamTail:
    """The first chunk and at least the last 16 KiB of a stream."""

    def __init__(self) -> None:
        self._first: bytes | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Append a chunk of the stream."""
        # Chunks are kept as they are and joined once at the end: 0.14 us each, whatever the stream's length.
        if self._first is None:
            self._first = chunk[:TAIL_BYTES]
            if len(chunk) <= TAIL_BYTES:
                return
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) >= TAIL_BYTES:
            self._size -= len(self._chunks.popleft())

    def find_usage(self) -> Usage | None:
        """Return the usage that the stream reports, None without any."""
        return find_stream_usage(b"".join((self._first or b"", *self._chunks)))


class _Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class _Body(msgspec.Struct):
    usage: _Counts | None = None


_decode_body = msgspec.json.Decoder(_Body).decode


def parse_usage(body: bytes) -> tuple[bool, Usage | None]:
    """Return whether a whole response is a JSON object, and the usage that its top-level member reports.

    A `usage` further down is somebody else's: llama.cpp's timings, a tool's result.
    """
    try:
        counts = _decode_body(body).usage
    except (msgspec.MsgspecError, RecursionError):
        return _parse_unusual(body)
    if not body.isascii() and not is_json_object(body):  # msgspec does not check the text it passes over
        return False, None
    if counts is None:
        return True, None
    inputs, outputs = counts.prompt_tokens or counts.input_tokens, counts.completion_tokens or counts.output_tokens
    return True, Usage(inputs, outputs) if inputs > 0 and outputs > 0 else _usage(inputs, outputs)


def find_stream_usage(data: bytes) -> Usage | None:
    """Return the usage that a stream's events report; of each direction the last event's counts.

    Anthropic reports the input in the first event's `message`, /v1/responses both in the last event's `response`.
    """
    input_tokens = output_tokens = 0
    for line in reversed(_LINE_END.split(data)):
        if _USAGE.search(line) is None:
            continue
        counts = _event_counts(line)
        input_tokens = input_tokens or _count(counts, *INPUT)
        output_tokens = output_tokens or _count(counts, *OUTPUT)
        if input_tokens and output_tokens:
            break
    return _usage(input_tokens, output_tokens)


def _parse_unusual(body: bytes) -> tuple[bool, Usage | None]:
    """Parse what the strict decoder refuses: counts that are no integers, lone surrogates."""
    if not is_json_object(body):
        return False, None
    usage = json.loads(body).get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return True, _usage(_count(counts, *INPUT), _count(counts, *OUTPUT))


def _event_counts(line: bytes) -> dict[str, object]:
    """Return the usage object of one event's `data:` line, {} where it has none."""
    try:
        event = json.loads(line.partition(b":")[2])
    except (ValueError, RecursionError):
        return _last_object(line)
    holders = (event, event.get("message"), event.get("response")) if isinstance(event, dict) else ()
    found = (
        holder["usage"] for holder in holders if isinstance(holder, dict) and isinstance(holder.get("usage"), dict)
    )
    return next(found, {})


def _last_object(line: bytes) -> dict[str, object]:
    """Return the last usage object of an event that is not held from its beginning, or was cut off."""
    for match in reversed(list(_USAGE.finditer(line))):
        try:
            found, _ = _DECODER.raw_decode(line[match.end() :].decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        return dict(found)
    return {}


def _usage(input_tokens: int, output_tokens: int) -> Usage | None:
    if input_tokens > 0 or output_tokens > 0:
        return Usage(max(0, input_tokens), max(0, output_tokens))
    return None


def _count(counts: dict[str, object], *names: str) -> int:
    """Return the first positive count among these names, else 0."""
    values = [counts.get(name) for name in names]
    return next((value for value in values if type(value) is int and value > 0), 0)
