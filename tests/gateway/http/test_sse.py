import json

import pytest

from gateway.errors import UpstreamFailed
from gateway.http.endpoints import CHAT, RESPONSES
from gateway.http.sse import StreamEndDetector, format_error_event


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
