"""What goes to the backend, and what comes back, when all is well."""

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.gateway.asking import HELLO, ask, chat, connection
from tests.gateway.fake_upstream import BODY, STREAM, Upstream

OURS = {"task", "model", "backend", "reason", "decision", "attempts", "overhead-ms"}


def test_the_answer_is_the_backends_byte_for_byte(gateway: str, upstream: Upstream) -> None:
    response = chat(gateway)
    assert response.status == 200
    assert response.body == BODY
    assert response.headers["openai-processing-ms"] == "7"
    assert "set-cookie" not in response.headers


def test_a_stream_is_the_backends_byte_for_byte(gateway: str, upstream: Upstream) -> None:
    response = chat(gateway, stream=True)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.body == b"".join(STREAM)


@pytest.mark.parametrize("stream", [True, False])
def test_headers_say_where_a_request_went_and_why(gateway: str, upstream: Upstream, stream: bool) -> None:
    response = chat(gateway, task="my/task:1", stream=stream)
    told = {name: response.ours(name) for name in OURS}
    assert told.pop("overhead-ms")
    assert told == {
        "task": "my/task:1",
        "model": "good",
        "backend": "good/1",
        "reason": "no-pack",
        "decision": "0",
        "attempts": "1",
    }
    assert response.headers["x-request-id"].startswith("req_")


def test_unknown_members_are_forwarded_untouched(gateway: str, upstream: Upstream) -> None:
    extra: dict[str, Any] = {
        "tools": [{"type": "function", "x": {"y": None}}],
        "future": 12345678901234567890123,
        "metadata": {"k": "v"},
    }
    chat(gateway, **extra)
    assert json.loads(upstream.last.body) == {**HELLO, "model": "good", **extra}


def test_the_clients_key_does_not_reach_the_backend(gateway: str, upstream: Upstream) -> None:
    ask(gateway, body=HELLO, authorization="Bearer client-secret", cookie="a=b", traceparent="00-1")
    assert "authorization" not in upstream.last.headers
    assert "cookie" not in upstream.last.headers
    assert upstream.last.headers["traceparent"] == "00-1"


@pytest.mark.parametrize(
    "content",
    [
        "",
        [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        [],
        None,
        "long " * 200_000,
    ],
    ids=["empty", "parts", "image", "no parts", "null", "1 MB"],
)
def test_any_content_is_routed_and_forwarded_unchanged(gateway: str, upstream: Upstream, content: Any) -> None:
    messages = [{"role": "user", "content": content}]
    assert chat(gateway, task="t", messages=messages).status == 200
    assert json.loads(upstream.last.body)["messages"] == messages


def test_half_a_surrogate_pair_reaches_the_backend_as_it_was_written(gateway: str, upstream: Upstream) -> None:
    body = rb'{"model":"auto","messages":[{"role":"user","content":"\ud83d"}]}'
    assert ask(gateway, body=body).status == 200
    assert rb'"\ud83d"' in upstream.last.body


def test_many_requests_share_a_connection(gateway: str, upstream: Upstream) -> None:
    before = upstream.connections
    with connection(gateway) as made:
        for _ in range(20):
            made.request("POST", "/v1/chat/completions", json.dumps(HELLO))
            assert made.getresponse().read() == BODY
    assert upstream.connections - before <= 1


@pytest.fixture
def client(gateway: str) -> Any:
    with OpenAI(base_url=f"{gateway}/v1", api_key="k", max_retries=0) as made:
        yield made


def test_the_official_client_is_answered(client: OpenAI, upstream: Upstream) -> None:
    answer = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "hi"}], metadata={"task_id": "t1", "a": "b"}
    )
    assert answer.choices[0].message.content == "hello"
    assert json.loads(upstream.last.body)["metadata"] == {"a": "b"}


def test_the_official_client_streams(client: OpenAI, upstream: Upstream) -> None:
    stream = client.chat.completions.create(
        model="task/t2", messages=[{"role": "user", "content": "hi"}], stream=True, extra_headers={"x-task-id": "t"}
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "hello"


def test_the_official_client_lists_models(client: OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert ids[:2] == ["auto", "good"]
    assert client.models.retrieve("good").id == "good"
