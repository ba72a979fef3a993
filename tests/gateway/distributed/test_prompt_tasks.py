"""Automatic tasks of a fleet: real gateways on a real Redis agree on one id, also after restarts and losses."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.tasks.prompt_templates import PREFIX
from tests.gateway.asking import ask
from tests.gateway.distributed.deployments import fleet_config, letters_pack, running_scorer
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import Serving, serving_gateway
from tests.gateway.waiting import eventually

SORT = "Sort the letter of {} into one of the departments of the town hall, and answer with its name only."
DRAW = "You describe pictures to people who cannot see them, from left to right, without guessing."
FILLINGS = ("Anna Berg", "the old man from the river", "whom nobody knows here")
JSON = {"content_type": "application/json"}


def send(url: str, prompt: str, text: str = "hi") -> str:
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": text}]
    answer = ask(url, body={"model": "auto", "messages": messages})
    assert answer.status == 200
    return answer.ours("task")


@contextmanager
def fleet(text: str, count: int = 2) -> Iterator[list[Serving]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving_gateway(text)) for _ in range(count)]


def tasks_of(gateways: list[Serving], prompt: str) -> set[str]:
    return {send(one.url, prompt) for one in gateways}


def test_gateways_that_see_other_fillings_at_once_agree_on_one_task(
    redis_server: RedisServer, upstream: Upstream, tmp_path: Path
) -> None:
    text = fleet_config(upstream.base_url, redis_server.url, tmp_path, None)
    with fleet(text) as gateways:
        # Nothing is shared yet: each has its own id for the template, and the other's prompt is a third one.
        first = {send(one.url, SORT.format(name)) for one, name in zip(gateways, FILLINGS, strict=False)}
        other = send(gateways[0].url, DRAW)
        assert all(task.startswith(PREFIX) for task in first)
        eventually(lambda: len(tasks_of(gateways, SORT.format(FILLINGS[0]))) == 1, 15)
        (one,) = tasks_of(gateways, SORT.format(FILLINGS[2]))
        assert one in first
        eventually(lambda: tasks_of(gateways, DRAW) == {other}, 15)
        for name in FILLINGS:
            assert tasks_of(gateways, SORT.format(name)) == {one}
    with fleet(text) as gateways:
        eventually(lambda: tasks_of(gateways, SORT.format("a guest of the inn")) == {one}, 15)
        assert tasks_of(gateways, DRAW) == {other}


def test_what_a_gateway_knows_is_shared_again_after_a_loss(
    redis_server: RedisServer, upstream: Upstream, tmp_path: Path
) -> None:
    text = fleet_config(upstream.base_url, redis_server.url, tmp_path, None)
    with fleet(text, 1) as gateways:
        tasks = [send(gateways[0].url, prompt) for prompt in (SORT.format(FILLINGS[0]), DRAW)]
        merged = ask(gateways[0].url, "/v1/tasks/letters/merge", {"sources": tasks[:1]}, **JSON)
        assert merged.status == 200
        with redis_server.client() as client:
            eventually(lambda: client.hlen("benchroute:{templates}:data") == 2, 15)
            eventually(lambda: client.hexists("benchroute:changes", "tasks"), 15)
            gateway = gateways[0].gateway
            assert gateway._node is not None
            eventually(lambda: len(gateway._node._copy._entries) == 1, 15)  # type: ignore[union-attr]  # checked
            client.flushall()
            send(gateways[0].url, "Write a poem about the sea and the wind, in four lines.")
            eventually(lambda: client.hlen("benchroute:{templates}:data") == 3, 15)
            eventually(lambda: client.hlen("benchroute:task-entries") == 1, 15)
        with fleet(text, 1) as later:
            eventually(lambda: send(later[0].url, SORT.format(FILLINGS[1])) == "letters", 15)
            assert send(later[0].url, DRAW) == tasks[1]


@pytest.mark.slow
def test_a_merge_moves_the_inputs_of_all_gateways_and_shards(
    redis_server: RedisServer, upstream: Upstream, tmp_path: Path
) -> None:
    pack = letters_pack(tmp_path / "pack")
    text = fleet_config(upstream.base_url, redis_server.url, tmp_path, pack)
    config = tmp_path / "config.yaml"
    config.write_text(text)

    def inputs_of(serving: Serving, task: str) -> Any:
        found = ask(serving.url, f"/v1/tasks/{task}")
        return found.json["n"] if found.status == 200 else found.error["code"]

    with fleet(text) as gateways, running_scorer(config):
        a, b = gateways
        for one in gateways:
            eventually(lambda one=one: ask(one.url, "/health/ready").json["scorer"] == "ready", 60)  # type: ignore[misc]
        sources = ["one", "two", "three"]
        for task in ["target", *sources]:
            for place, words in enumerate(inputs("sums", 4)):
                body = {"model": "auto", "messages": [{"role": "user", "content": words}]}
                assert ask(gateways[place % 2].url, body=body, x_task_id=task).status == 200
        for task in ["target", *sources]:
            eventually(lambda task=task: inputs_of(a, task) == 4, 30)  # type: ignore[misc]
        merged = ask(a.url, "/v1/tasks/target/merge", {"sources": sources}, **JSON)
        assert (merged.status, merged.json["moved_inputs"]) == (200, 12)
        assert inputs_of(a, "target") == 16
        assert {inputs_of(a, task) for task in sources} == {"task_merged"}
        # The other gateway learns of it soon; what it sends until then is moved later.
        body = {"model": "auto", "messages": [{"role": "user", "content": "one more"}]}
        answers: list[str] = []

        def follows() -> bool:
            answers.append(ask(b.url, body=body, x_task_id="one").ours("task"))
            return answers[-1] == "target"

        eventually(follows, 15)
        eventually(lambda: inputs_of(b, "target") == 16 + len(answers), 30)
        eventually(lambda: ask(b.url, "/v1/tasks/target").json["spent"]["requests"] == 16 + len(answers), 40)
