"""An evicted task is gone from the routes, told of in the API, and what was spent on it stays in the totals."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually

PRICE = {"input_usd_per_mtok": 1000, "output_usd_per_mtok": 1000}


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("evictions")
    text = configuration(
        shared_upstream.base_url,
        ["good", "other", "slow"],
        routing={"pack": str(good_pack)},
        tasks={"kept": {"candidates": ["good", "other"]}},
        state={"url": f"sqlite:///{folder}/state.db", "max_tasks": 2, "idle_days": None},
    )
    with running_gateway(text) as url:
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
        yield url


def test_tasks_beyond_the_limit_are_evicted_and_told_of(url: str) -> None:
    for number, task in enumerate(("kept", "first", "second", "third"), 1):
        chat(url, task=task, messages=[{"role": "user", "content": inputs("sums", 9)[number]}])
        wait_scored(url, task)
    eventually(lambda: len(ask(url, "/v1/evictions").json["data"]) == 2)
    listed = ask(url, "/v1/evictions").json
    assert [(one["task"], one["reason"], one["number"]) for one in listed["data"]] == [
        ("first", "max_tasks", 1),
        ("second", "max_tasks", 2),
    ]
    assert listed["total"] == {"max_tasks": 2}
    told = ask(url, "/v1/tasks/first")
    assert (told.status, told.error["code"]) == (404, "task_evicted")
    assert "state.max_tasks" in told.error["message"]
    assert [task["id"] for task in ask(url, "/v1/tasks").json["data"]] == ["kept", "third"]
    assert 'benchroute_tasks_evicted_total{reason="max_tasks"} 2.0' in ask(url, "/metrics").body.decode()
    usage = ask(url, "/v1/usage?by=task").json
    assert {row["task"]: row["requests"] for row in usage["data"]} == {"(others)": 2, "kept": 1, "third": 1}
    assert usage["total"]["requests"] == 4
    assert chat(url, task="first").ours("reason") == "cold-start"


def wait_scored(url: str, task: str) -> None:
    """Wait until a task's input is scored, or the task is evicted already."""
    eventually(lambda: ask(url, f"/v1/tasks/{task}").json.get("n") == 1 or gone(url, task))


def gone(url: str, task: str) -> bool:
    return any(one["task"] == task for one in ask(url, "/v1/evictions").json["data"])
