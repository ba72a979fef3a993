"""SIGTERM: not ready at once, serving until the drain's end, then no longer listening; a second one ends at once."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.asking import HELLO, ask, connection
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer
from tests.gateway.server.test_shutdown import asking, config, refused, running
from tests.gateway.server.test_workers import redis  # noqa: F401  # a fixture
from tests.gateway.server.test_workers import text as workers_text
from tests.gateway.server.worker_processes import WORKERS
from tests.gateway.server.worker_processes import running as running_workers
from tests.gateway.waiting import eventually

pytestmark = pytest.mark.slow

LANES = ("express", "asgi")
DRAIN_S = 2.0


def drained(upstream: Upstream, folder: Path, lane: str, drain_s: float = DRAIN_S, **server: Any) -> str:
    made = {"shutdown_grace_s": 20, "drain_s": drain_s, "lane": lane, **server}
    return config(upstream, folder, 20, server=made)


def ready(url: str) -> int:
    return ask(url, "/health/ready").status


def end(gateway: Any) -> None:
    """SIGTERM for the gateway alone, as an orchestrator sends it."""
    gateway.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("lane", LANES)
def test_a_drain_is_not_ready_and_still_serves(upstream: Upstream, tmp_path: Path, lane: str) -> None:
    with running(tmp_path, drained(upstream, tmp_path, lane)) as gateway, connection(gateway.url) as kept:
        kept.request("GET", "/v1/models")  # builds the management API, which may take longer than the drain
        assert kept.getresponse().read()
        assert ready(gateway.url) == 200
        begun = time.monotonic()
        end(gateway)
        eventually(lambda: ready(gateway.url) == 503, 1)
        told = ask(gateway.url, "/health/ready")
        assert told.error["code"] == "draining"
        assert ask(gateway.url, "/health/live").status == 200
        # New connections and those that were open before are served, and asked to close.
        answer = ask(gateway.url, body={**HELLO, "model": "good"})
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        kept.request("GET", "/v1/models")
        response = kept.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        response.read()
        assert time.monotonic() - begun < DRAIN_S
        eventually(lambda: refused(gateway.url), DRAIN_S + 2)
        assert time.monotonic() - begun >= DRAIN_S
        gateway.ended(5)
        assert gateway.process.returncode == -signal.SIGTERM
        assert gateway.rows("SELECT requests FROM spending WHERE kind = 'task'") == [(1,)]


@pytest.mark.parametrize("lane", LANES)
def test_a_request_of_the_drain_ends_within_the_grace(upstream: Upstream, tmp_path: Path, lane: str) -> None:
    with running(tmp_path, drained(upstream, tmp_path, lane, 0.5)) as gateway:
        end(gateway)
        eventually(lambda: ready(gateway.url) == 503, 1)
        with asking(gateway.url, "tells-slowly") as made:
            response = made.getresponse()
            first = response.read1()
            eventually(lambda: refused(gateway.url))
            assert (first + response.read()).endswith(b"data: [DONE]\n\n")
        gateway.ended(5)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("drain_s", [30, 0])
def test_a_second_signal_ends_at_once_and_saves_what_was_spent(
    upstream: Upstream, tmp_path: Path, lane: str, drain_s: float
) -> None:
    with running(tmp_path, drained(upstream, tmp_path, lane, drain_s)) as gateway:
        assert ask(gateway.url, body={**HELLO, "model": "good"}, x_task_id="last").status == 200
        with asking(gateway.url, "endless") as made:
            stream = made.getresponse()
            stream.read1()
            end(gateway)
            eventually(lambda: ready(gateway.url) == 503 if drain_s else refused(gateway.url), 2)
            end(gateway)
            assert gateway.ended(10) < 3
            assert b"shutting_down" in stream.fp.read()
        assert "Traceback" not in gateway.log
        assert gateway.rows("SELECT requests FROM spending WHERE name = 'last'") == [(2,)]


def test_ctrl_c_does_not_drain(upstream: Upstream, tmp_path: Path) -> None:
    with running(tmp_path, drained(upstream, tmp_path, "express", 30)) as gateway:
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.ended(10) < 3


def test_workers_drain_together(tmp_path: Path, redis: RedisServer, upstream: Upstream) -> None:  # noqa: F811
    made = yaml.safe_load(workers_text(upstream, redis))
    with running_workers(tmp_path, yaml.safe_dump({**made, "server": {"drain_s": DRAIN_S}})) as gateway:
        # A service manager that signals all processes of the service: each worker gets two.
        gateway.process.send_signal(signal.SIGTERM)
        for pid in gateway.pids():
            os.kill(pid, signal.SIGTERM)
        workers = range(1, WORKERS + 1)
        eventually(lambda: all(ready(gateway.own(worker)) == 503 for worker in workers), 1.5)
        for _ in range(10):
            assert ask(gateway.url, body={**HELLO, "model": "good"}).status == 200
        eventually(lambda: refused(gateway.url), DRAIN_S + 3)
        assert gateway.process.wait(10) == 0


def test_a_second_signal_ends_workers_at_once(tmp_path: Path, redis: RedisServer, upstream: Upstream) -> None:  # noqa: F811
    made = yaml.safe_load(workers_text(upstream, redis))
    with running_workers(tmp_path, yaml.safe_dump({**made, "server": {"drain_s": 60}})) as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        eventually(lambda: ready(gateway.own(1)) == 503, 2)
        time.sleep(1)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(10) == 0
