"""What is stored of prompts and answers: no secret, whichever way it is written or cut."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.service import LogConfig
from gateway.http.json_members import split_members
from gateway.request_log.bodies import BodyEncoder, StoredBody, decode_body

PATTERNS = [re.compile(one) for one in LogConfig().redact]
SECRETS = (
    "sk-proj-abcdefghijklmnop1234", "sk-ant-api03-abcdefghijklmnopqrst", "AKIAIOSFODNN7EXAMPLE0", "ghp_" + "a1" * 18,
    "Bearer abc.def-ghi_jkl", "jo.doe+x@mail.example.org", "4111 1111 1111 1111", "4111-1111-1111-1111",
    "378282246310005", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "xoxb-123456789012-abcdefghij",
)  # fmt: skip


def stored(body: object, answer: bytes = b"", max_chars: int = 4000) -> StoredBody:
    members = split_members(json.dumps(body).encode())
    found = decode_body(BodyEncoder(PATTERNS, max_chars).encode(members, answer))
    assert found is not None
    return found


def said(text: str) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "key: {}.", "first\n{}\nlast", "\t{}", "é{} ü", '"{}"', "({})"])
def test_secrets_of_known_forms_are_redacted_wherever_they_stand(secret: str, around: str) -> None:
    text = around.format(secret)
    whole = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
    found = stored(said(text), whole)
    hidden = secret.removeprefix("Bearer ")
    assert hidden not in found.prompt
    assert hidden not in found.answer
    assert "[redacted]" in found.prompt


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SECRETS), st.lists(st.integers(1, 9), min_size=40, max_size=40))
def test_a_secret_that_a_stream_cuts_into_pieces_is_redacted(secret: str, cuts: list[int]) -> None:
    pieces, rest = list[str](), f"The key is {secret} ."
    for size in cuts:
        pieces, rest = [*pieces, rest[:size]], rest[size:]
    stream = b": hello\n\n" + b"".join(
        b"data: " + json.dumps({"choices": [{"delta": {"content": piece}}]}).encode() + b"\n\n"
        for piece in [*pieces, rest]
    )
    found = stored(said("x"), stream + b"data: [DONE]\n\n")
    assert secret.removeprefix("Bearer ") not in found.answer
    assert found.answer.startswith("The key is ")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SECRETS), st.integers(0, 700))
def test_a_secret_where_the_text_is_cut_leaves_no_part(secret: str, before: int) -> None:
    found = stored(said("x " * (before // 2) + secret + " y" * 900), max_chars=400)
    assert found.is_prompt_cut
    assert secret.removeprefix("Bearer ")[:12] not in found.prompt
    assert len(found.prompt) <= 400


@pytest.mark.parametrize(
    "text",
    [
        "a basic understanding of mathematics",
        "pi is 3.14159265358979",
        "task-1234567890",
        "see README.md@main",
        "12:30",
    ],
)
def test_plain_text_stays(text: str) -> None:
    assert text in stored(said(text)).prompt


def test_media_are_placeholders_in_every_dialect() -> None:
    data = "iVBORw0KGgo" + "A" * 4000
    body = {
        "messages": [
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
                {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
                {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}", "filename": "a.pdf"}},
                {"type": "text", "text": "What is this?"},
            ]},
        ],
    }  # fmt: skip
    found = stored(body)
    assert "iVBOR" not in found.prompt
    assert [
        part for part in ("image/png", "application/pdf", "[data, ", "What is this?") if part not in found.prompt
    ] == []
    assert not found.is_prompt_cut


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"type": "response.output_text.delta", "delta": "hi"}, "hi"),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hi"}}, "hi"),
        ({"choices": [{"text": "hi"}]}, "hi"),
        ({"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]}, "f{}"),
        ({"type": "response.completed", "response": {"output": [{"text": "hi"}]}}, ""),
        ({"choices": [7, {"delta": 3}]}, ""),
        ({"choices": "no"}, ""),
    ],
)
def test_the_text_of_a_stream_in_each_dialect(event: object, text: str) -> None:
    assert stored(said("x"), b"data: " + json.dumps(event).encode() + b"\n\n").answer == text


@pytest.mark.parametrize("answer", [b"{cut off", b"", b"[1", b"data: {broken\n\n", b"\xff\xfe"])
def test_what_cannot_be_parsed_is_not_stored(answer: bytes) -> None:
    assert stored(said("x"), answer).answer == ""


def test_patterns_see_no_more_of_a_long_text_than_is_stored() -> None:
    assert len(stored(said("word " * 200_000), max_chars=1000).prompt) <= 1000
    assert stored({"messages": [{"content": "a" * 9_000_000}]}).is_prompt_cut
