"""What the events of each protocol mean; the outcomes are what the official clients accept."""

import pytest

from gateway.http.endpoints import CHAT, COMPLETIONS, MESSAGES, RESPONSES, Endpoint
from gateway.http.stream_protocol import (
    EventKind,
    StreamOutcome,
    classify_event,
    find_outcome,
    next_sequence_number,
    says_text,
)

IDLE, OPENING, CONTENT, ERROR, LAST = EventKind
COMPLETE, FAILED, BROKEN = StreamOutcome


def data(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


def typed(name: str, *, by: str = "both", more: str = "") -> bytes:
    """An event of a type, told by its name, its data or both."""
    fields = [f"event: {name}"] if by != "data" else []
    type_ = f'"type":"{name}"' if by != "name" else '"x":1'
    return "\n".join([*fields, f"data: {{{type_}{more}}}", "", ""]).encode()


TEXT = data('{"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}')
ROLE = data('{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}')
STOP = data('{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
USAGE = data('{"choices":[],"usage":{"prompt_tokens":1}}')
BACKEND_ERROR = data('{"error":{"message":"overloaded","code":502}}')
DONE = data("[DONE]")


@pytest.mark.parametrize(
    ("operation", "event", "kind"),
    [
        (CHAT, b": comment\n\n", IDLE),
        (CHAT, b"\n", IDLE),
        (CHAT, b"data:\n\n", IDLE),
        (CHAT, ROLE, OPENING),
        (CHAT, data('{"choices":[],"prompt_filter_results":[]}'), OPENING),
        (CHAT, data('{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":[]}}]}'), OPENING),
        (CHAT, TEXT, CONTENT),
        (CHAT, STOP, CONTENT),
        (CHAT, data('{"choices":[{"delta":{"reasoning_content":"hm"}}]}'), CONTENT),
        (CHAT, data('{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}'), CONTENT),
        (CHAT, data("no json"), CONTENT),
        (CHAT, BACKEND_ERROR, ERROR),
        (CHAT, b'event: error\ndata: {"message":"no"}\n\n', ERROR),
        (CHAT, data('{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}'), ERROR),
        (CHAT, data('{"error":"words","choices":[{"delta":{"content":""}}]}'), ERROR),
        (CHAT, data('{"error":null,"choices":[{"delta":{"content":"x"}}]}'), CONTENT),
        (COMPLETIONS, data('{"choices":[{"text":""}]}'), OPENING),
        (COMPLETIONS, data('{"choices":[{"text":"x"}]}'), CONTENT),
        (CHAT, DONE, LAST),
        (RESPONSES, typed("response.created", more=',"response":{"error":null}'), OPENING),
        (RESPONSES, typed("response.in_progress", by="data"), OPENING),
        (RESPONSES, typed("response.output_text.delta"), CONTENT),
        (RESPONSES, typed("response.failed"), ERROR),
        (RESPONSES, typed("error", by="data"), ERROR),
        (RESPONSES, data('{"error":{"message":"no"}}'), ERROR),
        (RESPONSES, typed("response.completed", by="name"), LAST),
        (RESPONSES, typed("response.incomplete", by="data"), LAST),
        (MESSAGES, typed("message_start"), OPENING),
        (MESSAGES, typed("ping"), IDLE),
        (MESSAGES, typed("content_block_start", more=',"content_block":{"type":"text","text":""}'), OPENING),
        (MESSAGES, typed("content_block_start", more=',"content_block":{"type":"tool_use","name":"t"}'), CONTENT),
        (MESSAGES, typed("content_block_delta"), CONTENT),
        (MESSAGES, typed("error", more=',"error":{"type":"overloaded_error"}'), ERROR),
        (MESSAGES, typed("message_stop", by="name"), LAST),
    ],
)
def test_events_mean_what_their_protocol_says(operation: Endpoint, event: bytes, kind: EventKind) -> None:
    assert classify_event(operation, event) is kind
    assert classify_event(operation, event.replace(b"\n", b"\r\n")) is kind


def test_the_short_way_agrees_with_the_long_one() -> None:
    assert says_text(CHAT, TEXT)
    for event in (ROLE, USAGE, BACKEND_ERROR, DONE, b": comment\n\n"):
        assert not says_text(CHAT, event)


TWO = data('{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}')


@pytest.mark.parametrize(
    ("operation", "events", "clean", "cut"),
    [
        (CHAT, [TEXT, STOP, DONE], COMPLETE, COMPLETE),
        (CHAT, [TEXT, STOP], COMPLETE, BROKEN),
        (CHAT, [TEXT, STOP, USAGE, b": ping\n\n"], COMPLETE, BROKEN),
        (CHAT, [TEXT], BROKEN, BROKEN),
        (CHAT, [TEXT, TWO, STOP], BROKEN, BROKEN),
        (CHAT, [TEXT, DONE, TEXT], BROKEN, BROKEN),
        (CHAT, [TEXT, BACKEND_ERROR], FAILED, FAILED),
        (CHAT, [TEXT, BACKEND_ERROR, DONE], FAILED, FAILED),
        (CHAT, [TEXT, BACKEND_ERROR, b": bye\n\n"], FAILED, FAILED),
        (CHAT, [], BROKEN, BROKEN),
        (RESPONSES, [typed("response.completed", by="data")], COMPLETE, COMPLETE),
        (RESPONSES, [typed("response.completed", by="name")], COMPLETE, COMPLETE),
        (RESPONSES, [typed("response.incomplete"), DONE], COMPLETE, COMPLETE),
        (RESPONSES, [typed("response.output_text.delta"), DONE], BROKEN, BROKEN),
        (RESPONSES, [data('{"delta":"event: response.completed"}')], BROKEN, BROKEN),
        (RESPONSES, [typed("error", by="data")], FAILED, FAILED),
        (RESPONSES, [typed("response.failed")], FAILED, FAILED),
        (MESSAGES, [typed("message_delta"), typed("message_stop")], COMPLETE, COMPLETE),
        (MESSAGES, [typed("message_delta")], BROKEN, BROKEN),
        (MESSAGES, [typed("error")], FAILED, FAILED),
    ],
)
def test_a_stream_has_ended_as_the_clients_read_it(
    operation: Endpoint, events: list[bytes], clean: StreamOutcome, cut: StreamOutcome
) -> None:
    for pieces in (events, [b"".join(events)]):
        assert find_outcome(operation, pieces, is_clean=True) is clean
        assert find_outcome(operation, pieces, is_clean=False) is cut


def test_an_error_event_has_the_next_number() -> None:
    assert next_sequence_number([]) == 0
    assert next_sequence_number([data('{"sequence_number": 4}'), data('{"sequence_number":5}'), DONE]) == 6
