"""An evicted task is gone from the routes, told of in the API, and what was spent on it stays in the totals."""

from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually

pytestmark = pytest.mark.slow

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
        eventually(partial(scored_or_gone, url, task))
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


def scored_or_gone(url: str, task: str) -> bool:
    is_scored: bool = ask(url, f"/v1/tasks/{task}").json.get("n") == 1
    return is_scored or any(one["task"] == task for one in ask(url, "/v1/evictions").json["data"])


def test_a_key_with_a_list_of_tasks_is_told_of_its_own_evictions_alone(
    shared_upstream: Upstream, good_pack: Path, tmp_path: Path
) -> None:
    """Of the total by reason too: it would tell how many tasks others have."""
    team = {"name": "team", "sha256": sha256(b"sk-team").hexdigest(), "tasks": ["mine-1", "mine-2"]}
    every = {"name": "every", "sha256": sha256(b"sk-every").hexdigest()}
    text = configuration(
        shared_upstream.base_url,
        ["good", "other"],
        routing={"pack": str(good_pack)},
        keys=[team, every],
        state={"url": f"sqlite:///{tmp_path}/state.db", "max_tasks": 1, "idle_days": None},
    )
    everyone, own = {"authorization": "Bearer sk-every"}, {"authorization": "Bearer sk-team"}
    with running_gateway(text) as url:
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
        for count, task in enumerate(("theirs-1", "mine-1", "theirs-2", "mine-2")):
            given = {"inputs": [inputs("sums", 9)[count]]}
            assert (
                ask(url, f"/v1/tasks/{task}/inputs", given, content_type="application/json", **everyone).status == 200
            )
            eventually(partial(has_evicted, url, count, everyone))
        assert [one["task"] for one in ask(url, "/v1/evictions", **own).json["data"]] == ["mine-1"]
        assert ask(url, "/v1/evictions", **own).json["total"] == {"max_tasks": 1}
        assert ask(url, "/v1/evictions", **everyone).json["total"] == {"max_tasks": 3}
        shown = ask(url, "/v1/overview", **own).json
        assert (shown["tasks"], [one["id"] for one in shown["busiest"]]) == (1, ["mine-2"])
        assert sum(shown["by_model"].values()) == sum(shown["by_reason"].values()) == 1


def has_evicted(url: str, count: int, headers: dict[str, str]) -> bool:
    return len(ask(url, "/v1/evictions", **headers).json["data"]) == count
