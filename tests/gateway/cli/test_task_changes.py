"""`benchroute tasks rename`, `merge`, `unmerge`, `pin`, `unpin`, `delete` against a real gateway."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.gateway.asking import ask, chat
from tests.gateway.cli.conftest import run_command
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway


@pytest.fixture
def url(upstream: Upstream, tmp_path: Path) -> Iterator[str]:
    text = configuration(
        upstream.base_url,
        ["good", "other"],
        state={"url": f"sqlite:///{tmp_path}/state.db"},
        tasks={"fixed": {"pin": "good"}},
    )
    with running_gateway(text) as url:
        for task in ("a", "b/c", "fixed"):
            chat(url, task=task)
        yield url


def run(url: str, *words: str) -> Result:
    return run_command("tasks", *words, "--url", url)


def show(url: str, task: str) -> Any:
    return ask(url, f"/v1/tasks/{task}").json


def test_a_task_is_named(url: str) -> None:
    assert run(url, "rename", "b/c", "Bills").stdout == "b/c is shown as Bills\n"
    assert show(url, "b/c")["name"] == "Bills"
    assert run(url, "rename", "b/c", "").stdout == "b/c has no display name\n"
    refused = run(url, "rename", "unknown", "Bills")
    assert refused.exit_code == 1
    assert "Task 'unknown' not found" in refused.output


def test_tasks_are_merged_and_the_merge_is_undone(url: str) -> None:
    told = run(url, "merge", "letters", "a", "b/c")
    assert told.stdout == "a, b/c merged into letters, 0 inputs moved; later requests go there\n"
    assert chat(url, task="b/c").ours("task") == "letters"
    undone = run(url, "unmerge", "b/c", "--json")
    assert json.loads(undone.stdout)["unmerged"] == "b/c"
    assert chat(url, task="b/c").ours("task") == "b/c"
    assert "is not merged" in run(url, "unmerge", "b/c").output
    assert "config.yaml" in run(url, "merge", "letters", "fixed").output


def test_a_task_is_pinned_and_its_other_overrides_stay(url: str) -> None:
    ask(url, "/v1/tasks/a/policy", {"candidates": ["good", "other"]}, "PUT", content_type="application/json")
    assert run(url, "pin", "a", "other").stdout == "a is pinned to other\n"
    assert chat(url, task="a").ours("model") == "other"
    assert run(url, "unpin", "a").exit_code == 0
    policy = ask(url, "/v1/tasks/a/policy").json
    assert policy["overrides"] == {"candidates": ["good", "other"]}
    assert (run(url, "unpin", "a").exit_code, run(url, "pin", "a", "nobody").exit_code) == (2, 1)
    # What config.yaml pins is lifted by an override, and pinned again by its removal.
    assert run(url, "unpin", "fixed").exit_code == 0
    assert ask(url, "/v1/tasks/fixed/policy").json["effective"]["pin"] is None


def test_a_task_is_deleted(url: str) -> None:
    assert run(url, "delete", "a").exit_code != 0  # nobody confirms
    assert show(url, "a")["id"] == "a"
    assert run(url, "delete", "a", "--yes").stdout == "a deleted\n"
    assert "error" in show(url, "a")


def test_tasks_are_listed_in_an_order_and_by_kind(url: str) -> None:
    listed = run(url, "--sort", "cost", "--kind", "automatic", "--json")
    assert json.loads(listed.stdout) == {"object": "list", "data": []}
    assert run(url, "--sort", "size").exit_code == 2
