"""What goes wrong with workers on one SQLite file: a process that hangs or is killed, and what the others do then."""

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from routing.pack import save_pack
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs, repacked
from tests.gateway.server.worker_load import (
    at_all,
    both,
    kill,
    loads,
    logged,
    manage,
    say,
    spent_usd,
    stopped,
    text,
    worker_pid,
)
from tests.gateway.server.worker_processes import START_S, Running, answers, restarted, running
from tests.gateway.waiting import eventually

pytestmark = pytest.mark.timeout(300)

MODELS = ("good", "other", "slow")
COST_USD = 2
"""Of a request: a token in and one out."""

WRITTEN_S = 1.5
"""After which a request is in the log and its cost in the state, on a machine with other work: docs/scale.md says 1."""


@pytest.mark.slow
def test_a_parent_that_hangs_for_long_is_waited_for(tmp_path: Path, upstream: Upstream) -> None:
    """Longer than workers wait for its answers: they go on by their last shares, and sync again afterwards."""
    with running(tmp_path, text(tmp_path, upstream)) as made:
        before = made.pids()
        with stopped(made.process.pid), loads(*both(made)) as under_load:
            time.sleep(4.5)
        for load in under_load:
            assert (load.failed, load.longest_s < 2.0) == ([], True)
        assert made.pids() == before
        assert "not in sync with the other workers" in made.log.read_text()
        for url in both(made):
            eventually(lambda url=url: say(url, "limited").status == 200, 10)  # type: ignore[misc]


@pytest.mark.slow
def test_a_parent_that_is_killed_is_started_again_with_all_that_was_written(tmp_path: Path, upstream: Upstream) -> None:
    made_text = text(tmp_path, upstream)
    with running(tmp_path, made_text) as made:
        one, other = both(made)
        secret = manage(one, "/v1/keys", {"name": "new"}).json["secret"]
        at_all(made, lambda url: say(url, secret).status == 200)
        assert all(say(url, secret).status == 200 for url in both(made) for _ in range(4))
        eventually(lambda: len(logged(other, "new")) == 10)
        made.process.kill()
        made.process.wait(10)
        with restarted(made, made_text):  # at once, as a supervisor does
            assert {say(url, secret).status for url in both(made)} == {200}
            eventually(lambda: len(logged(one, "new")) == 12)
            eventually(lambda: logged(one, "new") == logged(other, "new"))
            # The workers of the one before write what they had while these start, which read it again every 15 s.
            at_all(made, lambda url: spent_usd(url, "new") == 12 * COST_USD)
            assert len(made.pids()) == len(both(made))


@pytest.mark.slow
def test_a_worker_that_is_killed_under_load_loses_no_more_than_the_last_second(
    tmp_path: Path, upstream: Upstream
) -> None:
    with running(tmp_path, text(tmp_path, upstream)) as made:
        one, other = both(made)
        with loads(one, one, other) as (first, second, beside):
            time.sleep(2.5)
            pid = worker_pid(made, 1)
            assert pid is not None
            died_at = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)
        assert (beside.failed, beside.longest_s < 2.0) == ([], True)
        eventually(lambda: answers(made.own(1)), START_S)
        written = {request for at, request in (*first.answered, *second.answered) if at < died_at - WRITTEN_S}
        certain = written | {request for _, request in beside.answered}
        every = {request for load in (first, second, beside) for _, request in load.answered}
        assert len(written) > 20

        def found() -> set[str]:
            listed, cursor = set[str](), ""
            while True:
                page = manage(other, f"/v1/requests?limit=1000&cursor={cursor}").json
                listed |= {row["id"] for row in page["data"]}
                if not page["has_more"]:
                    return listed
                cursor = page["next_cursor"]

        eventually(lambda: certain <= found(), 10)
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(60) == 0
    # And no more is charged than was answered, or was under way.
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        (charged,) = connection.execute(
            "SELECT requests FROM spending WHERE kind = 'key' AND name = 'client'"
        ).fetchone()
    assert len(certain) <= charged <= len(every) + 2


@pytest.fixture(scope="module")
def packs(good_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`first`, and `second`, where the models have changed places."""
    made = Path(tmp_path_factory.mktemp("two-packs"))
    shutil.copytree(good_pack, made / "first")
    save_pack(repacked(good_pack, ("other", "good", "slow")), made / "second")
    return made


@pytest.fixture(scope="module")
def scored(packs: Path, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = Path(tmp_path_factory.mktemp("scored-workers"))
    sections: dict[str, Any] = {"routing": {"pack": str(packs / "first")}}
    with running(folder, text(folder, shared_upstream, MODELS, state_limits={"max_tasks": 20}, **sections)) as made:
        wait_for_scorer(made)
        yield made


def wait_for_scorer(made: Running) -> None:
    for url in both(made):
        eventually(lambda url=url: ask(url, "/health/ready").json["scorer"] == "ready", START_S)  # type: ignore[misc]


def observe(url: str, dataset: str, task: str, count: int = 12, seed: int = 1) -> None:
    for question in inputs(dataset, count, seed):
        body = {"model": "auto", "messages": [{"role": "user", "content": question}]}
        assert ask(url, body=body, authorization="Bearer client", x_task_id=task).status == 200


def goes_to(url: str, task: str) -> str:
    return say(url, x_task_id=task).ours("model")


@pytest.mark.slow
def test_a_scorer_that_is_killed_is_started_again_for_all_workers(scored: Running) -> None:
    one, other = both(scored)
    observe(one, "capitals", "before")
    at_all(scored, lambda url: goes_to(url, "before") == "other")
    pid = next(pid for pid in scored.pids() if b"--worker" not in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(pid, signal.SIGKILL)
    with loads(one, other) as under_load:
        at_all(scored, lambda url: goes_to(url, "before") == "other")  # by the last decision
        time.sleep(1.0)
    assert [load.failed for load in under_load] == [[], []]
    eventually(lambda: pid not in scored.pids(), 10)
    wait_for_scorer(scored)
    observe(other, "capitals", "after")
    at_all(scored, lambda url: goes_to(url, "after") == "other")


@pytest.mark.slow
def test_a_pack_that_one_worker_activates_is_active_at_all(scored: Running) -> None:
    one, other = both(scored)
    observe(other, "sums", "switched")
    at_all(scored, lambda url: goes_to(url, "switched") == "good")
    assert manage(other, "/v1/packs/second/activate", method="POST").status == 200
    at_all(scored, lambda url: manage(url, "/v1/packs").json["active"] == "second")
    at_all(scored, lambda url: goes_to(url, "switched") == "other")
    assert manage(one, "/v1/packs/rollback", method="POST").status == 200
    at_all(scored, lambda url: manage(url, "/v1/packs").json["active"] == "first")
    at_all(scored, lambda url: goes_to(url, "switched") == "good")


@pytest.mark.slow
def test_tasks_that_one_worker_merges_are_merged_at_all(scored: Running) -> None:
    one, other = both(scored)
    observe(one, "capitals", "merge/one")
    observe(other, "capitals", "merge/other", seed=2)
    at_all(scored, lambda url: {goes_to(url, task) for task in ("merge/one", "merge/other")} == {"other"})
    for task in ("merge/one", "merge/other"):
        eventually(lambda task=task: manage(one, f"/v1/tasks/{task}").json["n"] >= 12)  # type: ignore[misc]
    merged = manage(other, "/v1/tasks/merge/both/merge", {"sources": ["merge/one", "merge/other"]})
    assert (merged.status, merged.json["moved_inputs"] >= 20) == (200, True)
    at_all(scored, lambda url: say(url, x_task_id="merge/one").ours("task") == "merge/both")
    at_all(scored, lambda url: goes_to(url, "merge/other") == "other")
    at_all(scored, lambda url: manage(url, "/v1/tasks/merge/one").status == 404)
    assert manage(one, "/v1/tasks/merge/both", {"name": "Both"}, "PATCH").status == 200
    at_all(scored, lambda url: manage(url, "/v1/tasks/merge/both").json["name"] == "Both")
    kill(scored, 1)
    at_all(scored, lambda url: say(url, x_task_id="merge/one").ours("task") == "merge/both")


@pytest.mark.slow
def test_tasks_are_evicted_at_all_workers(scored: Running) -> None:
    one, other = both(scored)
    observe(one, "capitals", "evicted/first", 3)
    at_all(scored, lambda url: manage(url, "/v1/tasks/evicted/first").status == 200)
    for number in range(30):
        observe((one, other)[number % 2], "sums", f"evicted/{number:02}", 1)

    def is_evicted(url: str) -> bool:
        found = manage(url, "/v1/tasks/evicted/first")
        return found.status == 404 and found.error["code"] == "task_evicted"

    at_all(scored, is_evicted)
    at_all(scored, lambda url: len(manage(url, "/v1/tasks?limit=1000").json["data"]) <= 20)
    at_all(scored, lambda url: sum(manage(url, "/v1/evictions").json["total"].values()) >= 10)
    # Its next request starts it at either worker.
    observe(other, "capitals", "evicted/first", 3, seed=5)
    at_all(scored, lambda url: manage(url, "/v1/tasks/evicted/first").status == 200)
