"""`benchroute tasks` and `benchroute tail` against a real gateway and its scorer."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from tests.gateway.asking import ask, chat
from tests.gateway.cli.conftest import run_command
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two tasks have had inputs."""
    state = {"url": f"sqlite:///{tmp_path_factory.mktemp('watching')}/state.db"}
    models, routing = ["good", "other", "slow"], {"pack": str(good_pack)}
    with running_gateway(configuration(shared_upstream.base_url, models, routing=routing, state=state)) as running:
        eventually(lambda: ask(running, "/health/ready").json["scorer"] == "ready", 60)
        for task, dataset in (("team/sums", "sums"), ("geography", "capitals")):
            ask(running, f"/v1/tasks/{task}/inputs", {"inputs": inputs(dataset, 12)}, **JSON)
        yield running


def asked(url: str, *arguments: object) -> Result:
    return run_command(*arguments, "--url", url)


@pytest.mark.slow
def test_tasks_are_listed(url: str) -> None:
    listed = asked(url, "tasks")
    assert [line.split()[:2] for line in listed.stdout.splitlines()[2:]] == [
        ["geography", "other"],
        ["team/sums", "good"],
    ]
    document = json.loads(asked(url, "tasks", "--json", "--limit", 1).stdout)
    assert [task["id"] for task in document["data"]] == ["geography"]


def test_tasks_are_listed_without_a_pack(shared_upstream: Upstream, tmp_path: Path) -> None:
    """Their requests are counted, and their cost is unknown rather than 0; none is the best on average."""
    state = {"url": f"sqlite:///{tmp_path}/state.db"}
    with running_gateway(configuration(shared_upstream.base_url, ["good", "other"], state=state)) as bare:
        assert "no tasks yet" in asked(bare, "tasks").stdout
        for number in range(3):
            chat(bare, task=f"team/{number % 2}")
        listed = asked(bare, "tasks").stdout.splitlines()[2:]
        shown = asked(bare, "tasks", "show", "team/0").stdout
    assert [line.split() for line in listed] == [
        ["team/0", "good", "no-pack", "0", "0", "2", "–"],
        ["team/1", "good", "no-pack", "0", "0", "1", "–"],
    ]
    assert "good is the first of the configuration" in shown
    assert "2 requests, cost unknown" in shown
    assert "best model on average" not in shown


@pytest.mark.slow
def test_a_task_is_shown_with_its_scores_and_its_history(url: str) -> None:
    shown = asked(url, "tasks", "show", "team/sums")
    assert shown.exit_code == 0, shown.output
    first, *_ = shown.stdout.splitlines()
    assert first.startswith("good  (")
    assert "12 inputs, u = 0." in shown.stdout
    assert {"S1", "S2", "S3", "p"} <= set(shown.stdout.split())
    assert "changes of model" in shown.stdout
    assert json.loads(asked(url, "tasks", "show", "team/sums", "--json").stdout)["id"] == "team/sums"
    missing = asked(url, "tasks", "show", "nothing")
    assert (missing.exit_code, "not found: no request of it was seen" in missing.stderr) == (1, True)


@pytest.mark.slow
def test_decisions_are_shown_as_they_come(url: str) -> None:
    told = [json.loads(line) for line in asked(url, "tail", "--json", "--limit", 2).stdout.splitlines()]
    assert [(one["task"], one["model"], one["before"]) for one in told] == [
        ("team/sums", "good", None),
        ("geography", "other", None),
    ]
    ask(url, "/v1/tasks/geography/inputs", {"inputs": inputs("capitals", 1, seed=4)}, **JSON)
    last = asked(url, "tail", "--last", 1, "--limit", 1).stdout
    assert last.split()[1:] == ["geography", "other", told[1]["reason"], "n=13"]
    changes = asked(url, "tail", "--changes", "--json", "--limit", 2).stdout
    assert [json.loads(line)["n"] for line in changes.splitlines()] == [12, 12]


@pytest.mark.parametrize("command", [("tasks",), ("tasks", "show", "t"), ("tail",)])
def test_where_no_gateway_listens_the_next_step_is_told(command: tuple[str, ...]) -> None:
    refused = asked("http://127.0.0.1:9", *command)
    assert refused.exit_code == 1
    assert refused.stderr == (
        "error: http://127.0.0.1:9: connection refused; start a gateway with `benchroute serve`, or set --url\n"
    )
