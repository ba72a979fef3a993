"""Streams that end, pause or fail in a way of their own, and answers that are none, by the model's name.

A stream is a sequence of steps: bytes to send, a pause in seconds (float), or Abort, which breaks the connection.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from qa.conformance.upstream.errors import is_anthropic
from qa.conformance.upstream.messages import event
from qa.conformance.upstream.streams import DONE

Json = dict[str, Any]
BEGUN = 4
"""Events before a scenario's own part."""

PINGS, PING_S = 5, 0.4
SILENCE_S = 1.6
COMMENT = b": still working\n\n"


class Abort(Enum):
    """The end of a stream without its end."""

    CONNECTION = "connection"


Step = bytes | float | Abort
Scenario = Callable[[Iterable[bytes], str], Iterator[Step]]


def _without_done(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """End cleanly after the last event, as llama.cpp's and several proxies' servers do."""
    yield from (one for one in events if one != DONE)


def _data_only(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """Send `data:` lines only: clients read the event's name from `type`."""
    yield from (one[one.index(b"data: ") :] for one in events)


def _crlf(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """End lines with CR LF, which the specification of server-sent events allows."""
    yield from (one.replace(b"\n", b"\r\n") for one in events)


def _error_event(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """Begin, send an error event, and end cleanly."""
    yield from list(events)[:BEGUN]
    yield _error(path, BEGUN)


def _error_first(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """Send an error event and nothing else, with status 200."""
    yield _error(path, 0)


def _broken(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """Begin, then break the connection."""
    yield from list(events)[:BEGUN]
    yield 0.1
    yield Abort.CONNECTION


def _pings(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """Say nothing for two seconds but signs of life: comments, or Anthropic's `ping`."""
    ping = event("ping", {}) if is_anthropic(path) else COMMENT
    for place, one in enumerate(events):
        yield one
        if place == BEGUN:
            for _ in range(PINGS):
                yield PING_S
                yield ping


def _silent(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """Say nothing for a while in the middle of the stream."""
    for place, one in enumerate(events):
        yield one
        if place == BEGUN:
            yield SILENCE_S


def _late(events: Iterable[bytes], path: str) -> Iterator[Step]:
    """Say nothing for a while before the first event."""
    yield SILENCE_S
    yield from events


SCENARIOS: Mapping[str, Scenario] = {
    "no-done": _without_done,
    "data-only": _data_only,
    "crlf": _crlf,
    "error-event": _error_event,
    "error-first": _error_first,
    "broken": _broken,
    "pings": _pings,
    "silent": _silent,
    "late": _late,
}
"""Model -> stream."""

NO_ANSWERS: Mapping[str, Json] = {
    "error-body": {"error": {"message": "the upstream is out of memory", "type": "server_error", "code": "oom"}},
    "no-choices": {"id": "chatcmpl-conformance", "object": "chat.completion", "created": 1, "choices": []},
}
"""Model -> body with status 200 that answers nothing."""


def _error(path: str, number: int) -> bytes:
    """Return the error event that the API's own SDKs know."""
    message = "the upstream is out of memory"
    if is_anthropic(path):
        return event("error", {"error": {"type": "overloaded_error", "message": message}})
    if path == "responses":
        more = {"code": "server_error", "message": message, "param": None, "sequence_number": number}
        return event("error", more)
    data = {"error": {"message": message, "type": "server_error", "param": None, "code": "oom"}}
    return b"data: " + json.dumps(data).encode() + b"\n\n"
