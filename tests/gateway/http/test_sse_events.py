"""Whole events go on, whichever way a stream is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.sse_events import MAX_EVENT_BYTES, EventSplitter, ServerSentEvent, parse_event, split_events

LINES = st.sampled_from(
    [b"data: 1", b"event: x", b": a comment", b"", b"data: \xc3\xa9", b"id: 3", b"retry: 1", b" ", b"data:"]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=30).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)
CUTS = st.lists(st.integers(0, 10_000), max_size=20)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(places)]


def dispatched(stream: bytes) -> list[ServerSentEvent]:
    return [event for event in map(parse_event, split_events(stream)) if event.data is not None]


@given(st.one_of(STREAMS, st.binary(max_size=200)), CUTS)
def test_all_of_a_stream_comes_through(stream: bytes, cuts: list[int]) -> None:
    splitter = EventSplitter()
    shown = [splitter.feed(piece) for piece in pieces(stream, cuts)]
    assert b"".join([*shown, splitter.take_rest()]) == stream


@given(STREAMS, CUTS)
def test_what_goes_on_ends_where_an_event_ends(stream: bytes, cuts: list[int]) -> None:
    splitter, written = EventSplitter(), b""
    for piece in pieces(stream, cuts):
        written += splitter.feed(piece)
        # A comment may be written here: it changes no event.
        assert dispatched(written + b": keepalive\n\n" + stream[len(written) :]) == dispatched(stream)


@pytest.mark.parametrize("sign", [b": a comment\n", b"\n", b"\r\n", b": x\n\n", b"   \n"])
def test_a_sign_of_life_does_not_wait(sign: bytes) -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\n" + sign) == b"data: 1\n\n" + sign
    assert splitter.is_empty


def test_half_an_event_waits() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    assert not splitter.is_empty
    assert splitter.is_at_boundary
    assert splitter.feed(b"3\n") == b""
    assert splitter.feed(b"\n") == b"data: 23\n\n"


def test_an_event_that_grows_too_long_goes_on_in_pieces() -> None:
    splitter = EventSplitter()
    long = b"data: " + b"x" * MAX_EVENT_BYTES
    assert splitter.feed(long) == long
    assert not splitter.is_at_boundary
    assert splitter.feed(b"yy") == b"yy"
    assert splitter.feed(b"z\n\n") == b"z\n\n"
    assert splitter.is_empty


def test_fields_are_parsed_as_the_standard_says() -> None:
    assert parse_event(b"event: a\r\ndata: 1\r\ndata:2\r\n\r\n") == ServerSentEvent(b"a", b"1\n2")
    assert parse_event(b": only a comment\n\n") == ServerSentEvent(b"", None)
    assert parse_event(b"\xef\xbb\xbfdata: 1\n\n") == ServerSentEvent(b"", b"1")
