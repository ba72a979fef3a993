"""Text and media of a conversation, in every protocol's shapes."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import parse_config
from gateway.http.endpoints import CHAT, MESSAGES, RESPONSES, Endpoint
from gateway.http.request_body import parse_body
from gateway.proxy.capabilities import build_capability_table, filter_capable, needs_no_check, request_needs
from gateway.proxy.content_size import MEDIA, ContentSize
from gateway.proxy.usage_estimate import MEDIA_TOKENS, estimate_usage
from gateway.scorer.input_text import extract_text

CONFIG = """
models:
  - {name: small, supports: [], context_window: 1000, backends: [{kind: openai, base_url: "http://x/v1"}]}
  - {name: sees, supports: [vision, audio, tools], backends: [{kind: openai, base_url: "http://x/v1"}]}
"""
KNOWN = build_capability_table(parse_config(CONFIG, "c", {}).models)
Wrap = Callable[[list[Any]], Any]

USER: dict[str, tuple[Endpoint, str, Wrap]] = {
    "chat": (CHAT, "messages", lambda parts: [{"role": "user", "content": parts}]),
    "chat, result": (CHAT, "messages", lambda parts: [{"role": "tool", "tool_call_id": "c" * 90, "content": parts}]),
    "responses": (RESPONSES, "input", lambda parts: [{"type": "message", "role": "user", "content": parts}]),
    "responses, result": (
        RESPONSES,
        "input",
        lambda parts: [{"type": "function_call_output", "call_id": "c" * 90, "output": parts}],
    ),
    "anthropic": (MESSAGES, "messages", lambda parts: [{"role": "user", "content": parts}]),
    "anthropic, result": (
        MESSAGES,
        "messages",
        lambda parts: [
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t" * 90, "content": parts}]}
        ],
    ),
}
"""Where parts can stand."""


def media(data: str) -> dict[str, tuple[dict[str, Any], frozenset[str]]]:
    """Return a part of each shape that holds this base64, and what it needs."""
    url = f"data:image/png;base64,{data}"
    vision, audio, nothing = frozenset({"vision"}), frozenset({"audio"}), frozenset[str]()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return {
        "image_url": ({"type": "image_url", "image_url": {"url": url, "detail": "high"}}, vision),
        "image_url, flat": ({"type": "image_url", "image_url": url}, vision),
        "image_url, untyped": ({"image_url": {"url": url}}, vision),
        "input_image": ({"type": "input_image", "image_url": url, "detail": "auto"}, vision),
        "image": ({"type": "image", "source": source}, vision),
        "image by URL": ({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}, vision),
        "computer_screenshot": ({"type": "computer_screenshot", "image_url": url}, vision),
        "input_audio": ({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}, audio),
        "file": ({"type": "file", "file": {"filename": "a.pdf", "file_data": url}}, nothing),
        "input_file": ({"type": "input_file", "filename": "a.pdf", "file_data": url}, nothing),
        "document": ({"type": "document", "source": {**source, "media_type": "application/pdf"}}, nothing),
        "video_url": ({"type": "video_url", "video_url": {"url": url}}, nothing),
        "video": ({"type": "video", "source": source}, nothing),
    }


def size_of(content: Any) -> ContentSize:
    size = ContentSize()
    size.add_json(json.dumps(content).encode())
    return size


def part_of(text: str, endpoint: Endpoint) -> dict[str, str]:
    return {"type": "input_text" if endpoint is RESPONSES else "text", "text": text}


@pytest.mark.parametrize("shape", sorted(media("")))
@pytest.mark.parametrize("place", USER)
@settings(max_examples=25)
@given(raw=st.binary(min_size=1, max_size=3000), text=st.text(max_size=200), repeat=st.integers(1, 3))
def test_media_are_no_text_wherever_they_stand(shape: str, place: str, raw: bytes, text: str, repeat: int) -> None:
    endpoint, member, wrap = USER[place]
    part, needed = media(base64.b64encode(raw * 20).decode())[shape]
    parts = [part_of(text, endpoint), *([part] * repeat)]
    body = parse_body(json.dumps({"model": "auto", member: wrap(parts)}).encode(), endpoint)
    needs = request_needs(body)
    assert needs.capabilities == needed
    assert needs.tokens == len(text) // 4
    # Other protocols than Anthropic's have an underscore in every type that needs something.
    is_foreign = part["type"] == "image" and endpoint is not MESSAGES if "type" in part else False
    assert not needed or is_foreign or not needs_no_check(body, KNOWN)
    assert filter_capable(("small", "sees"), needs, KNOWN)[0] == ("sees" if needed else "small")
    found = extract_text(body.content, "all_user")
    assert found is None or found == text
    estimated = estimate_usage(body, 0).input_tokens
    least = len(text.encode("utf-8", "surrogatepass")) / 4 + repeat * MEDIA_TOKENS
    assert least <= estimated <= least + 32


@given(st.text(max_size=300), st.sampled_from(sorted(USER)))
def test_an_escape_counts_as_the_character_it_is(text: str, place: str) -> None:
    endpoint, _, wrap = USER[place]
    content = wrap([part_of(text, endpoint)])
    escaped, plain = ContentSize(), ContentSize()
    escaped.add_json(json.dumps(content, ensure_ascii=True).encode())
    plain.add_json(json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    assert escaped.characters == len(text)
    # Half of a surrogate pair is no UTF-8: only its escape is JSON.
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert plain == escaped


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*MEDIA, "type", "content", "output", "source", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
arguments = st.dictionaries(st.sampled_from([*MEDIA, "type", "content", "source"]), json_data, max_size=4)


@given(arguments)
def test_what_tools_call_their_arguments_needs_nothing(given_arguments: dict[str, Any]) -> None:
    written = json.dumps(given_arguments)
    calls = [{"id": "c", "type": "function", "function": {"name": "image_url", "arguments": written}}]
    conversations: list[tuple[Endpoint, str, Any]] = [
        (CHAT, "messages", [{"role": "assistant", "content": None, "tool_calls": calls}]),
        (
            RESPONSES,
            "input",
            [{"type": "function_call", "call_id": "c", "name": "input_image", "arguments": given_arguments}],
        ),
        (
            MESSAGES,
            "messages",
            [
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "x", "input": given_arguments}],
                }
            ],
        ),
    ]
    for endpoint, member, content in conversations:
        body = parse_body(json.dumps({"model": "auto", member: content}).encode(), endpoint)
        assert request_needs(body).capabilities == frozenset()


@given(arguments)
def test_what_schemas_call_their_properties_needs_tools_alone(schema: dict[str, Any]) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"properties": schema}}}]
    body = parse_body(json.dumps({"model": "auto", "messages": [], "tools": tools}).encode(), CHAT)
    assert request_needs(body).capabilities == {"tools"}


def test_documents_of_text_and_of_parts_count_as_what_they_are() -> None:
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x" * 400}}
    parts = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x" * 400}, text]}}
    assert size_of([{"role": "user", "content": [text]}]) == ContentSize(400, 400, 2)
    assert size_of([{"role": "user", "content": [parts]}]) == ContentSize(800, 800, 4)


def test_what_is_encrypted_or_an_id_is_no_text() -> None:
    items = [
        {"type": "reasoning", "id": "r" * 100, "encrypted_content": "e" * 1000, "summary": []},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "d" * 1000}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t" * 10, "signature": "s" * 1000}]},
        {"type": "image_generation_call", "id": "i", "result": "b" * 1000},
    ]
    assert size_of(items) == ContentSize(12, 12, 6, 1)


def test_arguments_and_results_are_text() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"image_url": "x"}'}
    assert size_of([call]).characters == len("look") + len(call["arguments"])
    assert size_of([{"type": "function_call_output", "call_id": "c", "output": "y" * 40}]).characters == 40


@pytest.mark.parametrize(
    ("content", "characters"),
    [("plain", 5), (["a", "bc"], 3), ([1, 2, 3], 12), ([[1, 2], [3]], 12), (None, 0), ({"a": 1}, 1), ([None], 0)],
)
def test_prompts_of_any_form_have_a_size(content: Any, characters: int) -> None:
    assert size_of(content).characters == characters


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_has_none(content: bytes) -> None:
    size = ContentSize()
    size.add_json(content)
    size.add_data_json(content)
    assert size == ContentSize()


@pytest.mark.parametrize("depth", [10, 900, 990, 1100, 5000, 100_000])
def test_deep_nesting_harms_nobody(depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"content": ', b"}"), (b'{"x": ', b"}")):
        content = opening * depth + b"1" + closing * depth
        size = ContentSize()
        size.add_json(content)
        size.add_data_json(content)
        assert size.characters < 30 * depth
