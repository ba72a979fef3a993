"""What the gateway adds to a stream's way: it asks what it took, and keeps a waiting client's connection alive."""

import json
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from gateway.http.sse import KEEPALIVE_COMMENT
from tests.gateway.asking import HELLO, ask, chat, connection
from tests.gateway.fake_upstream import STREAM, WITH_USAGE, Upstream, chunk
from tests.gateway.serving import configuration, running_gateway

PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 10}


@pytest.fixture(scope="module")
def patient(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway that sends signs of life after a tenth of a second."""
    tasks = {
        "late-e500-then-good": {"pin": "late-e500", "candidates": ["late-e500", "good"]},
        "late-e500-only": {"candidates": ["late-e500"]},
    }
    sections: dict[str, Any] = {
        "state": {"url": f"sqlite:///{tmp_path_factory.mktemp('patient')}/state.db"},
        "tasks": tasks,
        "upstream": {"retries": 0, "keepalive_s": 0.1},
    }
    models = ["good", "late", "late-e500", "late-e400", "slow", "tells"]
    with running_gateway(configuration(shared_upstream.base_url, models, **sections)) as url:
        yield url


def test_a_stream_is_asked_what_it_took_and_its_client_is_not_told(patient: str, upstream: Upstream) -> None:
    response = chat(patient, "tells", stream=True)
    assert json.loads(upstream.last.body)["stream_options"] == {"include_usage": True}
    assert response.body == chunk("hel") + WITH_USAGE[1] + WITH_USAGE[4]
    assert 'model="tells",direction="output"} 6.0' in metrics(patient)


def metrics(url: str) -> str:
    lines = ask(url, "/metrics").body.decode().splitlines()
    return "\n".join(
        line.replace('direction="output",model="tells"', 'model="tells",direction="output"') for line in lines
    )


def test_a_client_that_asks_itself_is_told(patient: str, upstream: Upstream) -> None:
    response = chat(patient, "tells", stream=True, stream_options={"include_usage": True, "x": 1})
    assert json.loads(upstream.last.body)["stream_options"] == {"include_usage": True, "x": 1}
    assert response.body == b"".join(WITH_USAGE)


def test_other_stream_options_stay(patient: str, upstream: Upstream) -> None:
    chat(patient, "tells", stream=True, stream_options={"include_usage": False, "x": [1.0]})
    assert json.loads(upstream.last.body)["stream_options"] == {"include_usage": True, "x": [1.0]}
    chat(patient, "good", stream=False)
    assert "stream_options" not in json.loads(upstream.last.body)


def test_a_backend_that_knows_no_such_option_is_not_asked(upstream: Upstream, tmp_path: Path) -> None:
    text = configuration(upstream.base_url, ["tells"], state={"url": f"sqlite:///{tmp_path}/s.db"})
    text = text.replace("kind: openai", "kind: openai\n    stream_usage: false")
    with running_gateway(text) as url:
        chat(url, "tells", stream=True)
    assert "stream_options" not in json.loads(upstream.last.body)


def test_a_client_that_waits_for_a_stream_gets_comments(patient: str, upstream: Upstream) -> None:
    response = chat(patient, "late", stream=True)
    comments, _, stream = response.body.rpartition(KEEPALIVE_COMMENT)
    assert stream == b"".join(STREAM)
    assert 2 <= (comments + KEEPALIVE_COMMENT).count(KEEPALIVE_COMMENT) <= 5
    assert response.status == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.ours("task") == "default"


def test_a_fast_stream_and_a_slow_answer_get_none(patient: str, upstream: Upstream) -> None:
    assert chat(patient, "good", stream=True).body == b"".join(STREAM)
    assert KEEPALIVE_COMMENT not in chat(patient, "slow").body


def test_after_a_sign_of_life_the_next_model_still_answers(patient: str, upstream: Upstream) -> None:
    response = chat(patient, task="late-e500-then-good", stream=True)
    assert response.body.startswith(KEEPALIVE_COMMENT)
    assert response.body.endswith(b"".join(STREAM))
    assert upstream.models() == ["late-e500", "good"]


@pytest.mark.parametrize(("model", "code"), [("late-e400", "400"), ("task/late-e500-only", "upstream_failed")])
def test_after_a_sign_of_life_a_failure_is_an_event_and_the_stream_has_no_end(
    patient: str, upstream: Upstream, model: str, code: str
) -> None:
    with connection(patient) as made:
        made.request("POST", "/v1/chat/completions", json.dumps({**HELLO, "model": model, "stream": True}))
        response = made.getresponse()
        assert response.status == 200
        with pytest.raises(IncompleteRead) as cut:
            response.read()
    comments, _, event = cut.value.partial.rpartition(b"data: ")
    assert comments.startswith(KEEPALIVE_COMMENT)
    assert json.loads(event)["error"]["code"] == code
