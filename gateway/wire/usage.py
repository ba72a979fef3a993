"""How many tokens an answer says it took, read on its way past.

OpenAI's words (prompt_tokens, completion_tokens) and the newer ones of /v1/responses (input_tokens, output_tokens). An
answer that says nothing, such as a stream whose client did not ask for usage, is not guessed at.
"""

import json
import re
from collections import deque
from dataclasses import dataclass

_USAGE = re.compile(rb'"usage"\s*:\s*(?=\{)')
_DECODER = json.JSONDecoder()

TAIL_BYTES = 16 * 1024
"""Usage stands in the last events of a stream and near the end of a body."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer."""

    input_tokens: int
    output_tokens: int

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.input_tokens + self.output_tokens


class Tail:
    """The last bytes of a stream."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def saw(self, chunk: bytes) -> None:
        """More of the stream."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) >= TAIL_BYTES:
            self._size -= len(self._chunks.popleft())

    def usage(self) -> Usage | None:
        """What the stream says of itself."""
        return usage_in(b"".join(self._chunks))


def usage_in(data: bytes) -> Usage | None:
    """The last usage object in an answer, or None."""
    places = [match.end() for match in _USAGE.finditer(data)]
    for place in reversed(places):
        try:
            found, _ = _DECODER.raw_decode(data[place:].decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        tokens = _count(found, "prompt_tokens", "input_tokens"), _count(found, "completion_tokens", "output_tokens")
        if any(tokens):
            return Usage(*tokens)
    return None


def _count(found: dict[str, object], *names: str) -> int:
    for name in names:
        value = found.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return 0
