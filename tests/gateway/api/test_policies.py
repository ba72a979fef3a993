"""What is said of a task while the gateway runs: pinned, restricted, taken back; and the activity that follows."""

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import Serving, configuration, running_gateway, serving_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
SECRETS = {"admin": "an-admins-secret", "viewer": "a-viewers-secret", "team": "a-clients-secret"}


def hashed(name: str) -> dict[str, str]:
    return {"name": name, "sha256": hashlib.sha256(SECRETS[name].encode()).hexdigest()}


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {SECRETS[name]}"}


@pytest.fixture(scope="module")
def text(shared_upstream: Upstream, good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    state = Path(tmp_path_factory.mktemp("policies")) / "state.db"
    return configuration(
        shared_upstream.base_url,
        ["good", "other", "slow"],
        tasks={"pinned": {"pin": "slow"}},
        routing={"pack": str(good_pack)},
        state={"url": f"sqlite:///{state}"},
        upstream={"retries": 0},
    )


@pytest.fixture(scope="module")
def serving(text: str) -> Iterator[Serving]:
    with serving_gateway(text) as running:
        eventually(lambda: ask(running.url, "/health/ready").json["scorer"] == "ready", 40)
        yield running


def put(url: str, task: str, body: dict[str, Any], query: str = "", **headers: str) -> Any:
    return ask(url, f"/v1/tasks/{task}/policy{query}", body, "PUT", **JSON, **headers)


def route(url: str, task: str) -> tuple[str, str]:
    answer = chat(url, task=task)
    return answer.ours("model"), answer.ours("reason")


def test_a_pin_holds_at_once_and_until_it_is_taken_back(serving: Serving, upstream: Upstream) -> None:
    url = serving.url
    assert ask(url, "/v1/tasks/a/b/policy").json["version"] == 0
    said = put(url, "a/b", {"pin": "other"}).json
    assert (said["version"], said["overrides"], said["configured"]) == (1, {"pin": "other"}, None)
    assert said["effective"]["pin"] == "other"
    assert route(url, "a/b") == ("other", "pinned")
    taken = ask(url, "/v1/tasks/a/b/policy", method="DELETE").json
    assert (taken["version"], taken["overrides"], taken["effective"]["pin"]) == (2, None, None)
    assert [row["overrides"] for row in taken["history"]] == [{"pin": "other"}, None]
    assert route(url, "a/b")[1] != "pinned"
    assert ask(url, "/v1/tasks/a/b/policy", method="DELETE").status == 404


def test_null_takes_back_what_the_configuration_says(serving: Serving, upstream: Upstream) -> None:
    assert route(serving.url, "pinned") == ("slow", "pinned")
    said = put(serving.url, "pinned", {"pin": None}).json
    assert (said["configured"], said["effective"]["pin"]) == ({"pin": "slow"}, None)
    assert route(serving.url, "pinned")[1] != "pinned"


def test_a_restriction_decides_again_at_once(serving: Serving, upstream: Upstream) -> None:
    seeded = ask(serving.url, "/v1/tasks/sums/inputs", {"inputs": inputs("sums", 12, seed=3)}, **JSON)
    assert seeded.json["decision"]["model"] == "good"
    assert put(serving.url, "sums", {"candidates": ["other", "slow"]}).status == 200
    told = ask(serving.url, "/v1/tasks/sums").json
    assert told["decision"]["model"] in {"other", "slow"}
    assert {row["model"] for row in told["scores"]} == {"other", "slow"}
    assert ask(serving.url, "/v1/tasks/sums/policy", method="DELETE").status == 200
    assert {row["model"] for row in ask(serving.url, "/v1/tasks/sums").json["scores"]} == {"good", "other", "slow"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"pin": "nobody"}, "not a configured model"),
        ({"candidates": ["good"], "max_params_b": 1}, "no candidate"),
        ({"pinned": "good"}, "pinned"),
        ({}, "The policy is empty. Use DELETE to remove an override."),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(serving: Serving, body: dict[str, Any], told: str) -> None:
    answer = put(serving.url, "refused", body)
    assert answer.status == 400
    assert told in answer.error["message"]
    assert ask(serving.url, "/v1/tasks/refused/policy").json["version"] == 0


def test_a_change_that_rests_on_another_version_is_refused(serving: Serving) -> None:
    assert put(serving.url, "raced", {"pin": "good"}, "?version=0").status == 200
    late = put(serving.url, "raced", {"pin": "slow"}, "?version=0")
    assert (late.status, late.error["message"].split(".")[0]) == (409, "The policy of task 'raced' is version 1, not 0")


def test_a_page_of_somebody_elses_changes_nothing(serving: Serving) -> None:
    """Without keys a browser on this machine is the only thing between other people's pages and the gateway."""
    assert put(serving.url, "theirs", {"pin": "good"}, sec_fetch_site="cross-site").status == 403
    assert put(serving.url, "theirs", {"pin": "good"}, host="evil.example").status == 403
    assert ask(serving.url, "/v1/tasks/theirs/policy").json["version"] == 0


def test_policies_outlive_a_restart_and_a_model_that_is_gone_is_told(
    text: str, tmp_path: Path, upstream: Upstream
) -> None:
    config = {**yaml.safe_load(text), "state": {"url": f"sqlite:///{tmp_path}/state.db"}, "routing": {}}
    with running_gateway(yaml.safe_dump(config)) as url:
        put(url, "kept", {"pin": "slow"})
        put(url, "gone", {"pin": "other"})
    config["models"] = [model for model in config["models"] if model["name"] != "other"]
    with running_gateway(yaml.safe_dump(config)) as url:
        assert route(url, "kept") == ("slow", "pinned")
        assert route(url, "gone")[0] == "good"
        told = ask(url, "/v1/tasks/gone/policy").json
        assert (told["overrides"], told["effective"]["pin"]) == ({"pin": "other"}, None)
        assert "'other' is not a configured model" in told["error"]


def test_activity_tells_of_all_of_a_task_and_of_a_backend(serving: Serving, upstream: Upstream) -> None:
    chat(serving.url, task="busy")
    chat(serving.url, "bad-json", task="busy")
    of_task = ask(serving.url, "/v1/activity?task=busy&minutes=5").json
    assert (of_task["of"], of_task["name"], of_task["total"]["requests"]) == ("task", "busy", 2)
    assert of_task["total"]["overhead_p50_ms"] < of_task["total"]["p95_ms"]
    everything = ask(serving.url, "/v1/activity").json
    assert everything["total"]["requests"] >= 2
    backend = chat(serving.url, task="busy").ours("backend")
    assert ask(serving.url, f"/v1/activity?backend={backend}").json["total"]["requests"] >= 1
    assert ask(serving.url, "/v1/activity?backend=nobody/1").status == 404


def test_keys_say_who_may_do_what(text: str, tmp_path: Path, upstream: Upstream) -> None:
    config = yaml.safe_load(text)
    config |= {"state": {"url": f"sqlite:///{tmp_path}/state.db"}, "routing": {}, "keys": [hashed("team")]}
    config["admin"] = {"keys": [hashed("admin"), {**hashed("viewer"), "read_only": True}]}
    with running_gateway(yaml.safe_dump(config)) as url:
        may = {name: ask(url, "/v1/me", **bearer(name)).json for name in SECRETS}
        assert {name: (told["may_operate"], told["may_manage"]) for name, told in may.items()} == {
            "admin": (True, True),
            "viewer": (True, False),
            "team": (False, False),
        }
        assert [put(url, "t", {"pin": "good"}, **bearer(name)).status for name in SECRETS] == [200, 403, 403]
        assert [ask(url, "/v1/activity", **bearer(name)).status for name in SECRETS] == [200, 200, 403]
        assert ask(url, "/v1/tasks/t/policy", **bearer("admin")).json["history"][0]["changed_by"] == "admin"
        assert ask(url, "/v1/me").status == 401


@pytest.mark.slow
def test_a_policy_is_taken_while_the_scorer_is_away(serving: Serving, upstream: Upstream) -> None:
    """It holds for requests at once; the scorer that comes next reads it."""
    pid = serving.scorer_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert put(serving.url, "away", {"candidates": ["other"]}).status == 200
    assert chat(serving.url, task="away").ours("model") == "other"
    eventually(lambda: ask(serving.url, "/health/ready").json["scorer"] == "ready", 40)
    seeded = ask(serving.url, "/v1/tasks/away/inputs", {"inputs": inputs("sums", 5, seed=3)}, **JSON)
    assert seeded.json["decision"]["model"] == "other"
