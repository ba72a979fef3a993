"""Packs to choose from: what they say, what they would change, and taking one into use."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routing.pack import save_pack
from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.letters import UNAVAILABLE, Letters
from tests.gateway.packs import QUESTIONS, inputs, repacked, saved_pack, small_benchmark
from tests.gateway.serving import Serving, configuration, running_gateway, serving_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
MODELS = ("good", "other", "slow")


@pytest.fixture(scope="module")
def folder(good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`first`, in use, and `second`, where the models have changed places; a foreign one, a broken one, and no pack."""
    made = Path(tmp_path_factory.mktemp("packs-to-choose"))
    shutil.copytree(good_pack, made / "first")
    swapped = repacked(good_pack, ("other", "good", "slow"))
    texts = tuple(text[:40] for text in small_benchmark().texts)
    save_pack(replace(swapped, texts=texts), made / "second.tar")
    saved_pack(made / "foreign", Letters(name=UNAVAILABLE), MODELS)
    saved_pack(made / "strangers", Letters(name=UNAVAILABLE), ("calc", "atlas", "broad"))
    (made / "broken").mkdir()
    (made / "broken" / "manifest.json").write_text("{}")
    (made / "notes").mkdir()
    (made / "backup.tar").write_bytes(b"no tar")
    return made


@pytest.fixture(scope="module")
def serving(shared_upstream: Upstream, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    state = Path(tmp_path_factory.mktemp("state")) / "state.db"
    text = configuration(
        shared_upstream.base_url,
        list(MODELS),
        routing={"pack": str(folder / "first")},
        state={"url": f"sqlite:///{state}"},
        upstream={"retries": 0},
    )
    with serving_gateway(text) as running:
        eventually(lambda: ask(running.url, "/health/ready").json["scorer"] == "ready", 40)
        seeded = ask(running.url, "/v1/tasks/team/sums/inputs", {"inputs": inputs("sums", 12, seed=3)}, **JSON).json
        assert seeded["decision"]["model"] == "good"
        yield running


def get(serving: Serving, path: str) -> Any:
    answer = ask(serving.url, path)
    assert answer.status == 200, answer.body
    return answer.json


def test_packs_say_what_they_are_worth_and_which_is_in_use(serving: Serving) -> None:
    told = get(serving, "/v1/packs")
    packs = {pack["id"]: pack for pack in told["data"]}
    assert (told["active"], set(packs)) == ("first", {"broken", "first", "foreign", "second.tar", "strangers"})
    assert packs["first"]["gain_summary"].startswith("Routing ")
    assert "cannot be read" in packs["broken"]["error"]
    whole = get(serving, "/v1/packs/second.tar")
    assert (whole["has_texts"], whole["has_map"], packs["first"]["has_texts"]) == (True, True, False)
    assert {row["name"] for row in whole["datasets"]} == set(QUESTIONS)
    assert whole["report"]["n_datasets"] == len(QUESTIONS)
    assert ask(serving.url, "/v1/packs/nowhere").status == 404
    assert ask(serving.url, "/v1/packs/broken").error["code"] == "pack_refused"


@pytest.mark.parametrize(("pack", "best"), [("first", "good"), ("second.tar", "other")])
def test_outcomes_are_told_by_dataset(serving: Serving, pack: str, best: str) -> None:
    told = get(serving, f"/v1/packs/{pack}/outcomes")
    sums = next(row for row in told["data"] if row["dataset"] == "sums")
    by_model = dict(zip(told["models"], sums["outcomes"], strict=True))
    assert max(by_model, key=lambda name: by_model[name]) == best
    assert sums["n"] == 20


def test_a_tasks_evidence_is_the_benchmark_inputs_it_rests_on(serving: Serving) -> None:
    told = get(serving, "/v1/tasks/team/sums/evidence")
    assert (told["n"], told["models"]) == (12, list(MODELS))
    assert {near["dataset"] for near in told["nearest"]} == {"sums"}
    assert sum(near["times"] for near in told["nearest"]) <= 12 * 5
    assert [near["times"] for near in told["nearest"]] == sorted((n["times"] for n in told["nearest"]), reverse=True)
    assert told["nearest"][0]["text"] is None
    assert len(told["map"]["benchmark"]) == len(told["map"]["dataset_ids"]) == 80
    assert len(told["map"]["task"]) == 12
    assert get(serving, "/v1/tasks/nobody/evidence")["nearest"] == []


def test_a_pack_that_cannot_be_used_is_refused_and_changes_nothing(serving: Serving) -> None:
    """Of another embedder, or none at all."""
    refused = ask(serving.url, "/v1/packs/foreign/diff")
    assert (refused.status, "embedder" in refused.error["message"]) == (400, True)
    taken = ask(serving.url, "/v1/packs/broken/activate", method="POST")
    assert (taken.status, taken.error["code"]) == (400, "invalid_config")
    assert get(serving, "/v1/packs")["active"] == "first"


def test_a_pack_that_knows_none_of_the_models_is_activated_only_by_force(serving: Serving) -> None:
    refused = ask(serving.url, "/v1/packs/strangers/activate", method="POST")
    assert (refused.status, refused.error["code"]) == (400, "pack_refused")
    assert "outcomes of none of the configured models" in refused.error["message"]
    # By force it is tried: only its embedder, of another pack, stands against it.
    forced = ask(serving.url, "/v1/packs/strangers/activate?force=true", method="POST")
    assert (forced.status, "outcomes of none" in forced.error["message"]) == (400, False)
    assert get(serving, "/v1/packs")["active"] == "first"


def test_what_a_pack_would_change_is_told_first_and_then_happens(serving: Serving, upstream: Upstream) -> None:
    told = get(serving, "/v1/packs/second.tar/diff")
    row = next(row for row in told["data"] if row["task"] == "team/sums")
    assert (told["compared"], told["changed"], row["before"], row["after"]) == (1, 1, "good", "other")
    assert row["gain"] > 0.3
    assert get(serving, "/v1/tasks/team/sums")["decision"]["model"] == "good"  # looking has changed nothing

    taken = ask(serving.url, "/v1/packs/second.tar/activate", method="POST").json
    assert taken["id"] == "second.tar"
    assert get(serving, "/v1/packs")["active"] == "second.tar"
    assert get(serving, "/v1/tasks/team/sums")["decision"]["model"] == "other"
    # Without a text: an input of this task would be one that other tests have not counted.
    assert chat(serving.url, task="team/sums", messages=[{"role": "user", "content": ""}]).ours("model") == "other"
    assert get(serving, "/v1/tasks/team/sums/evidence")["nearest"][0]["text"].startswith("What is")
    assert ask(serving.url, "/v1/packs/second.tar/activate", method="POST").status == 409

    assert ask(serving.url, "/v1/packs/rollback", method="POST").json["id"] == "first"
    assert get(serving, "/v1/tasks/team/sums")["decision"]["model"] == "good"


def test_somebody_elses_page_takes_no_pack_into_use(serving: Serving) -> None:
    """A POST without a body needs no leave from the gateway to be sent by another site's page."""
    answer = ask(serving.url, "/v1/packs/second.tar/activate", method="POST", sec_fetch_site="cross-site")
    assert answer.status == 403


def test_without_a_pack_there_is_nothing_to_choose_from(shared_upstream: Upstream, tmp_path: Path) -> None:
    text = configuration(shared_upstream.base_url, ["good"], state={"url": f"sqlite:///{tmp_path}/state.db"})
    with running_gateway(text) as url:
        listed = ask(url, "/v1/packs").json
        assert (listed["active"], listed["data"], listed["next_cursor"]) == (None, [], None)
        assert ask(url, "/v1/packs/rollback", method="POST").status == 409
        assert ask(url, "/v1/tasks/t/evidence").status == 503
        assert ask(url, "/v1/tasks?details=true").json["data"] == []
        assert ask(url, "/v1/overview").json["tasks"] == 0
        chat(url, task="busy")
        told = ask(url, "/v1/overview").json
        assert (told["tasks"], told["by_model"], told["by_reason"]) == (1, {"good": 1}, {"no-pack": 1})
        assert [task["id"] for task in told["busiest"]] == ["busy"]
        (busy,) = ask(url, "/v1/tasks?details=true").json["data"]
        assert (busy["id"], busy["decision"]["reason"], sum(busy["requests_by_minute"])) == (
            "busy",
            "no-pack",
            1,
        )
