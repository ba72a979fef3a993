"""Prompts and answers for the request log: text only, redacted, bounded, compressed.

Strings are redacted as they are meant, not as JSON writes them: an escaped line break before a secret would hide its
beginning from a pattern, and tokens of a stream would cut it into pieces. So a body is parsed, a stream's pieces are
joined, and what cannot be parsed is not stored.
"""

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.http.sse_events import parse_event, split_events

MAX_PARSED_BYTES = 8 * 1024 * 1024
"""A longer prompt is not stored: to parse it takes the interpreter's lock for milliseconds."""

MEDIA_CHARS = 512
"""Strings without white space that are longer than this are media in base64, or nothing that anybody reads."""

MARGIN = 256
"""Characters left out where a text is cut: half a secret would match no pattern."""

LONG_NUMBER = 10**12
"""Whole numbers from here on can be a card's, and are redacted as texts are."""

INPUT_MEMBERS = ("system", "instructions", "messages", "prompt", "input", "query", "documents", "items")
"""Members of a request's body that are stored."""

DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?[^,\s]{0,100},")
BASE64 = re.compile(r"[A-Za-z0-9+/_=\-\r\n]+")
TEXT_KEYS = ("content", "text", "reasoning_content", "partial_json", "arguments", "refusal", "thinking")
LEVEL = 6


class StoredBody(msgspec.Struct, frozen=True):
    """What was said, as it is stored.

    Attributes:
        prompt: JSON text: the members of INPUT_MEMBERS.
        answer: JSON text of a whole response; of a stream, its text.
        is_prompt_cut, is_answer_cut: The rest is not stored.
    """

    prompt: str
    answer: str
    is_prompt_cut: bool = False
    is_answer_cut: bool = False


@dataclass(frozen=True, slots=True)
class BodyEncoder:
    """Makes what is stored of a body.

    Attributes:
        redacted: Patterns; what matches is replaced.
        max_chars: Of prompt and answer, each.
    """

    redacted: Sequence[re.Pattern[str]]
    max_chars: int

    def encode(self, members: Mapping[str, bytes], answer: bytes) -> bytes:
        """Return what is stored. members: of the request's body, as JSON. answer: as the client got it."""
        prompt, is_prompt_cut = self._encode_prompt(members)
        said, is_answer_cut = self._encode_answer(answer)
        body = StoredBody(prompt, said, is_prompt_cut, is_answer_cut)
        return zlib.compress(msgspec.msgpack.encode(body), LEVEL)

    def _encode_prompt(self, members: Mapping[str, bytes]) -> tuple[str, bool]:
        stored = {name: members[name] for name in INPUT_MEMBERS if name in members}
        if sum(map(len, stored.values())) > MAX_PARSED_BYTES:
            return "", True
        try:
            parsed = {name: msgspec.json.decode(value) for name, value in stored.items()}
        except (msgspec.MsgspecError, RecursionError):
            return "", True
        return self._shorten(_to_text(self._redact(parsed)))

    def _encode_answer(self, answer: bytes) -> tuple[str, bool]:
        if not answer.lstrip().startswith((b"{", b"[", b'"')):  # a stream of events
            return self._shorten(self._redact_text("".join(_spoken(answer))))
        try:
            return self._shorten(_to_text(self._redact(msgspec.json.decode(answer))))
        except (msgspec.MsgspecError, RecursionError):
            return "", bool(answer)

    def _redact(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact_text(value)
        if isinstance(value, dict):
            return {self._redact_text(name): self._redact(one) for name, one in value.items()}
        if isinstance(value, int) and abs(value) >= LONG_NUMBER:
            return value if (text := self._redact_text(str(value))) == str(value) else text
        return [self._redact(one) for one in value] if isinstance(value, list) else value

    def _redact_text(self, text: str) -> str:
        if (medium := _medium_in(text)) is not None:
            return medium
        # Patterns see no more than what is stored, and a margin: they may be slow, and hold the interpreter's lock.
        whole = text
        text = whole[: self.max_chars + MARGIN]
        for pattern in self.redacted:
            text = pattern.sub("[redacted]", text)
        if len(whole) <= self.max_chars + MARGIN:
            return text
        # Not the last word either: half a token would match no pattern.
        return f"{text[:-MARGIN].rpartition(' ')[0]}…"

    def _shorten(self, text: str) -> tuple[str, bool]:
        return (text, False) if len(text) <= self.max_chars else (text[: self.max_chars], True)


def decode_body(stored: bytes) -> StoredBody | None:
    """Return what was said; None where that cannot be read."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(stored), type=StoredBody)
    except (zlib.error, msgspec.MsgspecError):
        return None


def _medium_in(text: str) -> str | None:
    """Return the placeholder of an image, a recording or a file; None for a text."""
    if (url := DATA_URL.match(text)) is not None:
        return f"[{url[1] or 'data'}, {len(text)} characters]"
    if len(text) > MEDIA_CHARS and BASE64.fullmatch(text) is not None:
        return f"[data, {len(text)} characters]"
    return None


def _spoken(stream: bytes) -> Iterator[str]:
    """Yield the pieces of text of a stream of events, in whichever dialect."""
    for event in split_events(stream):
        data = parse_event(event).data
        if data is None or not data.startswith(b"{"):
            continue
        try:
            document = msgspec.json.decode(data)
        except (msgspec.MsgspecError, RecursionError):
            continue
        yield from _pieces(document)


def _pieces(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text that one event adds: a delta's, and never what a last event repeats."""
    delta = document.get("delta")
    if isinstance(delta, str):  # /v1/responses
        yield delta
    elif isinstance(delta, dict):  # /v1/messages
        yield from _texts(delta)
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            yield from _texts(choice)
            yield from _texts(choice.get("delta"))


def _texts(delta: object) -> Iterator[str]:
    if not isinstance(delta, dict):
        return
    yield from (value for key in TEXT_KEYS if isinstance(value := delta.get(key), str))
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield from (value for key in ("name", "arguments") if isinstance(value := function.get(key), str))


def _to_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
