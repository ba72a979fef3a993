"""Labels and thrift in a fleet, on a real Redis: told at one gateway, they hold at all, and outlive their scorers."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.asking import ask, chat
from tests.gateway.distributed.deployments import MODELS, Scorer, fleet_config, letters_pack, running_scorer
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import serving_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
PRICES = {"good": 10, "other": 10, "slow": 1}
TASKS = {"thrifty": {"max_regret": 0.4}}

pytestmark = pytest.mark.slow


@dataclass
class Fleet:
    """Two gateways and two scorers that score by auto."""

    urls: Sequence[str]
    scorers: Sequence[Scorer]

    def kill_scorers(self) -> None:
        """In whatever they are doing; each is started again by its supervisor."""
        for scorer in self.scorers:
            os.kill(scorer.worker_pid(), signal.SIGKILL)

    def go_to(self, task: str, model: str) -> bool:
        """Whether requests of a task, of the kind that it consists of, go to a model, at both."""
        asked = [{"role": "user", "content": inputs("sums", 1, seed=9)[0]}]
        return all(chat(url, task=task, messages=asked).headers["x-benchroute-model"] == model for url in self.urls)


@pytest.fixture
def fleet(redis_server: RedisServer, upstream: Upstream, tmp_path: Path) -> Iterator[Fleet]:
    pack = letters_pack(tmp_path / "pack")
    about = yaml.safe_load(fleet_config(upstream.base_url, redis_server.url, tmp_path, pack))
    about["routing"]["score"], about["tasks"] = "auto", TASKS
    for model in about["models"]:
        usd = PRICES[model["name"]]
        model["price"] = {"input_usd_per_mtok": usd, "output_usd_per_mtok": usd}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(about))
    with ExitStack() as stack:
        urls = [stack.enter_context(serving_gateway(config.read_text())).url for _ in range(2)]
        scorers = [stack.enter_context(running_scorer(config)) for _ in range(2)]
        for url in urls:
            eventually(partial(is_ready, url), 60)
        yield Fleet(urls, scorers)


def is_ready(url: str) -> bool:
    return bool(ask(url, "/health/ready").json["scorer"] == "ready")


def post(url: str, task: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = ask(url, f"/v1/tasks/{task}/{what}", body, **JSON)
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json
    return told


def labels(texts: Sequence[str], right: str) -> dict[str, Any]:
    """That one model alone is right on these."""
    outcomes = {name: float(name == right) for name in MODELS}
    return {"labels": [{"input": text, "outcomes": outcomes} for text in texts]}


def test_labels_told_at_one_gateway_change_the_decision_everywhere_and_outlive_scorers(fleet: Fleet) -> None:
    first, second = fleet.urls
    seeded = post(first, "t", "inputs", {"inputs": inputs("sums", 12)})
    assert seeded["decision"]["model"] == "good"
    eventually(lambda: fleet.go_to("t", "good"))
    texts = inputs("sums", 45, seed=2)
    told = post(second, "t", "labels", labels(texts[:40], "other"))
    assert (told["labels"], told["decision"]["model"]) == (40, "other")
    eventually(lambda: fleet.go_to("t", "other"))
    again = post(first, "t", "labels", labels(texts[:40], "other"))
    assert (again["labels"], again["decision"]["model"]) == (40, "other")

    fleet.kill_scorers()
    later = post(first, "t", "labels", labels(texts, "other"))  # asked while nobody is there who could answer
    assert (later["labels"], later["decision"]["model"]) == (45, "other")
    for url in fleet.urls:
        shown = ask(url, "/v1/tasks/t").json
        assert shown["auto"]["labels"] == 45
        assert shown["decision"]["model"] == "other"
    assert fleet.go_to("t", "other")


def test_labels_of_a_judge_are_weighed_the_same_at_every_gateway_and_are_removed(fleet: Fleet) -> None:
    first, second = fleet.urls
    post(first, "judged", "inputs", {"inputs": inputs("sums", 12)})
    given = labels(inputs("sums", 40, seed=2), "other")
    coin = {"model": "j", "agreement": {"both_right": 50, "both_wrong": 50, "differ": 100}}
    assert post(first, "judged", "labels", {**given, "judge": coin})["decision"]["model"] == "good"
    sure = {"model": "j", "agreement": {"both_right": 100, "both_wrong": 100}}
    told = post(second, "judged", "labels", {**given, "judge": sure})
    assert (told["labels"], told["judged"], told["decision"]["model"]) == (0, {"judge:j": 40}, "other")
    eventually(lambda: fleet.go_to("judged", "other"))
    fleet.kill_scorers()
    gone = ask(first, "/v1/tasks/judged/labels?judge=j", method="DELETE")
    assert (gone.status, gone.json["removed"], gone.json["judged"]) == (200, 40, {})
    again = ask(second, "/v1/tasks/judged/labels?judge=j", method="DELETE")
    assert (again.status, again.error["code"]) == (404, "labels_not_found")


def test_thrift_holds_at_every_gateway_and_so_does_its_end(fleet: Fleet) -> None:
    first, second = fleet.urls
    seeded = post(first, "thrifty", "inputs", {"inputs": inputs("sums", 12)})
    assert (seeded["decision"]["model"], seeded["decision"]["leader"]) == ("slow", "good")
    eventually(lambda: fleet.go_to("thrifty", "slow"))

    fleet.kill_scorers()
    more = post(second, "thrifty", "inputs", {"inputs": inputs("sums", 4, seed=3)})
    assert (more["n"] >= 16, more["decision"]["model"]) == (True, "slow")

    policy = ask(second, "/v1/tasks/thrifty/policy", {"max_regret": 0.0}, method="PUT", **JSON)
    assert policy.status == 200, policy.body
    eventually(lambda: fleet.go_to("thrifty", "good"))
    fleet.kill_scorers()
    told = post(first, "thrifty", "labels", labels(inputs("sums", 60, seed=4), "other"))
    assert told["decision"]["model"] == "other"
    eventually(lambda: fleet.go_to("thrifty", "other"))
