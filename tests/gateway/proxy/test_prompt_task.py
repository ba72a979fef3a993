"""Tasks of requests without a tag, over HTTP: by the template of their system prompts."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.endpoints import CHAT, MESSAGES, RESPONSES, Endpoint
from gateway.http.request_body import parse_body
from gateway.proxy.prompt_task import PromptTasks
from gateway.tasks.prompt_templates import PREFIX, PromptTemplates
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway

SORT = "Sort the letter of {name} into one of the departments of the town hall, and answer with its name only."
DRAW = "You describe pictures to people who cannot see them, from left to right, without guessing."


def chat(prompt: Any, role: str = "system", **members: Any) -> dict[str, Any]:
    messages = [{"role": role, "content": prompt}, {"role": "user", "content": "hi"}]
    return {"model": "auto", "messages": messages, **members}


def find(tasks: PromptTasks, body: dict[str, Any], operation: Endpoint = CHAT, indent: int | None = None) -> str | None:
    return tasks.find_task(parse_body(json.dumps(body, indent=indent).encode(), operation), "key")


def test_every_protocol_and_form_of_a_prompt_gives_its_task() -> None:
    tasks = PromptTasks(PromptTemplates())
    task = find(tasks, chat(DRAW))
    assert task is not None
    assert task.startswith(PREFIX)
    parts = [{"type": "text", "text": DRAW}]
    user = {"role": "user", "content": "hi"}
    for body, operation in (
        (chat(DRAW, "developer"), CHAT),
        (chat(parts), CHAT),
        ({"model": "auto", "messages": [{"content": DRAW, "role": "system"}, user]}, CHAT),
        ({"model": "auto", "messages": [user, {"role": "system", "content": DRAW}]}, CHAT),
        ({"model": "auto", "messages": [user], "system": DRAW}, MESSAGES),
        ({"model": "auto", "messages": [user], "system": parts}, MESSAGES),
        ({"model": "auto", "input": "hi", "instructions": DRAW}, RESPONSES),
    ):
        assert find(tasks, body, operation) == task
        assert find(tasks, body, operation, indent=2) == task


def test_fillings_are_one_task_and_other_prompts_and_tools_others() -> None:
    tasks = PromptTasks(PromptTemplates())
    letters = {find(tasks, chat(SORT.format(name=name))) for name in ("Anna Berg", "Omar Haddad", "Tara van Dijk")}
    tool = {"type": "function", "function": {"name": "search"}}
    others = {find(tasks, chat(DRAW)), find(tasks, chat(SORT.format(name="Anna"), tools=[tool]))}
    assert len(letters) == 1
    assert len(letters | others) == 3
    anthropic = {"model": "auto", "messages": [], "system": SORT.format(name="Anna"), "tools": [{"name": "search"}]}
    assert find(tasks, anthropic, MESSAGES) in others


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user", "content": 'the "system" says'}],
        [{"role": "system", "content": ""}],
        [{"role": "system", "content": None}],
        [{"role": "system", "content": [{"type": "image_url"}]}],
        [{"role": "user", "content": "a"}] * 3 + [{"role": "system", "content": DRAW}],
        ["system"],
        [1, 2, "system"],
        [{"role": "system"}],
    ],
)
def test_without_a_prompt_there_is_no_task(messages: list[Any]) -> None:
    assert find(PromptTasks(PromptTemplates()), {"model": "auto", "messages": messages}) is None


PROMPTS = [SORT.format(name="Anna"), SORT.format(name="Omar"), DRAW, DRAW + " Briefly."]


@given(st.lists(st.sampled_from(PROMPTS), max_size=12))
def test_a_prompt_seen_before_has_the_task_it_had(prompts: list[str]) -> None:
    remembered, found = PromptTasks(PromptTemplates()), dict[str, str | None]()
    for prompt in prompts:
        task = find(remembered, chat(prompt))
        assert found.setdefault(prompt, task) == task


def hashed(name: str, **terms: Any) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(f"sk-{name}".encode()).hexdigest(), **terms}


KEYS = [hashed("plain"), hashed("other"), hashed("usual", default_task="usual"), hashed("bound", tasks=["mine"])]


@pytest.fixture(scope="module", params=["express", "asgi"])
def keyed(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    state = {"url": f"sqlite:///{tmp_path_factory.mktemp('state')}/state.db"}
    sections = {"keys": KEYS, "server": {"lane": request.param}, "state": state}
    with running_gateway(configuration(shared_upstream.base_url, ["good"], **sections)) as url:
        yield url


def task_of(url: str, body: dict[str, Any], key: str = "plain", **headers: str) -> str:
    answer = ask(url, body=body, authorization=f"Bearer sk-{key}", **headers)
    assert answer.status == 200, answer.body
    return answer.ours("task")


def test_untagged_calls_are_sorted_by_their_prompts_and_a_tag_goes_first(keyed: str) -> None:
    letters = {task_of(keyed, chat(SORT.format(name=name))) for name in ("Anna Berg", "Omar Haddad")}
    pictures = task_of(keyed, chat(DRAW))
    assert len(letters) == 1
    assert pictures.startswith(PREFIX)
    assert pictures not in letters
    assert task_of(keyed, chat(DRAW), x_task_id="mine") == "mine"
    assert task_of(keyed, chat(DRAW, metadata={"task_id": "tagged"})) == "tagged"
    assert task_of(keyed, {**chat(DRAW), "model": "task/named"}) == "named"
    assert task_of(keyed, {**chat(DRAW), "model": "good"}) == pictures


def test_keys_have_tasks_of_their_own(keyed: str) -> None:
    assert task_of(keyed, chat(DRAW)) != task_of(keyed, chat(DRAW), "other")


def test_calls_without_a_prompt_stay_in_the_keys_task(keyed: str) -> None:
    plain = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    assert task_of(keyed, plain) == "default"
    assert task_of(keyed, plain, "usual") == "usual"
    assert task_of(keyed, chat(DRAW), "usual").startswith(PREFIX)


def test_a_key_of_named_tasks_stays_with_them(keyed: str) -> None:
    refused = ask(keyed, body=chat(DRAW), authorization="Bearer sk-bound")
    assert (refused.status, refused.error["code"]) == (403, "task_not_allowed")
    assert task_of(keyed, chat(DRAW), "bound", x_task_id="mine") == "mine"


def test_a_source_that_is_left_out_is_not_used(upstream: Upstream, tmp_path: Path) -> None:
    routing, state = {"task_sources": ["metadata", "key"]}, {"url": f"sqlite:///{tmp_path / 'state.db'}"}
    text = configuration(upstream.base_url, ["good"], routing=routing, state=state)
    with running_gateway(text) as url:
        assert ask(url, body=chat(DRAW), x_task_id="mine").ours("task") == "default"
        assert ask(url, body=chat(DRAW, metadata={"task_id": "tagged"})).ours("task") == "tagged"
