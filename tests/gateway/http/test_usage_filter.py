"""The event that only the gateway asked for is taken out; everything else goes through as it came."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.http.usage_filter import UsageEventFilter

USAGE = b'data: {"choices": [],"usage":{"prompt_tokens":5}}'
KEPT = (
    b'data: {"choices":[{"delta":{"content":"\\"usage\\": {\\"choices\\": []"}}],"usage":null}',
    b": a comment",
    b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":5}}',
    b'data: {"choices":[]}',
    b"data: [DONE]",
    b"",
)
ENDS = st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"])


def passed(stream: bytes, cuts: list[int]) -> bytes:
    hidden, places = UsageEventFilter(), sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    pieces = [hidden.feed(stream[a:b]) for a, b in pairwise(places)]
    return b"".join([*pieces, hidden.flush()])


@given(st.lists(st.tuples(st.sampled_from([*KEPT[:-1], USAGE]), ENDS)), st.lists(st.integers(0, 10_000)))
def test_all_but_the_usage_event_comes_through_however_it_was_cut(
    events: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(event + end for event, end in events)
    assert passed(stream, cuts) == b"".join(event + end for event, end in events if event is not USAGE)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_bytes_that_are_no_events_come_through(noise: bytes, cuts: list[int]) -> None:
    assert passed(noise, cuts) == noise


def test_a_whole_event_does_not_wait() -> None:
    assert UsageEventFilter().feed(b"data: 1\n\n") == b"data: 1\n\n"
    hidden = UsageEventFilter()
    assert hidden.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    assert hidden.feed(b"3\n\n") == b"data: 23\n\n"


def test_a_usage_event_that_is_cut_off_by_the_end_is_taken_out_too() -> None:
    hidden = UsageEventFilter()
    assert hidden.feed(USAGE) + hidden.flush() == b""
