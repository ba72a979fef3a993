"""POST /v1/feedback against a gateway with its scorer."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.asking import Response, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
SECRETS = {"all": "sk-all", "few": "sk-few"}


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    text = configuration(
        shared_upstream.base_url,
        ["good", "other", "e500"],
        routing={"pack": str(good_pack), "score": "auto", "feedback_window": 200},
        tasks={"explores": {"exploration": 0.5, "candidates": ["good", "other"]}, "fails": {"pin": "e500"}},
        state={"url": f"sqlite:///{tmp_path_factory.mktemp('feedback')}/state.db"},
        upstream={"retries": 0},
        keys=[
            {"name": "all", "sha256": hashlib.sha256(b"sk-all").hexdigest()},
            {"name": "few", "sha256": hashlib.sha256(b"sk-few").hexdigest(), "tasks": ["mine"]},
        ],
    )
    with running_gateway(text) as running:
        eventually(lambda: ask(running, "/health/ready").json["scorer"] == "ready", 60)
        yield running


def key(name: str = "all") -> dict[str, str]:
    return {"authorization": f"Bearer {SECRETS[name]}"}


def say(url: str, task: str, **about: Any) -> Response:
    body = {"model": "auto", "messages": [{"role": "user", "content": "What is 1 plus 2?"}], **about}
    return ask(url, body=body, x_task_id=task, **key())


def rate(url: str, request: str, score: Any, who: str = "all", **about: Any) -> Response:
    return ask(url, "/v1/feedback", {"request_id": request, "score": score, **about}, **JSON, **key(who))


@pytest.mark.parametrize("about", [{}, {"stream": True}])
def test_an_answer_is_scored_by_its_request_id(url: str, about: dict[str, Any]) -> None:
    answer = say(url, f"once{len(about)}", **about)
    for score in (1, 1, 0.5):
        told = rate(url, answer.headers["x-request-id"], score, metadata={"source": "thumb"})
        assert told.status == 200, told.body
        assert (told.json["feedback"], told.json["score"]) == (1, score)
        assert (told.json["task"], told.json["model"]) == (answer.ours("task"), answer.ours("model"))
        assert told.json["propensity"] == 1
    assert f'benchroute_feedback_total{{model="{answer.ours("model")}"}}' in ask(url, "/metrics", **key()).body.decode()


def test_a_drawn_answer_has_the_chance_of_its_draw(url: str) -> None:
    """And with enough of them a task goes to the model that its clients like."""
    seeded = ask(url, "/v1/tasks/explores/inputs", {"inputs": inputs("sums", 20)}, **JSON, **key()).json
    assert seeded["decision"]["model"] == "good"
    chances = set()
    for number in range(60):
        answer = say(url, "explores")
        told = rate(url, answer.headers["x-request-id"], float(answer.ours("model") == "other")).json
        chances.add(told["propensity"])
        # Not at the first that decides: an input that is scored afterwards could decide again.
        if told["decision"]["model"] == "other" and number >= 20:
            break
    assert chances == {0.5}
    assert told["decision"]["model"] == "other"
    assert "feedback scores" in told["decision"]["why"]
    shown = ask(url, "/v1/tasks/explores", **key()).json
    assert shown["auto"]["feedback"]["leader"]["mean"] == 1


def test_a_model_that_the_request_named_was_not_drawn(url: str) -> None:
    answer = say(url, "named", model="other")
    told = rate(url, answer.headers["x-request-id"], 0.0).json
    assert (told["model"], told["propensity"]) == ("other", None)


def test_a_fallback_was_not_drawn(url: str) -> None:
    answer = say(url, "fails")
    assert answer.ours("model") != "e500"
    assert rate(url, answer.headers["x-request-id"], 1).json["propensity"] is None


def test_what_is_not_known_is_not_found(url: str) -> None:
    assert (rate(url, "nothing", 1).status, rate(url, "nothing", 1).error["code"]) == (404, "request_not_found")
    assert rate(url, "nothing", 1).error["param"] == "request_id"
    old = say(url, "old").headers["x-request-id"]
    assert rate(url, old, 1).status == 200
    for _ in range(200):
        say(url, "new")
    assert rate(url, old, 1).status == 404


def test_a_key_scores_its_own_responses_alone(url: str) -> None:
    theirs = say(url, "theirs").headers["x-request-id"]
    mine = say(url, "mine").headers["x-request-id"]
    assert rate(url, theirs, 1, "few").status == 404
    assert rate(url, mine, 1, "few").error["code"] == "request_not_found"
    assert rate(url, mine, 1).status == 200
    assert ask(url, "/v1/feedback", {"request_id": mine, "score": 1}, **JSON).status == 401


def test_an_id_that_two_keys_have_sent_refers_to_each_ones_response(url: str) -> None:
    body = {"model": "good", "messages": [{"role": "user", "content": "What is 1 plus 2?"}]}
    assert ask(url, body=body, x_task_id="mine", x_request_id="shared", **key()).ours("task") == "mine"
    # The second key takes the first one's ID, to have its own response scored in the other's place.
    assert (
        ask(url, body={**body, "model": "other"}, x_task_id="mine", x_request_id="shared", **key("few")).status == 200
    )
    assert rate(url, "shared", 1).json["model"] == "good"
    assert rate(url, "shared", 1, "few").json["model"] == "other"


def test_a_clients_own_id_never_becomes_ours_and_is_told_apart(url: str) -> None:
    first = ask(url, body={"model": "good", "messages": [{"role": "user", "content": "hi"}]}, x_task_id="own", **key())
    ours = first.headers["x-request-id"]
    assert "x-client-request-id" not in first.headers
    # The client sends, for its next request, the ID that its first response has.
    second = ask(
        url,
        body={"model": "other", "messages": [{"role": "user", "content": "hi"}]},
        x_task_id="own",
        x_request_id=ours,
        **key(),
    )
    assert second.headers["x-client-request-id"] == ours != second.headers["x-request-id"]
    assert rate(url, ours, 1).json["model"] == "good"
    assert rate(url, second.headers["x-request-id"], 1).json["model"] == "other"
    for path in ("/v1/models", "/v1/nowhere", "/v1/me"):
        answer = ask(url, path, x_request_id="mine", **key())
        assert answer.headers["x-client-request-id"] == "mine"
        assert answer.headers["x-request-id"].startswith("req_")


def test_a_response_under_both_its_ids_is_scored_once(url: str) -> None:
    answer = ask(
        url,
        body={"model": "good", "messages": [{"role": "user", "content": "hi"}]},
        x_task_id="both",
        x_request_id="both-1",
        **key(),
    )
    assert rate(url, "both-1", 1).json["feedback"] == 1
    assert rate(url, answer.headers["x-request-id"], 0).json["feedback"] == 1


@pytest.mark.parametrize("score", [-0.1, 1.01, None, "good", "nan"])
def test_a_score_out_of_range_is_refused(url: str, score: Any) -> None:
    refused = rate(url, "r", score)
    assert (refused.status, refused.error["param"]) == (400, "score")


@pytest.mark.parametrize(
    "about", [{"metadata": {"comment": "I did not like it at all"}}, {"comment": "x"}, {"metadata": {"a": 1}}]
)
def test_no_comments_are_taken(url: str, about: dict[str, Any]) -> None:
    assert rate(url, "r", 1, **about).status == 400


def test_without_a_pack_nothing_is_learnt(upstream: Upstream, tmp_path: Path) -> None:
    text = configuration(upstream.base_url, ["good"], state={"url": f"sqlite:///{tmp_path}/state.db"})
    with running_gateway(text) as url:
        request = chat(url).headers["x-request-id"]
        assert ask(url, "/v1/feedback", {"request_id": request, "score": 1}, **JSON).status == 503
        assert ask(url, "/v1/feedback", {"request_id": "x", "score": 1}, **JSON).status == 404
