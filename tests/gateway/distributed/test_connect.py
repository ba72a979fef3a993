"""Every kind of address, on real servers: TLS, a Cluster, Sentinels and a failover."""

import hashlib
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import parse_config
from gateway.config.redis_url import parse_redis_url
from gateway.config.secrets import mask_url
from gateway.distributed.connect import RedisTimeouts
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.store import RedisStore
from gateway.errors import ConfigError, StateError
from gateway.state.store import StoredKey
from tests.gateway.asking import HELLO, ask
from tests.gateway.distributed.deployments import fleet_config
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import (
    SentinelDeployment,
    free_port,
    needs_redis,
    running_cluster,
    running_redis,
    running_sentinel,
    running_sentinels,
    tls_folder,
)
from tests.gateway.serving import serving_gateway
from tests.gateway.waiting import eventually

pytestmark = [needs_redis, pytest.mark.slow]
SECRET = "hunter2-SECRET"  # noqa: S105 - a made-up one


def stored_key(name: str) -> StoredKey:
    return StoredKey(name, hashlib.sha256(name.encode()).hexdigest(), 1.0, f'{{"name": "{name}"}}')


def works(url: str) -> bool:
    client = RedisClient(url)
    store = RedisStore(client)
    name = f"key-{secrets.token_hex(4)}"
    assert store.add_key(stored_key(name))
    subscription = client.subscribe("benchroute:test")
    # Scripts, pipelines over several slots, and pub/sub.
    store.forget_task("task")
    assert store.task_names() == []
    subscription.close_subscription()
    store.close()
    return True


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tls_folder(Path(tmp_path_factory.mktemp("tls")))


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelDeployment]:
    with running_sentinels(tmp_path) as found:
        yield found


def test_one_server_with_tls(tls: Path, tmp_path: Path) -> None:
    with running_redis(tmp_path, tls=tls) as server:
        assert works(f"rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={tls / 'ca.pem'}")
        with pytest.raises(StateError, match="certificate verify failed"):
            works(f"rediss://127.0.0.1:{server.port}/0")


def test_a_cluster_with_tls(tls: Path, tmp_path: Path) -> None:
    with running_cluster(tmp_path, tls=tls) as url:
        assert works(url)


def test_a_gateway_follows_a_failover(sentinels: SentinelDeployment, upstream: Upstream, tmp_path: Path) -> None:
    text = fleet_config(upstream.base_url, f"{sentinels.url}/0", tmp_path, None)
    with serving_gateway(text) as serving:
        store = RedisStore(RedisClient(sentinels.url))
        assert store.add_key(stored_key("before"))
        before = store.created_keys()
        eventually(lambda: answers(serving.url, "before"))
        eventually(lambda: replicated(sentinels), 10)
        sentinels.fail_over()
        # Requests go on, and the new master has what the old one had.
        assert answers(serving.url, "before")
        eventually(lambda: same_keys(store, before), 20)
        assert store.add_key(stored_key("after"))
        # The gateway's own thread has followed too.
        eventually(lambda: answers(serving.url, "after"), 20)
        store.close()


def answers(url: str, key: str) -> bool:
    return ask(url, body=HELLO, authorization=f"Bearer {key}", content_type="application/json").status == 200


def replicated(sentinels: SentinelDeployment) -> bool:
    with sentinels.master.client() as client:
        return bool(client.wait(1, 1000))


def same_keys(store: RedisStore, before: object) -> bool:
    try:
        return store.created_keys() == before
    except StateError:
        return False


def test_a_master_that_no_sentinel_knows_is_named(sentinels: SentinelDeployment) -> None:
    with pytest.raises(StateError, match=r"No master found for 'other'.*check the master's name"):
        works(sentinels.url.replace("/main", "/other"))


def test_sentinels_that_do_not_answer() -> None:
    client = RedisClient(f"redis-sentinel://127.0.0.1:{free_port()}/main", RedisTimeouts(0.2, 0.2))
    with pytest.raises(StateError, match=r"check the master's name in state.url, and the Sentinels' addresses"):
        client.execute("PING")


def test_sentinels_with_passwords(tmp_path: Path) -> None:
    with running_redis(tmp_path / "master", "--requirepass", "of-master") as master:
        folder = tmp_path / "sentinel"
        folder.mkdir()
        (folder / "sentinel.conf").write_text(
            f"sentinel monitor main 127.0.0.1 {master.port} 1\nsentinel auth-pass main of-master\n"
            "requirepass of-sentinel\n"
        )
        with running_sentinel(folder) as sentinel:
            hosts = f"127.0.0.1:{sentinel.port}"
            assert works(f"redis-sentinel://:of-master@{hosts}/main?sentinel_password=of-sentinel")
            with pytest.raises(StateError):
                works(f"redis-sentinel://:of-master@{hosts}/main?sentinel_password=wrong")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"redis://u:{SECRET}@h:12x/0", "not a valid Redis URL"),
        (f"redis://:{SECRET}/x@h/0", "not a valid Redis URL"),
        ("redis://h:0/0", "not a valid Redis URL"),
        ("redis://h,i/0", "several hosts need redis-cluster"),
        ("redis://h/x", "the database is not a number"),
        ("redis://h/0/1", "the database is not a number"),
        ("redis-cluster://h,i/3", "no other database than 0"),
        ("redis-sentinel://h,i", "the name of the master is missing"),
        (f"redis://h?no_such={SECRET}", "unknown parameter"),
        ("redis://h?sentinel_password=x", "unknown parameter"),
        ("redis-sentinel://h/main/x", "the database is not a number"),
        (f"rediss-sentinel://u:{SECRET}@h:x/main", "not a valid Redis URL"),
    ],
)
def test_an_invalid_url_is_refused_and_not_shown(url: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)) as caught:
        parse_redis_url(url)
    assert SECRET not in str(caught.value)
    with pytest.raises(StateError, match=re.escape(expected)) as refused:
        RedisClient(url)
    assert SECRET not in str(refused.value)
    with pytest.raises(ConfigError, match=r"state\.url"):
        parse_config(f"models: []\nstate: {{url: '{url}'}}", "config.yaml", {})


def test_parts_of_urls() -> None:
    found = parse_redis_url("rediss-sentinel://u:p%40ss@a:1,b/main/2?sentinel_password=x")
    assert (found.kind, found.is_tls, found.master, found.database) == ("sentinel", True, "main", 2)
    assert (list(found.hosts), found.username, found.password) == ([("a", 1), ("b", 26379)], "u", "p@ss")
    assert parse_redis_url("redis://[::1]:7/3").hosts == [("::1", 7)]
    assert parse_redis_url("redis://[::1]").hosts == [("::1", 6379)]
    assert parse_redis_url("redis-cluster://a,b:2").hosts == [("a", 6379), ("b", 2)]


def test_a_sentinels_password_is_masked() -> None:
    assert SECRET not in mask_url(f"redis-sentinel://h/main?sentinel_password={SECRET}&x=1")


def test_values_of_parameters_that_cannot_be_read_are_an_error_of_the_state() -> None:
    for url in ("redis://127.0.0.1:1/0", "redis-sentinel://127.0.0.1:1/main", "redis-cluster://127.0.0.1:1"):
        with pytest.raises(StateError, match="a parameter has no valid value"):
            RedisClient(f"{url}?max_connections=many").execute("PING")
