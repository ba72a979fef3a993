import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamFailed
from gateway.http.endpoints import CHAT, RESPONSES
from gateway.http.sse import StreamEndDetector, UsageEventFilter, format_error_event


def ended(*chunks: bytes) -> StreamEndDetector:
    end = StreamEndDetector(CHAT)
    for chunk in chunks:
        end.feed(chunk)
    return end


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: {}\n\ndata: [DONE]\n\n"],
        [b"data: [DO", b"NE]\n", b"\n"],
        [b"data: [DONE]\r\n\r\n"],
        [b"data:[DONE]\n\n"],
        [b"data: {}\n\n", b"data: [DONE]"],
    ],
)
def test_a_stream_is_done_after_done_however_it_was_cut(chunks: list[bytes]) -> None:
    assert ended(*chunks).is_done


@pytest.mark.parametrize(
    "chunks", [[], [b"data: {}\n\n"], [b'data: "data: [DONE]"\n\n'], [b"data: [DONE]\n\ndata: {}\n\n"]]
)
def test_a_stream_is_not_done_without_it(chunks: list[bytes]) -> None:
    assert not ended(*chunks).is_done


def test_an_error_event_closes_a_half_written_one() -> None:
    error = UpstreamFailed("it broke")
    assert format_error_event(error, ended(b"data: {}\n\n")).startswith(b"data: {")
    cut = format_error_event(error, ended(b'data: {"a": '))
    assert cut.startswith(b"\n\ndata: ")
    assert json.loads(cut.strip().removeprefix(b"data: "))["error"]["message"] == "it broke"


@pytest.mark.parametrize("last", [b"response.completed", b"response.incomplete", b"response.failed"])
@pytest.mark.parametrize("cut", [1, 7, 20, 1000])
def test_a_response_is_done_after_its_last_event_however_it_was_cut(last: bytes, cut: int) -> None:
    stream = b"event: response.created\ndata: {}\n\nevent: " + last + b"\ndata: {" + b"x" * 500 + b"}\n\n"
    end = StreamEndDetector(RESPONSES)
    for start in range(0, len(stream), cut):
        end.feed(stream[start : start + cut])
        assert end.is_done == (start + cut >= len(stream))


def test_a_response_is_not_done_by_what_its_data_says() -> None:
    end = StreamEndDetector(RESPONSES)
    end.feed(b'data: {"text": "event: response.completed"}\n\n')
    assert not end.is_done


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
