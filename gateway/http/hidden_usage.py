"""Removal of the usage that only the gateway asked for from a stream's events: the rest stays as the backend wrote it.

With `stream_options.include_usage`, OpenAI sends an event with usage and no choices at the end, and `"usage":null` in
every event before it (API reference, "stream_options"). A client that did not ask would get neither.
"""

import json
import re
from collections.abc import Iterator

from gateway.http.sse_events import split_events

USAGE = b'"usage"'

_DATA = re.compile(rb"(?:\A|(?<=[\r\n]))data:[ \t]*(\{[^\r\n]*\})")
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()

# A quotation mark within a string is escaped, so `"usage":null` is a member. One that only scalars follow up to the
# end of the document is a member of its top level.
_NULL_USAGE = re.compile(
    rb',\s*"usage"\s*:\s*null(?=(?:\s*,\s*"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[\w.+-]+))*\s*\}\Z)', re.ASCII
)


def remove_usage(piece: bytes) -> bytes:
    """Return whole events without their `usage` members, and without events that report nothing else."""
    if USAGE not in piece:
        return piece
    return b"".join([_without_usage(event) for event in split_events(piece)])


def _without_usage(event: bytes) -> bytes:
    found = _DATA.search(event) if USAGE in event else None
    if found is None:
        return event
    document, (start, end) = found[1], found.span(1)
    null = _NULL_USAGE.search(document)
    if null is not None:
        return event[: start + null.start()] + event[start + null.end() :]
    kept = _splice(document)
    return b"" if kept is None else event[:start] + kept + event[end:]


def _splice(document: bytes) -> bytes | None:
    """Return a JSON object without its member `usage`; None if it has no choices either."""
    try:
        text = document.decode()
        members = list(_top_level(text))
    except (ValueError, RecursionError, StopIteration):
        return document
    place = next((place for place, (name, *_) in enumerate(members) if name == "usage"), None)
    if place is None:
        return document
    values = {name: value for name, _, _, value in members}
    if not values.get("choices") and values["usage"] is not None:
        return None
    # With the comma before it, or behind it where it is the first.
    if place:
        text = text[: members[place - 1][2]] + text[members[place][2] :]
    elif len(members) > 1:
        text = text[: members[0][1]] + text[members[1][1] :]
    else:
        text = text[: members[0][1]] + text[members[0][2] :]
    return _splice(text.encode()) if place + 1 < len(members) else text.encode()


def _top_level(text: str) -> Iterator[tuple[str, int, int, object]]:
    """Yield the members of an object: name, start and end of the member in the text, value. Raises ValueError."""
    place = _skip(text, 1)
    while text[place : place + 1] != "}":
        name, behind = _DECODER.raw_decode(text, place)
        colon = _skip(text, behind)
        if text[colon : colon + 1] != ":" or not isinstance(name, str):
            raise ValueError("no member")
        value, end = _DECODER.raw_decode(text, _skip(text, colon + 1))
        yield name, place, end, value
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
        elif text[place : place + 1] != "}":
            raise ValueError("no end")


def _skip(text: str, place: int) -> int:
    return _SPACE.match(text, place).end()  # type: ignore[union-attr]  # matches everywhere
