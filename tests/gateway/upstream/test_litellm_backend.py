"""A provider that does not speak OpenAI's API, through litellm: the gateway runs as its own program, as litellm is
heavy and noisy.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.fetch import get_json
from demo.processes import free_port, run_process
from tests.gateway.anthropic import Handler, running_anthropic
from tests.gateway.asking import HELLO, ask, chat


def model(name: str, upstream: str, base_url: str) -> dict[str, Any]:
    backend: dict[str, Any] = {
        "kind": "litellm",
        "model": f"anthropic/{upstream}",
        "base_url": base_url,
        "api_key": "sk-ant",
    }
    backend["headers"] = {"X-Team": "ours"}
    return {"name": name, "backends": [backend]}


@pytest.fixture(scope="module")
def claude(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = Path(tmp_path_factory.mktemp("litellm")), free_port()
    with running_anthropic() as base_url:
        names = {
            name: f"claude-{name}" if name != "claude" else "claude-test"
            for name in ("claude", "busy", "picky", "limited", "gone")
        }
        models = [model(name, upstream, base_url) for name, upstream in names.items()]
        tasks = {"busy-then-claude": {"candidates": ["busy", "claude"], "pin": "busy"}}
        state = {"url": f"sqlite:///{folder}/state.db"}
        config = {"models": models, "tasks": tasks, "state": state, "upstream": {"max_retry_after_s": 1}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        arguments = ["gateway.cli", "serve", "--config", str(folder / "config.yaml"), "--port", str(port)]
        with run_process("the gateway", arguments, folder / "log", {"PYTHONWARNINGS": "ignore"}) as child:
            child.wait_until(lambda: get_json(port, "/health/live") is not None, 60)
            yield f"http://127.0.0.1:{port}"


def test_an_answer_comes_in_openais_words(claude: str) -> None:
    response = chat(claude, "claude", max_tokens=5)
    assert response.status == 200
    assert response.json["object"] == "chat.completion"
    assert response.json["choices"][0]["message"]["content"] == "hello"
    assert response.json["usage"]["total_tokens"] == 5
    headers, body = Handler.received[-1]
    assert body["max_tokens"] == 5
    assert {name.lower(): value for name, value in headers.items()}["x-api-key"] == "sk-ant"


def test_a_clients_headers_reach_the_provider_without_its_credentials(claude: str) -> None:
    """With a backend's own before them; litellm's clients say themselves who they are, and which version they speak."""
    sent = {
        "x_title": "client",
        "x_team": "theirs",
        "anthropic_beta": "context-1m-2025-08-07",
        "authorization": "Bearer client-secret",
    }
    more = {"x_forwarded_for": "10.0.0.1", "openai_project": "p", "accept": "text/plain", "cookie": "a=b"}
    response = ask(claude, body={**HELLO, "model": "claude", "max_tokens": 5}, **sent, **more)
    assert response.status == 200
    headers = {name.lower(): value for name, value in Handler.received[-1][0].items()}
    assert (headers["x-title"], headers["x-team"], headers["openai-project"]) == ("client", "ours", "p")
    assert "context-1m-2025-08-07" in headers["anthropic-beta"]
    assert headers["x-api-key"] == "sk-ant"
    assert not {"x-forwarded-for", "cookie"} & set(headers)
    assert "client-secret" not in str(headers)
    assert headers["accept"] != "text/plain"


def test_a_stream_comes_in_openais_words(claude: str) -> None:
    response = chat(claude, "claude", stream=True)
    events = response.body.decode().strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "hello"


def test_a_client_cannot_redirect_the_call(claude: str) -> None:
    """Of litellm's arguments only OpenAI's are a client's to give."""
    mine = {"api_base": "http://127.0.0.1:9", "api_key": "x", "base_url": "http://127.0.0.1:9", "mock_response": "no"}
    response = chat(claude, "claude", **mine)
    assert response.json["choices"][0]["message"]["content"] == "hello"


@pytest.mark.parametrize("stream", [True, False])
def test_a_provider_that_stays_overloaded_is_passed_over(claude: str, stream: bool) -> None:
    response = chat(claude, task="busy-then-claude", stream=stream)
    assert (response.status, response.ours("model"), response.ours("attempts")) == (200, "claude", "3")


def test_a_refusal_is_the_clients_to_see(claude: str) -> None:
    response = chat(claude, "picky")
    assert response.status == 400
    assert "max_tokens: no" in response.error["message"]
    assert "sk-ant" not in response.error["message"]


def test_what_is_passed_through_needs_a_backend_that_takes_bytes(claude: str) -> None:
    response = ask(claude, "/v1/images/generations", body={"model": "claude", "prompt": "a fish"})
    assert (response.status, response.error["code"]) == (502, "upstream_failed")
    assert "claude/1 answers only /chat/completions and /messages" in response.error["message"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("name", "status", "message"),
    [("limited", 429, "too many tokens"), ("gone", 404, "model: claude-gone"), ("busy", 529, "Overloaded")],
)
def test_a_providers_error_keeps_its_status_and_its_words(
    claude: str, name: str, status: int, message: str, stream: bool
) -> None:
    response = chat(claude, name, stream=stream)
    assert (response.status, response.error["message"]) == (status, message)
    assert (response.ours("model"), response.ours("backend")) == (name, f"{name}/1")
    if name == "limited":
        assert response.headers["retry-after"] == "9"
        assert response.headers["anthropic-ratelimit-tokens-remaining"] == "0"
