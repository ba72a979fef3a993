"""Several workers on one port and one SQLite file, without Redis: real processes, real HTTP."""

import contextlib
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.server.worker_load import (
    BUDGET_USD,
    LIMITS,
    WORKERS,
    both,
    kill,
    loads,
    logged,
    manage,
    say,
    spent_usd,
    stopped,
    text,
)
from tests.gateway.server.worker_processes import START_S, Running, free_ports, running, start
from tests.gateway.waiting import eventually

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shared_upstream: Upstream) -> Iterator[Running]:
    folder = Path(tmp_path_factory.mktemp("workers"))
    with running(folder, text(folder, shared_upstream)) as workers:
        yield workers


def test_what_one_worker_is_told_the_other_knows(made: Running) -> None:
    one, other = both(made)
    created = manage(one, "/v1/keys", {"name": "new"})
    assert created.status == 200
    secret = created.json["secret"]
    assert say(one, secret).status == 200
    eventually(lambda: say(other, secret).status == 200)
    assert manage(other, "/v1/keys", {"name": "new"}).status == 409

    assert manage(other, "/v1/tasks/t/policy", {"candidates": ["good"], "keep_texts": True}, "PUT").status == 200
    eventually(lambda: manage(one, "/v1/tasks/t/policy").json["version"] == 1)

    assert manage(other, "/v1/keys/new", method="DELETE").status == 200
    assert say(other, secret).status == 401
    eventually(lambda: say(one, secret).status == 401)

    # The request log and the usage are those of both, whichever is asked.
    assert len(logged(one, "new")) >= 2
    eventually(lambda: logged(one, "new") == logged(other, "new"))
    usage = {"limited", "budgeted", "client", "new"}
    assert usage >= {row["key"] for row in manage(one, "/v1/requests").json["data"] if row["key"]}


def test_each_worker_tells_its_health_and_its_metrics(made: Running) -> None:
    assert {ask(url, "/health/ready").status for url in both(made)} == {200}
    for url in both(made):
        assert b"benchroute_requests_total" in manage(url, "/metrics").body


def test_a_parent_that_hangs_holds_up_no_request_and_no_change(made: Running) -> None:
    """Also not of a key with a rate limit; what one worker spends of a budget alone is refused at the other."""
    one, other = both(made)
    before = made.pids()
    with stopped(made.process.pid):
        with loads(one, other) as under_load:
            assert {say(url, "limited").status for url in both(made)} == {200}
            secret = manage(one, "/v1/keys", {"name": "new"}).json["secret"]
            eventually(lambda: say(other, secret).status == 200, 5)
            assert manage(other, "/v1/keys/new", method="DELETE").status == 200
            eventually(lambda: say(one, secret).status == 401, 5)
        for load in under_load:
            assert (load.failed, load.longest_s < 2.0) == ([], True)
            assert len(load.answered) > 10
    # What it missed is caught up with.
    assert made.pids() == before
    while [say(one, "small").status for _ in range(10)].count(200):
        eventually(lambda: spent_usd(other, "small") == spent_usd(one, "small"), 10)
    eventually(lambda: say(other, "small").status == 429, 10)


def test_a_limit_of_requests_holds_for_all_workers_together(made: Running) -> None:
    limit = LIMITS["limited"]["requests_per_minute"]
    begun, admitted = time.monotonic(), sum(say(url, "limited").status == 200 for url in both(made))
    # An unused key has a full share at every worker, which the others learn of with the next exchange.
    eventually(lambda: time.monotonic() - begun > 1.0)
    while time.monotonic() - begun < 4.0:
        admitted += sum(say(url, "limited").status == 200 for url in both(made))
    refilled = (time.monotonic() - begun) * limit / 60
    # Each worker may overdraw its last share by one.
    assert 0.75 * limit <= admitted <= limit + refilled + len(WORKERS)


def test_a_budget_holds_for_all_workers_together(made: Running) -> None:
    cost = say(made.own(1), "budgeted").json["usage"]["total_tokens"]
    spent = cost
    while spent < BUDGET_USD + 10 * cost:
        # A share of what is left is that of what is known to be left.
        eventually(lambda spent=spent: all(spent_usd(url, "budgeted") == spent for url in both(made)))  # type: ignore[misc]
        admitted = sum(say(url, "budgeted").status == 200 for _ in range(6) for url in both(made))
        if not admitted:
            break
        spent += admitted * cost
    assert BUDGET_USD - cost <= spent <= BUDGET_USD + len(WORKERS) * cost


def test_a_second_gateway_on_the_file_is_refused(made: Running, tmp_path: Path, upstream: Upstream) -> None:
    second = start(tmp_path, text(made.log.parent, upstream), free_ports())
    assert second.wait(START_S) == 1
    assert "is in use by another gateway" in (tmp_path / "log").read_text()
    assert say(made.url).status == 200


def test_a_worker_that_is_killed_takes_nothing_with_it(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path, text(tmp_path, upstream)) as made:
        one, other = both(made)
        for _ in range(10):
            assert all(say(url).status == 200 for url in both(made))
        secret = manage(one, "/v1/keys", {"name": "new"}).json["secret"]
        eventually(lambda: len(logged(other, "client")) == 20)
        total = spent_usd(one, "client")
        eventually(lambda: spent_usd(other, "client") == total)  # written once a second
        kill(made, 1)
        assert say(other).status == 200
        assert say(one, secret).status == 200
        eventually(lambda: len(logged(one, "client")) == 21)
        assert spent_usd(one, "client") >= total

        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(60) == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        rows = connection.execute("SELECT name, requests FROM spending WHERE kind = 'key' ORDER BY name").fetchall()
    assert rows == [("client", 21), ("new", 1)]


@pytest.mark.slow
def test_a_reload_over_http_reaches_all_workers_as_the_signal_does(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path, text(tmp_path, upstream)) as made:
        one, other = both(made)

        def models(url: str) -> list[str]:
            return [model["name"] for model in manage(url, "/v1/config").json["config"]["models"]]

        (tmp_path / "config.yaml").write_text(text(tmp_path, upstream, ("good", "slow")))
        assert manage(one, "/v1/config/reload", method="POST").status == 200
        eventually(lambda: models(one) == models(other) == ["good", "slow"])
        assert manage(other, "/v1/config/rollback", {"version": 1}).status == 200
        eventually(lambda: models(one) == models(other) == ["good"])
        # A worker that starts again has what the others have, and not what the file has.
        kill(made, 1)
        eventually(lambda: models(one) == ["good"])
        made.process.send_signal(signal.SIGHUP)
        eventually(lambda: models(one) == models(other) == ["good", "slow"])


@pytest.mark.slow
def test_what_one_worker_sees_decides_at_all(tmp_path: Path, upstream: Upstream, good_pack: Path) -> None:
    made_text = text(tmp_path, upstream, ("good", "other", "slow"), routing={"pack": str(good_pack)})
    with running(tmp_path, made_text) as made:
        one, other = both(made)
        for url in both(made):
            eventually(lambda url=url: ask(url, "/health/ready").json["scorer"] == "ready", START_S)  # type: ignore[misc]
        for question in inputs("capitals", 20):
            body = {"model": "auto", "messages": [{"role": "user", "content": question}]}
            assert ask(one, body=body, authorization="Bearer client", x_task_id="capitals").status == 200
        for url in both(made):
            eventually(lambda url=url: say(url, x_task_id="capitals").ours("model") == "other", 60)  # type: ignore[misc]

        # Feedback on a response of one worker, given to the other.
        answered = say(one, x_task_id="capitals")
        scored = {"request_id": answered.headers["x-request-id"], "score": 1.0}
        given = ask(other, "/v1/feedback", scored, authorization="Bearer client", content_type="application/json")
        assert given.status == 200, given.body

        # The scorer is the parent's: it goes on when a worker dies, and starts again when it dies itself.
        kill(made, 1)
        eventually(lambda: say(one, x_task_id="capitals").ours("model") == "other", 60)

        assert manage(other, "/v1/tasks/capitals", method="DELETE").status == 200
        eventually(lambda: say(one).status == 200)
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(60) == 0
