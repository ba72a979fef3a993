"""Anthropic's /v1/messages: to a backend that answers it, and translated for those that do not."""

import json
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.fetch import get_json
from demo.processes import free_port, run_process
from gateway.upstream.litellm_backend import missing_dependency
from tests.gateway.anthropic import Handler, running_anthropic
from tests.gateway.asking import Response, ask, connection
from tests.gateway.fake_upstream import MESSAGE, MESSAGE_STREAM, Upstream
from tests.gateway.serving import configuration, running_gateway

HELLO: dict[str, Any] = {"model": "auto", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/messages"


@pytest.fixture(scope="module")
def native(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway whose first model answers messages, and whose last does not."""
    sections = {
        "state": {"url": f"sqlite:///{tmp_path_factory.mktemp('messages')}/s.db"},
        "upstream": {"retries": 0},
        "tasks": {"only-good": {"candidates": ["good"]}, "good-first": {"pin": "good"}},
    }
    document = yaml.safe_load(configuration(shared_upstream.base_url, ["claude", "claude-dies", "good"], **sections))
    for model in document["models"][:2]:
        model["backends"][0] |= {"speaks_messages": True, "api_key": "sk-up"}
        model["price"] = {"input_usd_per_mtok": 1000, "output_usd_per_mtok": 10_000}
    with running_gateway(yaml.safe_dump(document)) as url:
        yield url


def test_an_answer_comes_through_as_it_is(native: str, upstream: Upstream) -> None:
    sent = {**HELLO, "system": "s", "metadata": {"task_id": "t", "user_id": "u"}, "top_k": 3}
    response = ask(native, PATH, sent, anthropic_version="2023-06-01", anthropic_beta="b", x_api_key="client")
    assert (response.status, response.body) == (200, MESSAGE)
    assert (response.ours("task"), response.ours("model")) == ("t", "claude")
    assert response.headers["x-benchroute-cost-usd"] == "0.023"
    received = upstream.last
    assert json.loads(received.body) == {**sent, "model": "claude", "metadata": {"user_id": "u"}}
    assert received.headers["anthropic-version"] == "2023-06-01"
    assert received.headers["anthropic-beta"] == "b"
    assert received.headers["x-api-key"] == "sk-up"


def test_a_stream_comes_through_and_both_ends_of_it_are_counted(native: str, upstream: Upstream) -> None:
    response = ask(native, PATH, {**HELLO, "stream": True})
    assert response.body == b"".join(MESSAGE_STREAM)
    assert "stream_options" not in json.loads(upstream.last.body)
    usage = ask(native, "/v1/usage").json
    assert '"output_tokens": 9' in json.dumps(usage)


def test_a_stream_that_breaks_off_ends_in_an_error_event(native: str, upstream: Upstream) -> None:
    with connection(native) as made:
        made.request("POST", PATH, json.dumps({**HELLO, "model": "claude-dies", "stream": True}))
        with pytest.raises(IncompleteRead) as cut:
            made.getresponse().read()
    event = cut.value.partial.split(b"event: error\ndata: ")[1]
    assert json.loads(event)["type"] == "error"


def test_a_backend_that_does_not_answer_messages_is_passed_over(native: str, upstream: Upstream) -> None:
    response = ask(native, PATH, HELLO, x_task_id="good-first")
    assert (response.ours("model"), response.ours("attempts")) == ("claude", "2")
    refused = ask(native, PATH, HELLO, x_task_id="only-good")
    assert refused.status == 502
    assert "good/1 does not answer /messages" in refused.json["error"]["message"]


def test_refusals_are_written_as_anthropics_clients_read_them(native: str) -> None:
    refused = ask(native, PATH, {"model": "auto"})
    assert refused.status == 400
    assert refused.json["type"] == "error"
    assert refused.json["error"]["type"] == "invalid_request_error"


@pytest.fixture(scope="module")
def translating(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway of its own process, for litellm is heavy: one model behind litellm, one translated."""
    folder, port = Path(tmp_path_factory.mktemp("translating")), free_port()
    with running_anthropic() as base_url:
        claude = {"kind": "litellm", "model": "anthropic/claude-test", "base_url": base_url, "api_key": "sk-ant"}
        sections: dict[str, Any] = {
            "state": {"url": f"sqlite:///{folder}/s.db"},
            "upstream": {"translate_messages": True, "retries": 0},
        }
        document = yaml.safe_load(configuration(shared_upstream.base_url, ["good", "tells", "e429"], **sections))
        document["models"].append({"name": "claude", "backends": [claude]})
        (folder / "config.yaml").write_text(yaml.safe_dump(document))
        arguments = ["gateway.cli", "serve", "--config", str(folder / "config.yaml"), "--port", str(port)]
        with run_process("the gateway", arguments, folder / "log", {"PYTHONWARNINGS": "ignore"}) as child:
            child.wait_until(lambda: get_json(port, "/health/live") is not None, 60)
            yield f"http://127.0.0.1:{port}"


def messages(url: str, model: str, **members: Any) -> Response:
    return ask(url, PATH, {**HELLO, "model": model, **members})


def test_openais_answer_is_translated(translating: str, upstream: Upstream) -> None:
    response = messages(translating, "good", system="be brief", stop_sequences=["x"])
    assert response.status == 200, response.body
    assert response.json["type"] == "message"
    assert response.json["content"][0]["text"] == "hello"
    asked = json.loads(upstream.last.body)
    assert asked["model"] == "good"
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]


def test_openais_stream_is_translated(translating: str, upstream: Upstream) -> None:
    events = messages(translating, "tells", stream=True).body.decode().strip().split("\n\n")
    names = [event.splitlines()[0] for event in events]
    assert names[0] == "event: message_start"
    assert names[-1] == "event: message_stop"
    texts = [json.loads(event.splitlines()[1].removeprefix("data: ")) for event in events]
    deltas = [text["delta"].get("text", "") for text in texts if text["type"] == "content_block_delta"]
    assert "".join(deltas) == "hello"


def test_anthropic_behind_litellm_speaks_its_own_words(translating: str) -> None:
    response = messages(translating, "claude")
    assert response.json["content"] == [{"type": "text", "text": "hello"}]
    assert Handler.received[-1][1]["max_tokens"] == 5


def test_what_litellm_lacks_is_named() -> None:
    assert str(missing_dependency(ImportError(name="orjson"))).startswith("lacks orjson for this: pip install")


def test_what_cannot_be_translated_is_refused(translating: str) -> None:
    without = {name: value for name, value in HELLO.items() if name != "max_tokens"}
    refused = ask(translating, PATH, {**without, "model": "good"})
    assert refused.status == 400
    assert "max_tokens" in refused.json["error"]["message"]
    assert messages(translating, "e429").status == 429
