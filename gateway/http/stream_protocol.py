"""What the events of a stream mean, by protocol: whether anything has been said, and whether the stream is complete.

| protocol | says nothing yet | complete | an error |
|---|---|---|---|
| chat, completions | no choice, or choices with a role or empty text alone | `[DONE]`; or a clean end after a finish_reason of every choice | an `error` member |
| /v1/responses | `response.created`, `.queued`, `.in_progress`, an item or part that is only opened | `response.completed`, `.incomplete` | type `error`, `response.failed` |
| /v1/messages | `message_start`, `ping`, an empty block | `message_stop` | type `error` |

The type is that of the event's name or of its data, for some servers send only one of them. The rules are those of the
official clients: openai and anthropic for Python and Node, and Vercel's AI SDK.
"""  # noqa: E501 - a table

import enum
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.http.endpoints import MESSAGES, RESPONSES, Endpoint
from gateway.http.sse_events import parse_event, split_events

DONE = b"[DONE]"
_USUAL_END = b"data: [DONE]\n\n"
_USUAL_END_OF_PIECE = b"\n" + _USUAL_END


class EventKind(enum.Enum):
    """Meaning of an event."""

    IDLE = "a comment or a ping: a sign of life"
    OPENING = "says nothing yet"
    CONTENT = "says something, or cannot be read"
    ERROR = "an error"
    LAST = "the protocol's last event"


class StreamOutcome(enum.Enum):
    """How a stream has ended."""

    COMPLETE = "as its protocol prescribes"
    ERROR = "with an error event of the backend's own"
    BROKEN = "in its middle"


IDLE, OPENING, CONTENT, ERROR, LAST = EventKind

_OPENING_TYPES = frozenset(
    {
        *("response.created", "response.queued", "response.in_progress"),
        *("response.output_item.added", "response.content_part.added", "response.reasoning_summary_part.added"),
        "message_start",
    }
)
_IDLE_TYPES = frozenset({"ping", "keepalive"})
_ERROR_TYPES = frozenset({"error", "response.failed"})
_LAST_TYPES = frozenset({"response.completed", "response.incomplete", "message_stop"})
_TYPED = (RESPONSES, MESSAGES)
_SEQUENCE = re.compile(rb'"sequence_number"\s*:\s*([0-9]{1,9})')

_SAYS_TEXT = re.compile(rb'"(?:content|text|reasoning|reasoning_content|arguments)"\s*:\s*"[^"]')


def says_text(operation: Endpoint, data: bytes) -> bool:
    """Return True for data that surely begins with text: nearly every first event, and nothing is parsed.

    False says nothing: only classify_event knows.
    """
    return operation not in _TYPED and b'"error"' not in data and _SAYS_TEXT.search(data) is not None


def classify_event(operation: Endpoint, event: bytes) -> EventKind:
    """Return the meaning of an event. event: its bytes, with or without its end."""
    name, data = parse_event(event)
    if data is None or not data.strip():
        return IDLE
    if data.strip() == DONE:
        return LAST
    document = read_json(data)
    if operation in _TYPED:
        return _classify_typed(name.decode("latin-1"), document)
    if not isinstance(document, dict):
        return ERROR if name == b"error" else CONTENT
    if document.get("error") or name == b"error":
        return ERROR
    return _classify_choices(document.get("choices"))


def find_outcome(operation: Endpoint, recent: Sequence[bytes], is_clean: bool) -> StreamOutcome:
    """Return how a stream has ended. recent: its last pieces, whole events each. is_clean: by its framing."""
    # Nearly every stream, without parsing a single event.
    if operation not in _TYPED and _ends_as_usual(recent):
        return StreamOutcome.COMPLETE
    events = [event for piece in recent for event in split_events(piece)]
    kinds = [classify_event(operation, event) for event in events]
    spoken = [kind for kind in kinds if kind is not IDLE]
    if spoken and (spoken[-1] is ERROR or (spoken[-1] is LAST and spoken[-2:-1] == [ERROR])):
        return StreamOutcome.ERROR
    if operation in _TYPED:
        # Some servers send [DONE] behind the last event.
        is_done = LAST in [kind for kind, event in zip(kinds, events, strict=True) if not _is_done(event)]
    else:
        is_done = bool(spoken) and spoken[-1] is LAST
    if is_done or (is_clean and operation not in _TYPED and _all_finished(events)):
        return StreamOutcome.COMPLETE
    return StreamOutcome.BROKEN


def next_sequence_number(recent: Sequence[bytes]) -> int:
    """Return the sequence number of the event behind these (the API reference's streaming events); 0 without any."""
    for piece in reversed(recent):
        if found := _SEQUENCE.findall(piece):
            return int(found[-1]) + 1
    return 0


def read_json(data: bytes) -> Any:
    """Return a document, None for what is no JSON. msgspec first: json takes more, and four times as long."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            return None


def _ends_as_usual(recent: Sequence[bytes]) -> bool:
    """Return True for a stream that surely ends with [DONE], and with no error before it."""
    if not recent or not (recent[-1] == _USUAL_END or recent[-1].endswith(_USUAL_END_OF_PIECE)):
        return False
    return b"error" not in recent[-1] and (len(recent) < 2 or b"error" not in recent[-2])


def _is_done(event: bytes) -> bool:
    return (parse_event(event).data or b"").strip() == DONE


def _classify_typed(name: str, document: object) -> EventKind:
    """Return the meaning of an event of /v1/responses or /v1/messages."""
    fields = document if isinstance(document, dict) else {}
    type_ = fields.get("type")
    types = {name, type_} if isinstance(type_, str) else {name}
    if types & _ERROR_TYPES or (fields.get("error") and not types & _LAST_TYPES):
        return ERROR
    if types & _LAST_TYPES:
        return LAST
    if types & _IDLE_TYPES:
        return IDLE
    if types & _OPENING_TYPES or ("content_block_start" in types and _is_empty_block(fields.get("content_block"))):
        return OPENING
    return CONTENT


def _is_empty_block(block: object) -> bool:
    if not isinstance(block, dict) or block.get("type") not in ("text", "thinking"):
        return False
    return not block.get("text") and not block.get("thinking")


def _classify_choices(choices: object) -> EventKind:
    """Return the meaning of a chunk by its choices."""
    if not isinstance(choices, list):
        return OPENING
    for choice in choices:
        if not isinstance(choice, dict):
            return CONTENT
        # OpenRouter reports a provider's failure so, with an empty delta.
        if choice.get("finish_reason") == "error":
            return ERROR
        if choice.get("finish_reason") is not None or choice.get("text") or _says(choice.get("delta")):
            return CONTENT
    return OPENING


def _says(delta: object) -> bool:
    return isinstance(delta, dict) and any(value for name, value in delta.items() if name != "role")


def _all_finished(events: Sequence[bytes]) -> bool:
    """Return True if the last chunk of every choice has a finish_reason, and there is any."""
    finished: dict[object, bool] = {}
    for event in events:
        data = parse_event(event).data
        document = None if data is None else read_json(data)
        choices = document.get("choices") if isinstance(document, dict) else None
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                finished[str(choice.get("index", 0))] = choice.get("finish_reason") is not None
    return bool(finished) and all(finished.values())
