import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.proxy.session_affinity import SessionAffinity
from tests.gateway.asking import HELLO, ask
from tests.gateway.fake_upstream import Upstream
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
