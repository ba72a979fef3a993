"""A stream is held until it says something, and one that fails before is no answer, however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.endpoints import CHAT, MESSAGES, RESPONSES, Endpoint
from gateway.proxy.stream_opening import MAX_OPENING_BYTES, StreamOpening, begins_with_text
from gateway.upstream.errors import ErrorInBody

COMMENT = b": processing\n\n"
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
ERROR = b'data: {"error":{"message":"overloaded","code":503}}\n\n'
CREATED = b'event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n'
DELTA = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"hi"}\n\n'
FAILED = b'data: {"type":"response.failed","response":{"status":"failed"}}\n\n'
START = b'event: message_start\ndata: {"type":"message_start","message":{"content":[]}}\n\n'
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
BLOCK = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"hi"}}\n\n'
PROTOCOLS = [
    (CHAT, [COMMENT, ROLE], TEXT, ERROR),
    (RESPONSES, [COMMENT, CREATED], DELTA, FAILED),
    (MESSAGES, [PING, START, COMMENT], BLOCK, OVERLOADED),
]


@given(
    st.sampled_from(PROTOCOLS),
    st.lists(st.integers(0, 2), max_size=6),
    st.booleans(),
    st.lists(st.integers(0, 1000), max_size=12),
)
def test_what_a_stream_says_first_decides(
    protocol: tuple[Endpoint, list[bytes], bytes, bytes], quiet: list[int], fails: bool, cuts: list[int]
) -> None:
    operation, says_nothing, content, error = protocol
    stream = b"".join([*(says_nothing[at % len(says_nothing)] for at in quiet), error if fails else content])
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    opening = StreamOpening(operation)
    for start, end in pairwise(places):
        assert (opening.is_over, opening.fault) == (False, None)
        opening.feed(stream[start:end])
    assert opening.is_over is not fails
    assert isinstance(opening.fault, ErrorInBody) is fails
    assert opening.take_all() == stream


def test_an_error_behind_something_said_is_the_clients() -> None:
    opening = StreamOpening(CHAT)
    opening.feed(ROLE + TEXT + ERROR)
    assert (opening.is_over, opening.fault) == (True, None)


def test_a_stream_that_ends_before_it_says_anything_has_failed() -> None:
    for stream in (b"", COMMENT, ROLE, ROLE + TEXT[:20]):
        opening = StreamOpening(CHAT)
        opening.feed(stream)
        assert not opening.is_over
        assert "before it said anything" in str(opening.end())
    done = StreamOpening(CHAT)
    done.feed(b"data: [DONE]\n\n")
    assert "before it said anything" in str(done.fault)


@pytest.mark.parametrize(
    "body", [b'{"error": {"message": "no\\nroom", "code": 429}}', b'{\n "error": {"code": 429}}\n']
)
def test_an_error_in_plain_json_that_is_labelled_a_stream_is_one(body: bytes) -> None:
    opening = StreamOpening(CHAT)
    opening.feed(body)
    fault = opening.end()
    assert isinstance(fault, ErrorInBody)
    assert fault.status == 429
    assert opening.take_all() == body


def test_signs_of_life_can_be_taken_before_the_rest() -> None:
    opening = StreamOpening(CHAT)
    opening.feed(COMMENT + COMMENT + ROLE + COMMENT)
    assert opening.take_idle() == COMMENT + COMMENT
    assert opening.take_all() == ROLE + COMMENT


def test_what_is_held_is_bounded() -> None:
    opening = StreamOpening(RESPONSES)
    opening.feed(CREATED)
    long = b'data: {"type":"response.created","x":"' + b"x" * 900_000 + b'"}\n\n'
    for _ in range(MAX_OPENING_BYTES // len(long) + 1):
        opening.feed(long)
    assert opening.is_over


def test_the_first_piece_of_most_streams_needs_no_holding() -> None:
    assert begins_with_text(CHAT, TEXT)
    assert not begins_with_text(CHAT, TEXT[:-1])
    assert not begins_with_text(CHAT, ROLE)
    assert not begins_with_text(CHAT, ERROR + TEXT)
