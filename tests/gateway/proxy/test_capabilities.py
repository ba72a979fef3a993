import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import parse_config
from gateway.errors import InvalidRequest
from gateway.http.endpoints import CHAT
from gateway.http.request_body import parse_body
from gateway.proxy.capabilities import (
    build_capability_table,
    filter_capable,
    needs_no_check,
    request_needs,
)

CONFIG = """
models:
  - {name: plain, supports: [], context_window: 100, backends: [{kind: openai, base_url: "http://x/v1"}]}
  - {name: tools, supports: [tools, json_schema], backends: [{kind: openai, base_url: "http://x/v1"}]}
  - {name: unknown, context_window: 1000, backends: [{kind: openai, base_url: "http://x/v1"}]}
"""
KNOWN = build_capability_table(parse_config(CONFIG, "c", {}).models)
ALL = ("plain", "tools", "unknown")


def left(**members: Any) -> tuple[str, ...]:
    body = parse_body(
        json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], **members}).encode(), CHAT
    )
    found = filter_capable(ALL, request_needs(body), KNOWN)
    assert found == ALL or not needs_no_check(body, KNOWN)
    return found


def test_a_plain_request_can_go_anywhere() -> None:
    assert left() == ALL
    assert left(tools=None, response_format={"type": "json_object"}) == ALL
    assert left(tools=[]) == ALL


def test_a_model_that_does_not_list_what_a_request_needs_is_passed_over() -> None:
    assert left(tools=[{"type": "function"}]) == ("tools", "unknown")
    assert left(response_format={"type": "json_schema", "json_schema": {}}) == ("tools", "unknown")
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:" + "A" * 90_000}}]}]
    assert left(messages=picture) == ("unknown",)
    assert left(messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]) == ("unknown",)


def test_a_request_longer_than_the_context_window_goes_elsewhere() -> None:
    assert left(messages=[{"role": "user", "content": "word " * 100}]) == ("tools", "unknown")
    assert left(messages=[{"role": "user", "content": "word " * 1000}]) == ("tools",)


@given(st.integers(0, 500), st.sampled_from([{}, {"tools": [1]}, {"response_format": {}}, {"user": "a_b"}]))
def test_what_needs_nothing_is_not_held_up_and_goes_anywhere(length: int, more: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": "x" * length}]
    body = parse_body(json.dumps({"model": "auto", "messages": messages, **more}).encode(), CHAT)
    assert needs_no_check(body, KNOWN) == (len(body.content) <= 400 and not {"tools", "response_format"} & set(more))
    assert filter_capable(ALL, request_needs(body), KNOWN) == ALL or not needs_no_check(body, KNOWN)


def test_when_no_model_can_the_client_is_told_why_each_cannot() -> None:
    body = parse_body(
        json.dumps({"model": "auto", "messages": [{"role": "user", "content": "x" * 8000}], "tools": [1]}).encode(),
        CHAT,
    )
    with pytest.raises(InvalidRequest) as caught:
        filter_capable(("plain", "unknown"), request_needs(body), KNOWN)
    assert caught.value.code == "no_eligible_model"
    assert "plain does not support tools" in caught.value.message
    assert "unknown has a context window of 1000 tokens, the request about 20" in caught.value.message
