import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.redis_servers import RedisServer, running_cluster, running_redis


def _folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    return Path(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(_folder(tmp_path_factory, "redis")) as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three masters, shared: tests use names of their own."""
    with running_cluster(_folder(tmp_path_factory, "cluster")) as url:
        yield url
