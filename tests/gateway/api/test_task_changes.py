"""Names, merges and deletion of tasks over HTTP, without a pack and with one."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.token_usage import Usage
from gateway.usage.ledger import Ledger, UsageBatch, UsageTotals
from gateway.usage.prices import Price
from tests.gateway.asking import Response, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway, serving_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
SORT = "Sort the letter of {} into one of the departments of the town hall, and answer with its name only."
FEW = "Read the letter of the town hall aloud, slowly and with a kind voice, then wait until somebody answers you."


def text_of(base_url: str, folder: Path, **sections: Any) -> str:
    return configuration(base_url, ["good", "other"], state={"url": f"sqlite:///{folder}/state.db"}, **sections)


@pytest.fixture
def text(upstream: Upstream, tmp_path: Path) -> str:
    return text_of(upstream.base_url, tmp_path, tasks={"configured": {"pin": "good"}})


@pytest.fixture
def url(text: str) -> Iterator[str]:
    with running_gateway(text) as url:
        yield url


def call(url: str, method: str, path: str, body: Any = None) -> Response:
    return ask(url, path, body, method, **JSON)


def merge(url: str, target: str, *sources: str) -> Response:
    return call(url, "POST", f"/v1/tasks/{target}/merge", {"sources": list(sources)})


def prompted(url: str, prompt: str) -> str:
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": "hi"}]
    return ask(url, body={"model": "auto", "messages": messages}).ours("task")


def show(url: str, task: str) -> Any:
    found = ask(url, f"/v1/tasks/{quote(task)}")
    return found.json if found.status == 200 else found.error["code"]


def test_a_task_without_a_pack_is_known_by_its_calls(url: str) -> None:
    assert show(url, "seen") == "task_not_found"
    chat(url, task="seen")
    found = show(url, "seen")
    assert (found["kind"], found["name"], found["merged"], found["decision"]["reason"]) == (
        "tagged",
        None,
        [],
        "no-pack",
    )
    assert found["spent"]["requests"] == 1
    assert show(url, "default") == "task_not_found"
    chat(url)
    assert show(url, "default")["kind"] == "default"
    assert show(url, prompted(url, SORT))["kind"] == "automatic"
    error = ask(url, "/v1/tasks/never").error
    assert error["message"] == "Task 'never' not found: no request of it was seen, and no input was scored."


def test_a_name_is_shown_and_survives_a_restart(text: str) -> None:
    with running_gateway(text) as url:
        assert call(url, "PATCH", "/v1/tasks/unknown", {"name": "Bills"}).error["code"] == "task_not_found"
        chat(url, task="bills")
        assert call(url, "PATCH", "/v1/tasks/bills", {"name": "Bills & letters"}).status == 200
    with running_gateway(text) as url:
        assert show(url, "bills")["name"] == "Bills & letters"
        assert call(url, "PATCH", "/v1/tasks/bills", {"name": None}).status == 200
        assert show(url, "bills")["name"] is None


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101, 3])
def test_a_name_that_cannot_be_shown_is_refused(url: str, name: Any) -> None:
    chat(url, task="bills")
    refused = call(url, "PATCH", "/v1/tasks/bills", {"name": name})
    assert (refused.status, refused.error["param"][:4]) == (400, "name")


def test_later_calls_of_a_merged_automatic_task_go_to_the_target_after_a_restart_too(text: str) -> None:
    with running_gateway(text) as url:
        task = prompted(url, SORT.format("Anna Berg"))
        chat(url, task="tagged")
        merged = merge(url, "letters", task, "tagged")
        assert (merged.status, merged.json["merged"]) == (200, [task, "tagged"])
        assert prompted(url, SORT.format("Anna Berg")) == "letters"
        assert chat(url, task="tagged").ours("task") == "letters"
        found = show(url, "letters")
        assert (found["spent"]["requests"], found["merged"]) == (4, [task, "tagged"])
        assert show(url, task) == show(url, "tagged") == "task_merged"
        assert [row["task"] for row in ask(url, "/v1/usage").json["data"]] == ["letters"]
    with running_gateway(text) as url:
        assert prompted(url, SORT.format("the old man")) == "letters"
        assert show(url, "letters")["spent"]["requests"] == 5
        undone = call(url, "DELETE", "/v1/tasks/tagged/merge")
        assert (undone.status, undone.json["id"]) == (200, "letters")
        assert chat(url, task="tagged").ours("task") == "tagged"
        assert show(url, "tagged")["spent"]["requests"] == 2
        assert show(url, "letters")["spent"]["requests"] == 4


def test_merges_that_make_no_sense_are_refused(url: str) -> None:
    for task in ("a", "b", "c", "configured"):
        chat(url, task=task)
    assert merge(url, "a", "a").error["param"] == "sources"
    assert merge(url, "a", "unknown").error["code"] == "task_not_found"
    assert merge(url, "a", "configured").error["code"] == "task_configured"
    assert merge(url, "a", "no task").error["code"] == "invalid_task_id"
    assert merge(url, "a").status == 400
    assert call(url, "DELETE", "/v1/tasks/a/merge").error["code"] == "task_not_merged"
    assert merge(url, "b", "a").status == 200
    assert merge(url, "b", "a").status == 200  # repeated after an interruption
    for refused in (merge(url, "c", "a"), merge(url, "a", "c"), call(url, "PATCH", "/v1/tasks/a", {"name": "A"})):
        assert (refused.status, refused.error["code"]) == (409, "task_merged")
    for path in ("policy", "inputs"):
        method, body = ("PUT", {"pin": "good"}) if path == "policy" else ("POST", {"inputs": ["x"]})
        assert call(url, method, f"/v1/tasks/a/{path}", body).error["code"] == "task_merged"
    # A chain: calls of a go on to where b goes.
    assert merge(url, "c", "b").status == 200
    assert chat(url, task="a").ours("task") == "c"
    assert show(url, "c")["merged"] == ["a", "b"]


def test_a_merge_takes_over_the_policy_where_the_target_has_none(url: str) -> None:
    for task in ("a", "b", "c"):
        chat(url, task=task)
    for task, model in (("a", "other"), ("b", "good")):
        assert call(url, "PUT", f"/v1/tasks/{task}/policy", {"pin": model}).status == 200
    assert merge(url, "new", "a", "b").error["code"] == "policy_conflict"
    assert chat(url, task="a").ours("task") == "a"
    assert merge(url, "new", "a", "c").status == 200
    answer = chat(url, task="c")
    assert (answer.ours("task"), answer.ours("model"), answer.ours("reason")) == ("new", "other", "pinned")
    assert merge(url, "new", "b").status == 200
    assert chat(url, task="b").ours("model") == "other"


def test_a_deleted_task_is_gone_until_its_next_call(url: str) -> None:
    chat(url, task="old")
    call(url, "PATCH", "/v1/tasks/old", {"name": "Old"})
    assert call(url, "DELETE", "/v1/tasks/old").json == {"object": "task.deleted", "id": "old", "deleted": True}
    assert show(url, "old") == "task_not_found"
    assert call(url, "DELETE", "/v1/tasks/old").error["code"] == "task_not_found"
    assert "old" not in str(ask(url, "/v1/tasks?details=true").json)
    chat(url, task="old")
    assert show(url, "old")["spent"]["requests"] == 1
    assert ask(url, "/v1/usage").json["total"]["requests"] == 2


def test_similar_templates_of_the_same_key_are_suggested(url: str) -> None:
    tasks = [prompted(url, SORT.format("Anna")), prompted(url, FEW), prompted(url, "Write a poem about the sea.")]
    assert len(set(tasks)) == 3
    first = ask(url, f"/v1/tasks/{tasks[0]}/similar?n=1").json["data"]
    assert [row["id"] for row in first] == tasks[1:2]
    assert 0.1 < first[0]["similarity"] < 0.35
    merge(url, "letters", tasks[1])
    assert [row["id"] for row in ask(url, f"/v1/tasks/{tasks[0]}/similar").json["data"]] == tasks[2:]
    chat(url, task="tagged")
    assert ask(url, "/v1/tasks/tagged/similar").json["data"] == []


def test_a_merge_moves_what_was_scored(upstream: Upstream, good_pack: Path, tmp_path: Path) -> None:
    text = text_of(upstream.base_url, tmp_path, routing={"pack": str(good_pack)}, scorer={"nice": 0})
    with serving_gateway(text) as running:
        url = running.url
        chat(url, task="a")
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
        for task, count in (("a", 2), ("b", 3)):
            body = {"inputs": [f"What is {number} plus one?" for number in range(count)]}
            assert call(url, "POST", f"/v1/tasks/{task}/inputs", body).status == 200
        scored = sum(show(url, task)["n"] for task in "ab")
        merged = merge(url, "sums", "a", "b")
        assert (merged.status, merged.json["moved_inputs"]) == (200, scored)
        assert show(url, "sums")["n"] == scored
        assert [row["id"] for row in ask(url, "/v1/tasks").json["data"]] == ["sums"]


@settings(max_examples=40, deadline=None)
@given(
    charges=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 10**6)), max_size=30),
    sources=st.sets(st.sampled_from("abc")),
)
def test_usage_of_a_merged_task_is_the_sum_of_all(charges: list[tuple[str, int]], sources: set[str]) -> None:
    ledger = Ledger({"m": Price(Decimal(1), Decimal(2))}, lambda: 1.0)

    def charge(task: str, tokens: int) -> None:
        batch = UsageBatch()
        batch.add_usage(Usage(tokens, 1), Decimal(tokens) / 10**6)
        ledger.charge_usage("k", task, batch, "m")

    for place, one in enumerate(charges):
        if place == len(charges) // 2:
            ledger.set_merged({"d": sorted(sources)})
        charge(*one)
    ledger.set_merged({"d": sorted(sources)})
    of_task = {task: ledger.usage_on("task", task) for task in "abcd"}
    expected = sum((of_task[task] for task in sources), UsageTotals())
    own = sum(tokens for task, tokens in charges if task == "d")
    assert of_task["d"].input_tokens == expected.input_tokens + own
    assert of_task["d"].usd == expected.usd + Decimal(own) / 10**6
    assert sources.isdisjoint(ledger.names_after("task", ""))
    shown = sum((total for total in ledger.usage_by_name("task").values()), UsageTotals())
    assert shown == ledger.total_usage("task") == ledger.usage_on("key", "k")
    ledger.set_merged({})
    assert ledger.usage_on("task", "d").input_tokens == own
