import json
from typing import Any

import pytest

from gateway.scorer.input_text import MAX_CHARACTERS, NoInputText, extract_text

TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": None, "tool_calls": []},
    {
        "role": "user",
        "content": [{"type": "text", "text": "second"}, {"type": "image_url"}, {"type": "text", "text": "b"}],
    },
    {"role": "assistant", "content": "answer"},
]


def text(content: Any, selector: str = "last_user") -> str | None:
    return extract_text(json.dumps(content).encode(), selector)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("last_user", "second\nb"),
        ("first_user", "first"),
        ("all_user", "first\nsecond\nb"),
        ("all", "be brief\nfirst\nsecond\nb\nanswer"),
    ],
)
def test_a_selector_takes_its_part(selector: str, expected: str) -> None:
    assert text(TALK, selector) == expected


@pytest.mark.parametrize(
    "content",
    [
        [],
        [{"role": "system", "content": "only this"}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": " \n"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": 7}],
        [{"role": "user"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}, 3, {"type": "text"}]}],
        [3, None, [1]],
        "",
        [1, 2, 3],
    ],
)
def test_no_text_is_no_error(content: Any) -> None:
    assert text(content) is None


def test_prompts_and_response_items_are_texts_too() -> None:
    assert text("a prompt") == "a prompt"
    assert text(["one", "two"]) == "one\ntwo"
    assert text([{"role": "user", "content": [{"type": "input_text", "text": "item"}]}]) == "item"


def test_a_long_text_is_cut() -> None:
    assert text([{"role": "user", "content": "x" * 1_000_000}]) == "x" * MAX_CHARACTERS


def test_half_a_surrogate_pair_is_a_text() -> None:
    assert extract_text(rb'[{"role":"user","content":"a\ud83d"}]', "last_user") == "a\ud83d"


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b"7", b"null", b"\xff", b"[" * 100_000])
def test_what_is_neither_messages_nor_a_prompt_is_refused(data: bytes) -> None:
    with pytest.raises(NoInputText):
        extract_text(data, "last_user")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.metadata.ticket", "broken"),
        ("$.messages[0].content", "be brief"),
        ("$.messages[?@.role == 'user']", "first\nsecond\nb"),
        ("$.messages[3].content[*]", "second\nb"),
        ("$..ticket", "broken"),
        ("$.nothing.here", None),
        ("$.messages", None),
    ],
)
def test_a_jsonpath_reads_the_whole_body(path: str, expected: str | None) -> None:
    assert text({"messages": TALK, "metadata": {"ticket": "broken"}}, path) == expected


def test_a_body_too_deep_for_a_jsonpath_is_refused() -> None:
    with pytest.raises(NoInputText):
        extract_text(b'{"a":' * 900 + b"1" + b"}" * 900, "$..a")
