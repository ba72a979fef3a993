import json

import pytest

from gateway.http.token_usage import TAIL_BYTES, StreamTail, Usage, find_stream_usage, parse_usage


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, Usage(3, 4)),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4)),
        ({"prompt_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1}}, Usage(3, 0)),
        ({"prompt_tokens": -3, "completion_tokens": True}, None),
        ({}, None),
        (None, None),
    ],
)
def test_usage_is_read_in_either_wording(told: object, found: Usage | None) -> None:
    assert parse_usage(json.dumps({"id": "x", "usage": told, "z": 1}).encode()) == (True, found)


def test_what_the_answer_says_about_usage_is_not_usage() -> None:
    content = json.dumps({"content": '"usage": {"prompt_tokens": 999', "usage": {"prompt_tokens": 1}})
    assert parse_usage(content.encode()) == (True, Usage(1, 0))
    assert parse_usage(b'"usage": {"prompt_tokens": 12') == (False, None)
    assert parse_usage(b'{"usage": ' + b'{"a":' * 50_000) == (False, None)


@pytest.mark.parametrize("cut", [1, 10, 1000, 10**6])
def test_a_streams_usage_is_read_from_its_end_however_it_was_cut(cut: int) -> None:
    stream = b"data: {}\n\n" * 10_000 + b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}\n\n'
    tail = StreamTail()
    for start in range(0, len(stream), cut):
        tail.feed(stream[start : start + cut])
    assert tail.find_usage() == Usage(5, 6)
    assert sum(map(len, tail._chunks)) < TAIL_BYTES + cut


def test_only_the_top_level_decides_and_only_integers_count() -> None:
    nested = b'"timings":{"usage":{"prompt_tokens":100,"completion_tokens":200}}'
    assert parse_usage(b'{"usage":{"prompt_tokens":5,"completion_tokens":7},%b}' % nested) == (True, Usage(5, 7))
    assert parse_usage(b"{%b}" % nested) == (True, None)
    assert parse_usage(b'{"usage":{"prompt_tokens":5,"completion_tokens":"7"}}') == (True, Usage(5, 0))
    assert parse_usage(b'{"usage":[1],"lone":"\\ud83d"}') == (True, None)
    assert parse_usage(b"[1]") == (False, None)


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b'data: {"usage":{"prompt_tokens":1}}\n\ndata: {"x":{"usage":{"prompt_tokens":9}}}\n\n', Usage(1, 0)),
        (b'data: {"usage":{"prompt_tokens":1}}\r\rdata: {"usage":{"prompt_tokens":2}}\r\r', Usage(2, 0)),
        (b'data: {"response":{"usage":{"input_tokens":5,"output_tokens":7}}}\n\n', Usage(5, 7)),
        (b'lost its beginning "usage": {"prompt_tokens":3}}\n\n', Usage(3, 0)),
        (b'data: {"usage":null}\n\ndata: [DONE]\n\n', None),
    ],
)
def test_a_streams_usage_is_that_of_its_last_event(stream: bytes, found: Usage | None) -> None:
    assert find_stream_usage(stream) == found
