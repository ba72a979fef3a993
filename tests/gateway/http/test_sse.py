"""The events that the gateway itself writes are valid in each protocol's schema."""

import json
from typing import Any

import pytest

from gateway.errors import RateLimited, UpstreamFailed, UpstreamTimeout
from gateway.http.endpoints import CHAT, COMPLETIONS, MESSAGES, RESPONSES, Endpoint
from gateway.http.sse import format_error_event
from gateway.http.sse_events import parse_event

ERROR = UpstreamFailed("it broke", code="stream_interrupted")


def told(operation: Endpoint, **options: Any) -> tuple[bytes, dict[str, Any]]:
    name, data = parse_event(format_error_event(ERROR, operation, **options))
    assert data is not None
    return name, json.loads(data)


@pytest.mark.parametrize("operation", [CHAT, COMPLETIONS])
def test_openais_chunks_have_an_error_member(operation: Endpoint) -> None:
    name, document = told(operation)
    assert name == b""
    expected = {"message": "it broke", "type": "upstream_error", "param": None, "code": "stream_interrupted"}
    assert document == {"error": expected}


def test_an_error_of_responses_has_its_members_and_its_number() -> None:
    name, document = told(RESPONSES, sequence=7)
    assert (name, document["type"], document["sequence_number"]) == (b"error", "error", 7)
    assert (document["code"], document["message"], document["param"]) == ("stream_interrupted", "it broke", None)
    assert document["error"]["message"] == "it broke"


@pytest.mark.parametrize(
    ("error", "type_"),
    [
        (ERROR, "api_error"),
        (UpstreamTimeout("late"), "timeout_error"),
        (RateLimited("slow down"), "rate_limit_error"),
    ],
)
def test_an_error_of_messages_has_a_type_of_anthropics(error: UpstreamFailed, type_: str) -> None:
    name, data = parse_event(format_error_event(error, MESSAGES))
    assert name == b"error"
    document = json.loads(data or b"")
    assert (document["type"], document["error"]["type"]) == ("error", type_)


@pytest.mark.parametrize("operation", [CHAT, RESPONSES, MESSAGES])
def test_an_error_event_ends_a_half_written_one(operation: Endpoint) -> None:
    whole = format_error_event(ERROR, operation)
    assert format_error_event(ERROR, operation, is_at_boundary=False) == b"\n\n" + whole
