"""Retries, breakers and limits, each tripped by a real backend."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.asking import HELLO, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import running_gateway
from tests.gateway.waiting import eventually

BREAKER = {"consecutive_faults": 2, "open_s": 1.0}


@contextmanager
def serving(upstream: Upstream, folder: Path, models: dict[str, list[str]], **about: Any) -> Iterator[str]:
    """A gateway whose models have several backends: model -> the upstream's behaviours."""
    listed = [
        {
            "name": name,
            "backends": [{"kind": "openai", "base_url": upstream.base_url, "model": one} for one in behaviours],
            **about.get("of_models", {}).get(name, {}),
        }
        for name, behaviours in models.items()
    ]
    settings = {"retry_pause_s": 0.01, **about.get("way", {})}
    state = {"url": f"sqlite:///{folder}/state.db"}
    with running_gateway(yaml.safe_dump({"models": listed, "upstream": settings, "state": state})) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_backend_that_fails_once_is_asked_again(upstream: Upstream, folder: Path) -> None:
    with serving(upstream, folder, {"a": ["flaky"], "b": ["good"]}) as url:
        response = chat(url)
        assert (response.status, response.ours("model"), response.ours("attempts")) == (200, "a", "2")
        chosen = chat(url, model="a")
        assert (chosen.status, chosen.ours("attempts")) == (200, "2")


def test_the_models_other_backend_is_asked_before_another_model(upstream: Upstream, folder: Path) -> None:
    with serving(upstream, folder, {"a": ["e500", "good"], "b": ["other"]}, way={"retries": 0}) as url:
        answers = [chat(url) for _ in range(6)]
    assert {answer.ours("backend") for answer in answers} == {"a/2"}
    assert {answer.ours("attempts") for answer in answers} <= {"1", "2"}


def test_attempts_are_bounded(upstream: Upstream, folder: Path) -> None:
    models = {name: ["e500"] for name in "abcdef"}
    with serving(upstream, folder, models, way={"max_attempts": 3, "retries": 5}) as url:
        assert chat(url).ours("attempts") == "3"
    assert len(upstream.received) == 3


def test_a_broken_backend_is_left_alone_and_tried_again_later(upstream: Upstream, folder: Path) -> None:
    upstream_settings = {"retries": 0, "breaker": BREAKER}
    with serving(upstream, folder, {"a": ["e500"], "b": ["good"]}, way=upstream_settings) as url:
        assert [chat(url).ours("attempts") for _ in range(4)] == ["2", "2", "1", "1"]
        assert upstream.models().count("e500") == 2
        shown = {one["id"]: one["breaker"] for one in ask(url, "/v1/backends").json["data"]}
        assert shown == {"a/1": "open", "b/1": "closed"}
        assert 'benchroute_breaker_open{backend="a/1"} 1.0' in ask(url, "/metrics").body.decode()
        eventually(lambda: chat(url).ours("attempts") == "2")
        assert chat(url).ours("attempts") == "1"
        assert upstream.models().count("e500") == 3


def test_when_every_breaker_is_open_the_least_bad_is_asked_and_the_header_says_so(
    upstream: Upstream, folder: Path
) -> None:
    with serving(upstream, folder, {"a": ["e500"]}, way={"retries": 0, "breaker": BREAKER}) as url:
        answers = [chat(url) for _ in range(3)]
    assert [answer.status for answer in answers] == [500, 500, 500]
    assert [answer.headers.get("x-benchroute-degraded") for answer in answers] == [None, None, "all-breakers-open"]
    assert len(upstream.received) == 3


LIMITED = {"x_benchroute_first_byte_s": "0.1"}


def test_a_request_sets_its_own_limits(gateway: str, upstream: Upstream) -> None:
    assert ask(gateway, body={**HELLO, "model": "slow"}).status == 200
    late = ask(gateway, body={**HELLO, "model": "slow"}, **LIMITED)
    assert (late.status, late.error["code"]) == (504, "upstream_timeout")
    refused = ask(gateway, body=HELLO, x_benchroute_total_s="soon")
    assert (refused.status, refused.error["param"]) == (400, "x-benchroute-total-s")


def test_a_model_has_its_own_limits(upstream: Upstream, folder: Path) -> None:
    of_models = {"a": {"timeouts": {"first_byte_s": 0.1}}}
    with serving(upstream, folder, {"a": ["slow"], "b": ["slow"]}, of_models=of_models, way={"retries": 0}) as url:
        assert chat(url, model="a").status == 504
        assert chat(url, model="b").status == 200


def test_a_stream_that_trickles_ends_when_its_total_time_is_over(gateway: str, upstream: Upstream) -> None:
    body = {**HELLO, "model": "trickles", "stream": True}
    assert ask(gateway, body=body).body.endswith(b"data: [DONE]\n\n")
    with pytest.raises(Exception, match="IncompleteRead") as broken:
        ask(gateway, body=body, x_benchroute_total_s="0.35")
    assert b"stream_interrupted" in broken.value.partial  # type: ignore[attr-defined]


def test_retries_end_with_the_total_time(upstream: Upstream, folder: Path) -> None:
    settings = {"retries": 10, "max_attempts": 20, "retry_pause_s": 5, "timeouts": {"total_s": 0.5}}
    with serving(upstream, folder, {"a": ["e500"]}, way=settings) as url:
        begun = time.monotonic()
        assert chat(url).status == 500
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("path", "content", "model"),
    [("completions", "prompt", "auto"), ("embeddings", "input", "good"), ("responses", "input", "auto")],
)
def test_other_endpoints_go_to_backends_too(
    gateway: str, upstream: Upstream, path: str, content: str, model: str
) -> None:
    response = ask(gateway, f"/v1/{path}", {"model": model, content: "hello"}, x_task_id="t")
    assert (response.status, response.ours("task"), response.ours("model")) == (200, "t", "good")
    assert json.loads(upstream.last.body) == {"model": "good", content: "hello"}
    missing = ask(gateway, f"/v1/{path}", {"model": "auto"})
    assert (missing.status, missing.error["param"]) == (400, content)
