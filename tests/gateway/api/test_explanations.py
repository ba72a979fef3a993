"""A task's explanation is of its latest input while a scorer answers, and says of how many inputs it is.

Lists show the stored explanations, so that a page of them waits for no scorer.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.scorer.task_update import EXPLANATION_INTERVAL
from gateway.state.sqlite import SqliteStore
from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import Serving, configuration, serving_gateway
from tests.gateway.waiting import eventually

COUNT = EXPLANATION_INTERVAL + 5


@pytest.fixture
def serving(shared_upstream: Upstream, good_pack: Path, tmp_path: Path) -> Iterator[Serving]:
    text = configuration(
        shared_upstream.base_url,
        ["good", "other", "slow"],
        routing={"pack": str(good_pack)},
        state={"url": f"sqlite:///{tmp_path}/state.db"},
    )
    with serving_gateway(text) as running:
        eventually(lambda: ask(running.url, "/health/ready").json["scorer"] == "ready", 60)
        yield running


def test_every_part_of_a_view_says_how_many_inputs_it_rests_on(serving: Serving, tmp_path: Path) -> None:
    for text in inputs("sums", COUNT):
        chat(serving.url, task="t", messages=[{"role": "user", "content": text}])
    eventually(lambda: ask(serving.url, "/v1/tasks/t").json["n"] == COUNT)
    store = SqliteStore(str(tmp_path / "state.db"))
    stored = store.read_task("t").explanation.to_dict()
    store.close()
    assert stored["n"] < COUNT
    derived, *listed = views(serving.url)
    assert (derived["n"], derived["explained_n"], inputs_told(derived)) == (COUNT, COUNT, COUNT)
    for shown in listed:
        assert (shown["n"], shown["explained_n"], inputs_told(shown)) == (COUNT, stored["n"], stored["n"])
    pid = serving.scorer_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # it still counts as ready, and answers nothing
    try:
        hanging = ask(serving.url, "/v1/tasks/t")
    finally:
        os.kill(pid, signal.SIGKILL)
    assert hanging.status == 200
    eventually(lambda: ask(serving.url, "/health/ready").json["scorer"] != "ready")
    for shown in (hanging.json, *views(serving.url)):
        assert shown["decision"]["model"] == "good"
        assert (shown["n"], shown["explained_n"], inputs_told(shown)) == (COUNT, stored["n"], stored["n"])
        assert (shown["decision"]["n"], shown["decision"]["explained_n"]) == (COUNT, stored["n"])
        assert f"over {stored['n']} inputs" in shown["decision"]["why"]


def views(url: str) -> list[dict[str, Any]]:
    (listed,) = ask(url, "/v1/tasks?details=true").json["data"]
    (busiest,) = ask(url, "/v1/overview").json["busiest"]
    return [ask(url, "/v1/tasks/t").json, listed, busiest]


def inputs_told(shown: dict[str, Any]) -> int:
    """How many inputs the scores that are shown rest on."""
    row = shown["scores"][0] if "scores" in shown else shown["chosen"]
    return int(row["n"])
