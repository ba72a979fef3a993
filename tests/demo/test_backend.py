"""The demo backend speaks the OpenAI API: checked over HTTP with the official client."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from demo.backend import count_tokens
from demo.models import MODELS


@pytest.fixture(scope="module")
def client(backend_port: int) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"http://127.0.0.1:{backend_port}/v1", api_key="any", max_retries=0) as client:
        yield client


def _post(port: int, body: bytes) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_models_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [model.name for model in MODELS]


def test_a_completion(client: OpenAI) -> None:
    said = client.chat.completions.create(model="calc-1", messages=[{"role": "user", "content": "What is 2 + 3?"}])
    assert said.choices[0].message.content == "The answer is 5."
    assert (said.model, said.choices[0].finish_reason) == ("calc-1", "stop")
    assert said.usage is not None
    assert said.usage.prompt_tokens == count_tokens("What is 2 + 3?") + 3
    assert said.usage.total_tokens == said.usage.prompt_tokens + count_tokens("The answer is 5.")


def test_each_model_answers_with_its_own_skills(client: OpenAI) -> None:
    question = 'Write the word "planet" backwards.'
    answers = {
        name: client.chat.completions.create(model=name, messages=[{"role": "user", "content": question}])
        .choices[0]
        .message.content
        for name in ("scribe-1", "metric-1")
    }
    assert answers == {"scribe-1": 'It becomes "tenalp"', "metric-1": "planet"}


def test_the_last_user_message_is_answered_and_parts_are_read(client: OpenAI) -> None:
    said = client.chat.completions.create(
        model="calc-1",
        messages=[
            {"role": "system", "content": "Be brief: 1 + 1."},
            {"role": "user", "content": "2 + 2"},
            {"role": "assistant", "content": "4"},
            {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "20 + 3?"}]},
        ],
    )
    assert said.choices[0].message.content == "The answer is 23."


def test_a_stream_has_a_role_pieces_an_end_and_the_usage_if_asked_for(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Sort these words: pear, fig, apple, kiwi, plum"}]
    whole = client.chat.completions.create(model="scribe-1", messages=messages)
    stream = client.chat.completions.create(
        model="scribe-1", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len([piece for piece in pieces if piece]) >= 2
    assert "".join(pieces) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_a_stream_without_options_has_no_usage_and_ends_with_done(backend_port: int) -> None:
    connection = HTTPConnection("127.0.0.1", backend_port, timeout=5)
    body = {"model": "calc-1", "stream": True, "messages": [{"role": "user", "content": "1 + 1"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    response = connection.getresponse()
    raw = response.read().decode()
    connection.close()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert raw.endswith("data: [DONE]\n\n")
    assert "usage" not in raw


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.chat.completions.create(model="calc-9", messages=[{"role": "user", "content": "1 + 1"}])
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_messages_must_be_there(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="at least one message"):
        client.chat.completions.create(model="calc-1", messages=[])


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"{", None), (b"[]", None), (b"{}", "model"), (b'{"model": "calc-1", "messages": [1]}', "messages"),
     (b'{"model": "calc-1", "messages": [{"role": "user", "content": 1}]}', "messages"), (b"\xff", None)],
)  # fmt: skip
def test_bad_requests_get_the_error_envelope(backend_port: int, body: bytes, param: str | None) -> None:
    status, answer = _post(backend_port, body)
    assert status == 400
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert (answer["error"]["type"], answer["error"]["param"]) == ("invalid_request_error", param)


def test_tokens_are_counted_the_same_every_time() -> None:
    assert count_tokens("Sort: pear, strawberries.") == 7
    assert count_tokens("") == 0
