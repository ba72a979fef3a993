import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gateway.proxy.session_affinity import SessionAffinity
from tests.gateway.asking import HELLO, ask
from tests.gateway.fake_upstream import Upstream, running_upstream
from tests.gateway.serving import configuration, running_gateway

RANKING = ("a", "b", "c")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_keeps_its_model_for_a_while_after_its_last_request() -> None:
    clock = Clock()
    sessions = SessionAffinity(10, clock)
    assert sessions.reorder_ranking("k", "t", "s", RANKING) == (RANKING, False)
    sessions.pin_model("k", "t", "s", "b")
    assert sessions.reorder_ranking("k", "t", "s", RANKING) == (("b", "a", "c"), True)
    assert sessions.reorder_ranking("k", "t", "s", ("b", "a")) == (("b", "a"), False)
    for key, task, session in (("k", "t", "x"), ("k", "x", "s"), ("x", "t", "s"), (None, "t", "s")):
        assert sessions.reorder_ranking(key, task, session, RANKING) == (RANKING, False)
    clock.now = 8
    sessions.pin_model("k", "t", "s", "b")
    clock.now = 17
    assert sessions.reorder_ranking("k", "t", "s", RANKING)[1]
    clock.now = 19
    assert not sessions.reorder_ranking("k", "t", "s", RANKING)[1]


def test_a_model_that_the_request_may_not_go_to_is_not_kept() -> None:
    sessions = SessionAffinity(10, Clock())
    sessions.pin_model(None, "t", "s", "z")
    assert sessions.reorder_ranking(None, "t", "s", RANKING) == (RANKING, False)


def test_sessions_are_bounded_and_the_least_recent_goes_first() -> None:
    sessions = SessionAffinity(10, Clock(), max_sessions=2)
    for session in ("1", "2", "1", "3"):
        sessions.pin_model(None, "t", session, "b")
    assert [sessions.reorder_ranking(None, "t", session, RANKING)[1] for session in "123"] == [True, False, True]


def test_a_session_keeps_its_backend_as_long_as_its_model_and_by_key() -> None:
    clock = Clock()
    sessions = SessionAffinity(10, clock)
    sessions.pin_model("k", "t", "s", "b", "b/2")
    assert sessions.find_backend("k", "t", "s", "b") == "b/2"
    assert sessions.find_backend("k", "t", "s", "a") is None
    assert sessions.find_backend("other", "t", "s", "b") is None
    clock.now = 11
    assert sessions.find_backend("k", "t", "s", "b") is None


def several_backends(folder: Path, *base_urls: str) -> str:
    """Return a configuration of one model with a backend at each address, the first of which gets all it can."""
    backends = [
        {"kind": "openai", "base_url": base, "weight": 1 if place else 50} for place, base in enumerate(base_urls)
    ]
    state = {"url": f"sqlite:///{folder}/state.db"}
    return yaml.safe_dump({"models": [{"name": "good", "backends": backends}], "state": state})


def test_a_conversation_stays_on_its_backend_while_that_is_healthy(upstream: Upstream, tmp_path: Path) -> None:
    """It began where the first backend was down; when that is back, others go there, and the conversation does not."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    text = several_backends(tmp_path, f"http://127.0.0.1:{port}/v1", upstream.base_url)
    with running_gateway(text) as url:
        assert ask(url, body=HELLO, x_session_id="s").ours("backend") == "good/2"
        with running_upstream(port):
            assert ask(url, body=HELLO).ours("backend") == "good/1"
            for model in ("auto", "good", "auto"):
                kept = ask(url, body={**HELLO, "model": model}, x_session_id="s")
                assert (kept.ours("backend"), kept.ours("attempts")) == ("good/2", "1")
            assert ask(url, body=HELLO, x_session_id="new").ours("backend") == "good/1"
        # And the other way round: its backend is gone, the conversation goes on at the other one.
        moved = ask(url, body=HELLO, x_session_id="new")
        assert (moved.status, moved.ours("backend")) == (200, "good/2")


def test_a_conversation_stays_where_it_was_answered(upstream: Upstream, tmp_path: Path) -> None:
    """Its first request found the first model failing; the next ones go straight to the one that answered."""
    state = {"url": f"sqlite:///{tmp_path}/state.db"}
    sections: dict[str, Any] = {"state": state, "upstream": {"retries": 0}, "tasks": {"pinned": {"pin": "e500"}}}
    with running_gateway(configuration(upstream.base_url, ["e500", "good"], **sections)) as url:
        first = ask(url, body=HELLO, x_session_id="s1")
        assert (first.ours("model"), first.ours("attempts")) == ("good", "2")
        second = ask(url, body={**HELLO, "metadata": {"session_id": "s1", "other": "x"}})
        assert (second.ours("model"), second.ours("attempts"), second.ours("reason")) == ("good", "1", "session")
        assert json.loads(upstream.last.body)["metadata"] == {"other": "x"}
        for _ in range(2):
            pinned = ask(url, body=HELLO, x_session_id="s2", x_task_id="pinned")
            assert (pinned.ours("model"), pinned.ours("attempts"), pinned.ours("reason")) == ("good", "2", "pinned")
        refused = ask(url, body=HELLO, x_session_id="a b")
        assert (refused.status, refused.error["code"]) == (400, "invalid_session_id")
