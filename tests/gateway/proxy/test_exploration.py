"""Exploration: a share of requests goes to other candidates, each as likely, and never where it must not."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import parse_config
from gateway.errors import ConfigError
from gateway.proxy.exploration import apply_exploration
from gateway.tasks.decision_table import Route
from tests.gateway.asking import HELLO, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import configuration, running_gateway, serving_gateway
from tests.gateway.waiting import eventually

MODELS = ["good", "other", "slow"]
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
"""An input without text: it is routed and not scored, so the task's decision stays what it is."""

ROUTE = Route(("a", "b", "c", "d"), "score", 2, exploration=0.25)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 6), st.floats(0.001, 0.5))
def test_whoever_is_drawn_the_rest_of_the_ranking_follows(drawn: float, n: int, share: float) -> None:
    route = Route(tuple(f"m{number}" for number in range(n)), "score", 1, exploration=share)
    made = apply_exploration(route, lambda: drawn)
    assert sorted(made.ranking) == sorted(route.ranking)
    if n == 1:
        assert made is route
    elif made.reason == "explored":
        assert (made.ranking[1], made.ranking[0] != route.ranking[0]) == (route.ranking[0], True)
        assert made.propensity == pytest.approx(share / (n - 1))
    else:
        assert (made.ranking, made.propensity) == (route.ranking, 1 - share)


def test_every_other_candidate_is_as_likely_as_the_next_and_propensities_are_true() -> None:
    draw, n = Random(1), 40_000  # noqa: S311 - no secret
    made = [apply_exploration(ROUTE, draw.random) for _ in range(n)]
    counts = Counter(route.ranking[0] for route in made)
    for route in made:
        assert route.propensity is not None
        assert counts[route.ranking[0]] / n == pytest.approx(route.propensity, abs=0.01)
    assert len({route.exploration_set for route in made}) == 1


def test_answers_drawn_from_others_are_told_apart() -> None:
    few = apply_exploration(Route(("a", "b"), "score", 2, exploration=0.25), lambda: 0.9)
    more = apply_exploration(Route(ROUTE.ranking, "score", 2, exploration=0.2), lambda: 0.9)
    assert len({apply_exploration(ROUTE, lambda: 0.9).exploration_set, few.exploration_set, more.exploration_set}) == 3


def sections(tmp_path: Path, **tasks: dict[str, Any]) -> dict[str, Any]:
    return {"state": {"url": f"sqlite:///{tmp_path}/state.db"}, "tasks": tasks}


def test_without_a_scorer_nothing_is_explored(upstream: Upstream, tmp_path: Path) -> None:
    """Nobody could learn from it."""
    text = configuration(upstream.base_url, MODELS[:2], routing={"exploration": 0.5}, **sections(tmp_path))
    with running_gateway(text) as url:
        assert {chat(url, task="t").ours("reason") for _ in range(20)} == {"no-pack"}


@pytest.mark.parametrize("lane", ["express", "asgi"])
def test_exploration_is_for_routed_requests_alone(
    good_pack: Path, upstream: Upstream, tmp_path: Path, lane: str
) -> None:
    told = sections(
        tmp_path, pin={"pin": "other"}, shadow={"shadow": True}, off={"exploration": 0}, t={"exploration": 0.5}
    )
    text = configuration(
        upstream.base_url,
        MODELS[:2],
        routing={"exploration": 0.1, "pack": str(good_pack)},
        server={"lane": lane},
        **told,
    )
    with running_gateway(text) as url:
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
        seeded = ask(url, "/v1/tasks/t/inputs", {"inputs": inputs("sums", 12)})
        seeded = ask(url, "/v1/tasks/t/inputs", {"inputs": inputs("sums", 12)}, content_type="application/json")
        decision = seeded.json["decision"]
        assert (decision["model"], decision["reason"]) == ("good", "score")
        answers = [chat(url, task="t", messages=PICTURE) for _ in range(60)]
        reasons = {(answer.ours("reason"), answer.ours("model")) for answer in answers}
        assert reasons == {("score", "good"), ("explored", "other")}
        for headers in (
            {"x_task_id": "pin"},
            {"x_task_id": "shadow"},
            {"x_task_id": "off"},
            {"x_task_id": "t", "x_session_id": "s"},
        ):
            assert "explored" not in {ask(url, body=HELLO, **headers).ours("reason") for _ in range(20)}
        named = {chat(url, model="good", task="t").ours("reason") for _ in range(20)}
        assert named == {"requested"}


def test_without_a_share_nothing_is_drawn(good_pack: Path, upstream: Upstream, tmp_path: Path) -> None:
    def refuses() -> float:
        raise AssertionError("drawn")

    text = configuration(upstream.base_url, MODELS[:2], routing={"pack": str(good_pack)}, **sections(tmp_path))
    with serving_gateway(text) as serving:
        lane = serving.gateway.exchange_context
        assert lane is not None
        object.__setattr__(lane.pipeline, "draw", refuses)
        assert {chat(serving.url, task="t").status for _ in range(5)} == {200}


@pytest.mark.parametrize("share", [-0.1, 0.6, "much"])
def test_a_share_that_is_none_is_refused(share: object) -> None:
    with pytest.raises(ConfigError, match="exploration"):
        parse_config(configuration("http://127.0.0.1:1/v1", ["m"], routing={"exploration": share}), "config.yaml", {})
