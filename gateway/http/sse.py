"""Server-sent events (WHATWG HTML, 9.2) that the gateway itself writes: signs of life, and errors in each protocol."""

import json

from gateway.errors import RequestError
from gateway.http.endpoints import MESSAGES, RESPONSES, Endpoint
from gateway.http.error_envelope import JSON, encode_error, to_dict
from gateway.http.headers import Headers, first_value

EVENT_STREAM = b"text/event-stream"

KEEPALIVE_COMMENT = b": keepalive\n\n"
"""A line that begins with a colon is a comment (WHATWG HTML, 9.2.6)."""


def is_event_stream(headers: Headers) -> bool:
    """Return whether a body is a stream of events."""
    content_type = first_value(headers, b"content-type")
    if content_type is None or content_type == JSON:  # nearly always one of them
        return False
    return content_type.partition(b";")[0].strip().lower() == EVENT_STREAM


def format_error_event(
    error: RequestError, operation: Endpoint, is_at_boundary: bool = True, sequence: int = 0
) -> bytes:
    """Return an event that reports an error as the protocol's clients read one.

    is_at_boundary: False ends a half-written event first. sequence: of the event, on /v1/responses.
    """
    # Anthropic's clients dispatch by the event's name, OpenAI's by the `error` member of its data.
    name = b"event: error\n" if operation in (MESSAGES, RESPONSES) else b""
    data = _responses_error(error, sequence) if operation is RESPONSES else encode_error(error, operation)
    return (b"" if is_at_boundary else b"\n\n") + name + b"data: " + data + b"\n\n"


def _responses_error(error: RequestError, sequence: int) -> bytes:
    """Return the data of an `error` event of /v1/responses.

    As the API reference has it, with its members at the top level; and with `error` as the API itself sends it, which
    is what makes OpenAI's clients raise (openai._streaming, core/streaming.mjs).
    """
    told = to_dict(error)["error"]
    members = {name: told[name] for name in ("code", "message", "param")}
    return json.dumps({"type": "error", **members, "sequence_number": sequence, "error": told}).encode()
