"""Several workers on one port: real processes, with a real Redis between them."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import parse_config
from gateway.errors import ConfigError
from gateway.server.workers import bind_sockets, check_workers
from tests.gateway.asking import chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer, running_redis
from tests.gateway.server.worker_processes import WORKERS, answers, free_ports, running
from tests.gateway.serving import configuration
from tests.gateway.waiting import eventually


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with running_redis(tmp_path) as server:
        yield server


def text(upstream: Upstream, redis: RedisServer) -> str:
    return configuration(upstream.base_url, ["good"], state={"url": redis.url})


def test_connections_are_dealt_out_and_a_worker_that_dies_is_replaced(
    tmp_path: Path, redis: RedisServer, upstream: Upstream
) -> None:
    with running(tmp_path, text(upstream, redis)) as made:
        for _ in range(40):
            assert chat(made.url).status == 200
        each = [made.answered(worker) for worker in (1, 2)]
        assert sum(each) == 40
        assert min(each) > 0

        first, other = made.pids()
        os.kill(first, signal.SIGKILL)
        eventually(lambda: len(made.pids()) == WORKERS and first not in made.pids(), 10)
        eventually(lambda: answers(made.own(1)) and answers(made.own(2)), 30)
        assert other in made.pids()
        for _ in range(20):
            assert chat(made.url).status == 200

        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(30) == 0
    assert not answers(made.own(1))
    assert not answers(made.own(2))


def test_workers_end_with_whoever_keeps_them(tmp_path: Path, redis: RedisServer, upstream: Upstream) -> None:
    with running(tmp_path, text(upstream, redis)) as made:
        made.process.kill()
        made.process.wait(10)
        eventually(lambda: not any(answers(made.own(worker)) for worker in (1, 2)), 30)


def test_workers_need_ports_of_their_own() -> None:
    config = parse_config(configuration("http://x/v1", ["good"], server={"port": 0}), "c", {})
    with pytest.raises(ConfigError) as caught:
        check_workers(config, 2)
    assert "server.port: 2 workers listen on this port and the 2 after it, up to 65535; it is 0" in str(caught.value)
    check_workers(config, 1)


def test_a_port_that_is_taken_is_named() -> None:
    port = free_ports()
    config = parse_config(configuration("http://x/v1", ["good"], server={"port": port}), "c", {})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 2))
        taken.listen()
        for one in bind_sockets(config, 1):
            one.close()
        with pytest.raises(ConfigError, match=f"server.port: 127.0.0.1:{port + 2} cannot be bound"):
            bind_sockets(config, 2)
