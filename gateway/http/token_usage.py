"""How many tokens an answer says it took, read on its way past.

OpenAI's words (prompt_tokens, completion_tokens) and the newer ones of /v1/responses (input_tokens, output_tokens),
which are Anthropic's too: its streams say the first at their beginning and the second at their end. An answer that says
nothing is not guessed at.
"""

import json
import re
from collections import deque

import msgspec

from gateway.http.request_body import is_json_object

_USAGE = re.compile(rb'"usage"\s*:\s*(?=\{)')
_DECODER = json.JSONDecoder()

TAIL_BYTES = 16 * 1024
"""Usage stands in the last events of a stream and near the end of a body."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one answer."""

    input_tokens: int
    output_tokens: int

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.input_tokens + self.output_tokens


class StreamTail:
    """The first chunk and the last bytes of a stream."""

    def __init__(self) -> None:
        self._first: bytes | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """More of the stream."""
        if self._first is None:
            self._first = chunk[:TAIL_BYTES]
            if len(chunk) <= TAIL_BYTES:
                return
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) >= TAIL_BYTES:
            self._size -= len(self._chunks.popleft())

    def find_usage(self) -> Usage | None:
        """What the stream says of itself."""
        return find_usage(b"".join((self._first or b"", *self._chunks)))


class _Told(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class _Whole(msgspec.Struct):
    usage: _Told | None = None


_decode_whole = msgspec.json.Decoder(_Whole).decode


def parse_usage(body: bytes) -> tuple[bool, Usage | None]:
    """Whether a whole answer is a JSON object, and what it says it took; in one look, where it is written as usual."""
    try:
        told = _decode_whole(body).usage
    except (msgspec.MsgspecError, RecursionError):
        return is_json_object(body), find_usage(body)
    if not body.isascii() and not is_json_object(body):
        return False, None
    if told is None:
        return True, find_usage(body)
    inputs, outputs = told.prompt_tokens or told.input_tokens, told.completion_tokens or told.output_tokens
    return True, Usage(inputs, outputs) if inputs > 0 and outputs > 0 else find_usage(body)


def find_usage(data: bytes) -> Usage | None:
    """What an answer says last of each direction, or None."""
    input_tokens = output_tokens = 0
    for place in reversed([match.end() for match in _USAGE.finditer(data)]):
        try:
            found, _ = _DECODER.raw_decode(data[place:].decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        input_tokens = input_tokens or _count(found, "prompt_tokens", "input_tokens")
        output_tokens = output_tokens or _count(found, "completion_tokens", "output_tokens")
        if input_tokens and output_tokens:
            break
    return Usage(input_tokens, output_tokens) if input_tokens or output_tokens else None


def _count(found: dict[str, object], *names: str) -> int:
    for name in names:
        value = found.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return 0
