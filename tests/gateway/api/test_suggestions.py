"""Which inputs to label next, from a gateway that keeps the texts of one task and not of another."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.asking import ask, chat
from tests.gateway.cli.conftest import run_command
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
PATH = "/v1/tasks/kept/label-suggestions"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suggestions") / "state.db"


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, good_pack: Path, state: Path) -> Iterator[str]:
    text = configuration(
        shared_upstream.base_url,
        ["good", "other", "slow"],
        routing={"pack": str(good_pack), "score": "auto", "adaptive_sampling": False},
        tasks={"kept": {"keep_texts": True}, "empty": {"keep_texts": True}},
        state={"url": f"sqlite:///{state}"},
    )
    with running_gateway(text) as running:
        eventually(lambda: ask(running, "/health/ready").json["scorer"] == "ready", 60)
        yield running


def test_kept_inputs_are_suggested_until_they_are_labelled(url: str, tmp_path: Path) -> None:
    texts = [*inputs("sums", 6), *inputs("capitals", 6)]
    ask(url, "/v1/tasks/kept/inputs", {"inputs": texts}, **JSON)
    for text in (texts[0], "  "):
        chat(url, task="kept", messages=[{"role": "user", "content": text}])
    eventually(lambda: ask(url, "/v1/tasks/kept").json["n"] == 13)
    told = ask(url, f"{PATH}?n=5").json
    assert (told["id"], told["kept"], told["labels"], len(told["data"])) == ("kept", 12, 0, 5)
    assert set(told["between"]) == {"good", "other", "slow"}
    for row in told["data"]:
        assert row["input"] in texts
        assert set(row["expected"]) == set(told["between"])
        mean = sum(row["expected"].values()) / 3
        variance = sum((value - mean) ** 2 for value in row["expected"].values()) / 3
        assert row["disagreement"] == pytest.approx(variance**0.5)
    chosen = [row["input"] for row in told["data"]]
    labels = [{"input": text, "outcomes": {"good": 1.0, "other": 0.0}} for text in chosen]
    assert ask(url, "/v1/tasks/kept/labels", {"labels": labels}, **JSON).json["labels"] == 5
    after = ask(url, f"{PATH}?n=256").json
    assert (after["labels"], len(after["data"])) == (5, 7)
    assert {row["input"] for row in after["data"]}.isdisjoint(chosen)

    shown = run_command("tasks", "suggest", "kept", "-n", "3", "-o", tmp_path / "label.jsonl", "--url", url)
    assert shown.exit_code == 0, shown.output
    assert "disagreement" in shown.stdout
    lines = [json.loads(line) for line in (tmp_path / "label.jsonl").read_text().splitlines()]
    assert [line["input"] for line in lines] == [row["input"] for row in after["data"][:3]]
    machine = run_command("tasks", "suggest", "kept", "--url", url, "--json")
    assert json.loads(machine.stdout)["data"] == after["data"]


def test_without_retention_it_is_said_which_setting_is_missing(url: str, state: Path) -> None:
    private = "a text that nobody wants to be kept"
    ask(url, "/v1/tasks/other/inputs", {"inputs": [private]}, **JSON)
    refused = ask(url, "/v1/tasks/other/label-suggestions")
    assert (refused.status, refused.error["code"]) == (400, "texts_not_kept")
    assert "Set `keep_texts: true` in `tasks.other` or `routing`." in refused.error["message"]
    command = run_command("tasks", "suggest", "other", "--url", url)
    assert command.exit_code == 1
    assert "keep_texts" in command.output
    connection = sqlite3.connect(state)
    kept = [bytes(row[0]) for row in connection.execute("SELECT embedding FROM ring WHERE task = 'other'")]
    connection.close()
    assert len(kept) == 1
    assert private.encode() not in kept[0]


def test_a_task_without_inputs_has_nothing_to_suggest(url: str) -> None:
    told = ask(url, "/v1/tasks/empty/label-suggestions").json
    assert (told["kept"], told["data"], told["between"]) == (0, [], [])
    assert (
        "nothing to label: none of the 0 stored inputs of empty qualifies"
        in run_command("tasks", "suggest", "empty", "--url", url).output
    )
    assert ask(url, f"{PATH}?n=0").status == 400
