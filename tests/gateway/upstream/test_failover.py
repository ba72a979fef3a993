"""What the client sees when backends fail."""

import json
from http.client import IncompleteRead

import openai
import pytest
from openai import OpenAI

from tests.gateway.asking import HELLO, ask, chat, connection
from tests.gateway.fake_upstream import BODY, STREAM, Upstream, chunk
from tests.gateway.waiting import eventually

BEFORE_THE_FIRST_BYTE = ["e401", "e429", "e500", "garbage", "html", "silent", "half", "stalls"]


@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_BYTE)
def test_a_failure_before_the_first_byte_goes_to_the_next_model(gateway: str, upstream: Upstream, fault: str) -> None:
    response = chat(gateway, task=f"{fault}-then-good")
    assert (response.status, response.body) == (200, BODY)
    assert (response.ours("model"), response.ours("attempts")) == ("good", "2")
    assert json.loads(upstream.last.body)["model"] == "good"


@pytest.mark.parametrize("fault", ["e500", "empty-stream", "stalls", "silent"])
def test_a_stream_that_does_not_begin_goes_to_the_next_model(gateway: str, upstream: Upstream, fault: str) -> None:
    response = chat(gateway, task=f"{fault}-then-good", stream=True)
    assert (response.status, response.body) == (200, b"".join(STREAM))
    assert response.ours("attempts") == "2"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("e401", 502, "upstream_failed"),
        ("garbage", 502, "upstream_failed"),
        ("html", 502, "upstream_failed"),
        ("half", 502, "upstream_failed"),
        ("stalls", 504, "upstream_timeout"),
    ],
)
def test_when_no_backend_answers_the_client_is_told(
    gateway: str, upstream: Upstream, fault: str, status: int, code: str
) -> None:
    response = chat(gateway, task=f"{fault}-only")
    assert response.status == status
    assert response.error["code"] == code
    assert f"{fault}/1" in response.error["message"]
    assert "sk-secret" not in response.error["message"]
    assert (response.ours("model"), response.ours("attempts")) == ("none", "1")


def test_what_is_the_clients_fault_goes_back_to_the_client(gateway: str, upstream: Upstream) -> None:
    response = chat(gateway, task="e400-then-good")
    assert (response.status, response.error["message"]) == (400, "max_tokens is too large")
    assert response.ours("model") == "e400"
    assert upstream.models() == ["e400"]


def test_a_refusal_in_other_words_is_put_into_the_envelope(gateway: str, upstream: Upstream) -> None:
    response = chat(gateway, task="e422-only")
    assert response.status == 422
    assert "no envelope" in response.error["message"]


def test_a_model_that_was_asked_for_is_not_replaced(gateway: str, upstream: Upstream) -> None:
    response = chat(gateway, model="e500")
    assert response.status == 500
    assert upstream.models() == ["e500"]


def test_a_dead_pooled_connection_is_replaced_without_a_word(gateway: str, upstream: Upstream) -> None:
    for _ in range(2):
        response = chat(gateway, model="closes")
        assert (response.status, response.ours("attempts")) == (200, "1")


BROKEN_STREAMS = ["dies-in-stream", "dies-in-event", "no-done", "bad-chunk", "stalls-in-stream"]


@pytest.mark.parametrize("fault", BROKEN_STREAMS)
def test_a_stream_that_breaks_ends_with_an_error_event_and_no_clean_end(
    gateway: str, upstream: Upstream, fault: str
) -> None:
    with connection(gateway) as made:
        made.request("POST", "/v1/chat/completions", json.dumps({**HELLO, "model": fault, "stream": True}))
        response = made.getresponse()
        assert response.status == 200
        with pytest.raises(IncompleteRead) as broken:
            response.read()
    received = broken.value.partial
    assert received.startswith(chunk("hel")[:60])
    *_, last = received.strip().split(b"\n\n")
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "stream_interrupted"


@pytest.mark.parametrize("fault", BROKEN_STREAMS)
def test_the_official_client_raises_where_a_stream_breaks(gateway: str, upstream: Upstream, fault: str) -> None:
    with OpenAI(base_url=f"{gateway}/v1", api_key="k", max_retries=0) as client:
        stream = client.chat.completions.create(model=fault, messages=[{"role": "user", "content": "hi"}], stream=True)
        with pytest.raises((openai.APIError, json.JSONDecodeError)):
            list(stream)


def test_a_connection_that_breaks_after_the_last_event_harms_nobody(gateway: str, upstream: Upstream) -> None:
    assert chat(gateway, model="dies-after-done", stream=True).body == b"".join(STREAM)


PATIENT = {"x-benchroute-first-byte-s": "60", "x-benchroute-between-chunks-s": "60"}
"""So that only the client's leaving can be why the gateway closes its connection to the backend."""


def leave_while_waiting(gateway: str, upstream: Upstream) -> None:
    """Disconnect after the backend has the request, and wait until the gateway has closed its connection to it."""
    with connection(gateway) as made:
        made.request("POST", "/v1/chat/completions", json.dumps({**HELLO, "model": "stalls"}), PATIENT)
        eventually(lambda: "stalls" in upstream.models())
    eventually(lambda: upstream.closed.get("stalls"))


def test_a_client_that_leaves_while_waiting_ends_the_backends_work(gateway: str, upstream: Upstream) -> None:
    leave_while_waiting(gateway, upstream)


def test_a_client_that_leaves_in_a_stream_ends_the_backends_work(gateway: str, upstream: Upstream) -> None:
    with connection(gateway) as made:
        made.request("POST", "/v1/chat/completions", json.dumps({**HELLO, "model": "endless", "stream": True}), PATIENT)
        response = made.getresponse()
        assert response.read1(10)
        response.close()
    eventually(lambda: upstream.closed.get("endless"))


def test_departures_and_faults_are_counted(gateway: str, upstream: Upstream) -> None:
    chat(gateway, task="e500-then-good")
    leave_while_waiting(gateway, upstream)
    told = ask(gateway, "/metrics").body.decode()
    assert 'benchroute_upstream_attempts_total{backend="e500/1",outcome="status"}' in told
    assert 'status="499"' in told
    assert "benchroute_requests_in_flight 0.0" in told
