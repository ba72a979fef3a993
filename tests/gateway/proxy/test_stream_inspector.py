"""What a client gets of a stream, and how the stream ends, do not depend on how it was cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.endpoints import CHAT, MESSAGES, RESPONSES, Endpoint
from gateway.http.hidden_usage import remove_usage
from gateway.http.stream_protocol import StreamOutcome
from gateway.http.token_usage import Usage, UsageReport, find_stream_usage
from gateway.proxy.stream_inspector import StreamEnd, StreamInspector

DELTA = b'data: {"choices":[{"delta":{"content":"Hello there, you who count %d tokens!"}}]}\n\n'
EVENTS = [
    DELTA % 1,
    b'data: {"choices":[{"delta":{"content":"\\"usage\\":{\\"prompt_tokens\\":9}"}}],"usage":null}\n\n',
    b'data: {"choices":[{"delta":{}}],"usage":null}\n\n',
    b'data: {"choices":[{"delta":{}}], "usage": null}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}\n\n',
    b'data: {"choices": [], "usage": {"prompt_tokens": 70, "completion_tokens": 50}}\r\n\r\n',
    b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n',
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"error":{"message":"overloaded"}}\n\n',
    b'data: {"type":"response.completed","sequence_number":3}\n\n',
    b": a comment\r\n\r\n",
    b": another\n",
    b"data: [DONE]\n\n",
]
CUTS = st.lists(st.integers(0, 2000), max_size=12)


def passed(pieces: list[bytes], operation: Endpoint, hides: bool) -> tuple[bytes, UsageReport, StreamEnd]:
    passing = StreamInspector(operation, hides)
    shown = b"".join(map(passing.feed, pieces))
    usage, end = passing.find_usage(), passing.read_end(is_clean=True)
    return shown + end.rest, usage, end


def passed_as_chunks(pieces: list[bytes], operation: Endpoint, hides: bool) -> tuple[bytes, UsageReport, StreamEnd]:
    """Return the same of pieces that come as whole chunks, as gateway.proxy.stream_relay passes them on."""
    passing, shown = StreamInspector(operation, hides), b""
    for piece in pieces:
        is_passed = passing.passes_chunk(b"%x\r\n%b\r\n" % (len(piece), piece))
        shown += piece if is_passed else passing.feed(piece)
    usage, end = passing.find_usage(), passing.read_end(is_clean=True)
    return shown + end.rest, usage, end


@given(
    st.lists(st.sampled_from(EVENTS), min_size=1, max_size=12),
    CUTS,
    st.booleans(),
    st.sampled_from([CHAT, RESPONSES]),
)
def test_a_stream_passes_as_one_however_it_is_cut(
    events: list[bytes], cuts: list[int], hides: bool, operation: Endpoint
) -> None:
    whole = b"".join(events)
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    pieces = [whole[start:end] for start, end in pairwise(places)]
    shown, usage, end = passed([whole], operation, hides)
    assert shown == (remove_usage(whole) if hides else whole)
    assert usage == find_stream_usage(whole)
    assert passed(pieces, operation, hides) == (shown, usage, end)
    assert passed(events, operation, hides)[:2] == (shown, usage)
    assert passed_as_chunks([piece for piece in pieces if piece], operation, hides) == (shown, usage, end)
    assert passed_as_chunks(events, operation, hides) == passed(events, operation, hides)


@pytest.mark.parametrize("many", [1, 3000])
def test_usage_at_both_ends_of_a_long_stream_is_found(many: int) -> None:
    begin = b'event: message_start\ndata: {"message":{"usage":{"input_tokens":11,"output_tokens":1}}}\n\n'
    end = b'event: message_delta\ndata: {"usage":{"output_tokens":17}}\n\n'
    last = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    pieces = [b"event: ping\ndata: {}\n\n", begin, *[DELTA % 2] * many, end, last]
    shown, usage, read = passed(pieces, MESSAGES, hides=False)
    assert (shown, usage, read.outcome) == (b"".join(pieces), Usage(11, 17), StreamOutcome.COMPLETE)


STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'


@pytest.mark.parametrize(
    ("rest", "is_clean", "outcome", "written"),
    [
        (b"data: [DONE]", True, StreamOutcome.COMPLETE, b"data: [DONE]"),
        (b"data: [DONE]\n", False, StreamOutcome.COMPLETE, b"data: [DONE]\n"),
        (STOP + b"\n", True, StreamOutcome.COMPLETE, STOP + b"\n\n"),
        (b'data: {"error":{"message":"no"}}', True, StreamOutcome.ERROR, b'data: {"error":{"message":"no"}}\n\n'),
        (b'data: {"choices":[{"del', True, StreamOutcome.BROKEN, b""),
        (b'data: {"choices":[{"del', False, StreamOutcome.BROKEN, b""),
        (DELTA[:-2] % 1, False, StreamOutcome.BROKEN, b""),
        (DELTA[:-2] % 1, True, StreamOutcome.BROKEN, DELTA[:-2] % 1),
    ],
)
def test_an_event_without_its_end_is_completed_or_dropped(
    rest: bytes, is_clean: bool, outcome: StreamOutcome, written: bytes
) -> None:
    inspector = StreamInspector(CHAT, hides_usage=False)
    assert inspector.feed(DELTA % 1) == DELTA % 1
    assert inspector.feed(rest) == b""
    end = inspector.read_end(is_clean)
    assert (end.outcome, end.rest) == (outcome, written)
    assert end.is_at_boundary == (not written or written.endswith(b"\n\n"))


def test_pieces_are_counted_by_events_and_not_by_cuts() -> None:
    whole, cut = StreamInspector(CHAT, hides_usage=False), StreamInspector(CHAT, hides_usage=False)
    for _ in range(20):
        whole.feed(DELTA % 1)
        for place in range(0, len(DELTA % 1), 7):
            cut.feed((DELTA % 1)[place : place + 7])
    assert cut.estimate_output_tokens() == whole.estimate_output_tokens() > 100
