"""Answers kept for requests that are the same to the byte."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.config.schema import CacheConfig
from gateway.http.endpoints import CHAT, EMBEDDINGS
from gateway.http.request_body import parse_body
from gateway.proxy.response_cache import MAX_RESPONSE_BYTES, CacheSlot, ResponseCache
from tests.gateway.asking import HELLO, ask, chat
from tests.gateway.fake_upstream import BODY, STREAM, Upstream
from tests.gateway.serving import configuration, running_gateway


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def caching(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    tasks = {
        "kept": {"cache": {}, "candidates": ["good"]},
        "any": {"cache": {"any_temperature": True}, "candidates": ["good"]},
        "failing": {"cache": {}, "candidates": ["e400"]},
        "broken": {"cache": {}, "candidates": ["dies-in-stream"]},
    }
    sections = {"state": {"url": f"sqlite:///{tmp_path_factory.mktemp('cache')}/s.db"}, "tasks": tasks}
    models = ["good", "other", "e400", "dies-in-stream"]
    with running_gateway(configuration(shared_upstream.base_url, models, **sections)) as url:
        yield url


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_request_is_answered_once(caching: str, upstream: Upstream, stream: bool) -> None:
    asked: dict[str, Any] = {"temperature": 0, "stream": stream, "user": "same"}
    first, again = (chat(caching, task="kept", **asked) for _ in range(2))
    assert first.body == again.body == (b"".join(STREAM) if stream else BODY)
    assert "x-benchroute-cache" not in first.headers
    assert (again.headers["x-benchroute-cache"], again.ours("attempts"), again.ours("model")) == ("hit", "0", "good")
    assert again.headers["content-type"] == first.headers["content-type"]
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    "members", [{}, {"temperature": 0.1}, {"temperature": None}, {"temperature": True}, {"temperature": "0"}]
)
def test_answers_that_may_differ_are_not_kept(caching: str, upstream: Upstream, members: dict[str, Any]) -> None:
    for _ in range(2):
        assert "x-benchroute-cache" not in chat(caching, task="kept", **members).headers
    assert len(upstream.received) == 2


def test_unless_the_policy_says_so(caching: str, upstream: Upstream) -> None:
    for _ in range(2):
        last = chat(caching, task="any", temperature=1.5)
    assert last.headers["x-benchroute-cache"] == "hit"


@pytest.mark.parametrize("task", ["default", "failing"])
def test_other_tasks_and_failures_are_not_kept(caching: str, upstream: Upstream, task: str) -> None:
    for _ in range(2):
        chat(caching, task=task, temperature=0)
    assert len(upstream.received) == 2


def test_every_member_counts_and_a_client_can_pass_by(caching: str, upstream: Upstream) -> None:
    body = {**HELLO, "temperature": 0.0, "seed": 1}
    ask(caching, body=body, x_task_id="kept")
    assert "x-benchroute-cache" not in ask(caching, body={**body, "seed": 2}, x_task_id="kept").headers
    passed_by = ask(caching, body=body, x_task_id="kept", cache_control="max-age=0, no-cache")
    assert "x-benchroute-cache" not in passed_by.headers
    assert ask(caching, body={**body, "metadata": {"task_id": "kept"}}).headers["x-benchroute-cache"] == "hit"


def slot(answers: ResponseCache, key: str | None = None, model: str = "m", extra: bytes = b"") -> CacheSlot:
    body = parse_body(b'{"model": "auto", "messages": [], "temperature": 0' + extra + b"}", CHAT)
    made = answers.open_slot(CacheConfig(ttl_s=10), body, key, model, [])
    assert made is not None
    return made


def test_another_keys_and_another_models_answers_are_others() -> None:
    answers = ResponseCache(Clock())
    first = slot(answers, "k")
    first.append_chunk(b"one")
    first.commit_response("m", b"t")
    assert (kept := slot(answers, "k").cached_response()) is not None
    assert (kept.body, kept.model) == (b"one", "m")
    assert slot(answers, None).cached_response() is None
    assert slot(answers, "k", "n").cached_response() is None


def test_an_answer_grows_old() -> None:
    clock = Clock()
    made = slot(ResponseCache(clock))
    made.append_chunk(b"one")
    made.commit_response("m", b"t")
    clock.now = 10
    assert made.cached_response() is not None
    clock.now = 10.1
    assert made.cached_response() is None


def test_bytes_are_bounded_and_the_least_recently_used_go_first() -> None:
    answers = ResponseCache(Clock(), max_bytes=10)
    slots = [slot(answers, extra=b', "seed": %d' % number) for number in range(3)]
    for place, made in enumerate(slots):
        made.append_chunk(b"12345")
        made.commit_response("m", b"t")
        if place == 1:
            assert slots[0].cached_response() is not None  # used now, so the other one goes
    assert [made.cached_response() is not None for made in slots] == [True, False, True]


def test_a_huge_answer_is_not_kept() -> None:
    made = slot(ResponseCache(Clock()))
    for _ in range(3):
        made.append_chunk(b"x" * (MAX_RESPONSE_BYTES // 2))
    made.commit_response("m", b"t")
    assert made.cached_response() is None


def test_embeddings_are_the_same_every_time() -> None:
    body = parse_body(b'{"model": "auto", "input": "x"}', EMBEDDINGS)
    assert ResponseCache(Clock()).open_slot(CacheConfig(), body, None, "m", []) is not None
    assert ResponseCache(Clock()).open_slot(None, body, None, "m", []) is None
