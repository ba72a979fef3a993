"""Which task and which model a request means."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.gateway.asking import HELLO, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway


def key(name: str, **about: object) -> dict[str, object]:
    return {"name": name, "sha256": sha256(f"sk-{name}".encode()).hexdigest(), **about}


@pytest.fixture(scope="module")
def guarded(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with keys."""
    keys = [key("free"), key("support", default_task="support/mail"), key("small", models=["other"])]
    state = Path(tmp_path_factory.mktemp("state")) / "state.db"
    text = configuration(
        shared_upstream.base_url,
        ["good", "other"],
        keys=keys,
        state={"url": f"sqlite:///{state}"},
        tasks={"good-only": {"candidates": ["good"]}},
    )
    with running_gateway(text) as url:
        yield url


def test_the_first_tag_that_is_there_wins(guarded: str, upstream: Upstream) -> None:
    tagged = {**HELLO, "model": "task/from-model", "metadata": {"task_id": "from-metadata"}}
    with_key = {"authorization": "Bearer sk-support"}
    assert ask(guarded, body=tagged, x_task_id="from-header", **with_key).ours("task") == "from-header"
    assert ask(guarded, body=tagged, **with_key).ours("task") == "from-metadata"
    assert ask(guarded, body={**tagged, "metadata": None}, **with_key).ours("task") == "from-model"
    assert ask(guarded, body=HELLO, **with_key).ours("task") == "support/mail"
    assert ask(guarded, body=HELLO, authorization="Bearer sk-free").ours("task") == "default"


@pytest.mark.parametrize("task", ["", "has space", "ümlaut", "x" * 129, "a;b", "a\tb"])
def test_what_is_no_task_id_is_refused_with_the_rule(gateway: str, task: str) -> None:
    response = ask(gateway, body=HELLO, x_task_id=task.encode().decode("latin-1"))
    assert response.status == 400
    assert response.error["code"] == "invalid_task_id"
    assert "1 to 128 of the characters A-Z a-z 0-9 . _ : / -" in response.error["message"]
    assert response.error["param"] == "header X-Task-Id"
    in_body = chat(gateway, metadata={"task_id": task})
    assert (in_body.status, in_body.error["param"]) == (400, "metadata.task_id")


def test_the_longest_task_id_is_taken(gateway: str) -> None:
    assert chat(gateway, task="x" * 128).status == 200


def test_a_configured_models_name_goes_straight_there(gateway: str, upstream: Upstream) -> None:
    response = chat(gateway, model="other")
    assert (response.ours("model"), response.ours("reason"), response.ours("task")) == ("other", "requested", "default")


@pytest.mark.parametrize("model", ["gpt-4", "", "Auto", "good "])
def test_any_other_model_is_not_found(gateway: str, model: str) -> None:
    response = chat(gateway, model=model)
    assert response.status == 404
    assert response.error["code"] == "model_not_found"
    assert response.error["type"] == "invalid_request_error"
    assert response.ours("model") == "none"


def test_a_request_without_a_known_key_is_refused(guarded: str, upstream: Upstream) -> None:
    assert ask(guarded, body=HELLO).error["code"] == "missing_api_key"
    assert ask(guarded, body=HELLO, authorization="Basic abc").error["code"] == "missing_api_key"
    unknown = ask(guarded, body=HELLO, authorization="Bearer sk-guess")
    assert (unknown.status, unknown.error["code"]) == (401, "invalid_api_key")
    assert ask(guarded, "/v1/tasks").status == 401
    assert ask(guarded, "/health/live").status == 200
    assert upstream.received == []


def test_a_key_limits_the_models(guarded: str, upstream: Upstream) -> None:
    small = {"authorization": "Bearer sk-small"}
    assert ask(guarded, body=HELLO, **small).ours("model") == "other"
    assert ask(guarded, body={**HELLO, "model": "good"}, **small).status == 403
    assert ask(guarded, body=HELLO, x_task_id="good-only", **small).status == 403
    assert [model["id"] for model in ask(guarded, "/v1/models", **small).json["data"]] == ["auto", "other"]
    assert ask(guarded, "/v1/models/good", **small).status == 404
