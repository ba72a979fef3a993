"""Installations on one Redis keep apart: by prefix, by database, and by what marks their configurations."""

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import Config, parse_config
from gateway.distributed.installation import Installation, Membership, OtherInstallation
from gateway.distributed.redis_client import RedisClient, RedisSettings, open_client, refuse_other_installation
from gateway.distributed.redis_keys import DEFAULT_KEYS, KeySpace, Shard
from gateway.distributed.store import RedisStore
from gateway.errors import StateError
from gateway.state.store import StoredKey
from tests.gateway.asking import ask, chat
from tests.gateway.distributed.deployments import fleet_config, letters_pack, running_scorer
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import serving_gateway
from tests.gateway.waiting import eventually

BACKEND = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"}


def config_of(url: str, folder: Path, models: str, keys: str = "", **state: Any) -> Config:
    document = {
        "models": [{"name": name, "backends": [BACKEND]} for name in models],
        "keys": [{"name": key, "sha256": hashlib.sha256(key.encode()).hexdigest()} for key in keys],
        "state": {"url": url, "cache_dir": str(folder), **state},
    }
    return parse_config(yaml.safe_dump(document), "config.yaml", {})


def joins(config: Config) -> bool:
    client = open_client(config)
    try:
        client.execute("HGETALL", client.keys.changes)
    except OtherInstallation:
        return False
    finally:
        client.close_connections()
    return True


def test_a_fleet_of_one_configuration_joins_and_another_is_refused(redis_server: RedisServer, tmp_path: Path) -> None:
    assert joins(config_of(redis_server.url, tmp_path / "1", "ab"))
    assert joins(config_of(redis_server.url, tmp_path / "2", "ab"))
    other = config_of(redis_server.url, tmp_path / "3", "xy")
    assert not joins(other)
    with pytest.raises(OtherInstallation, match=r"state of another installation, \w+ \(models: a, b\).*state.prefix"):
        refuse_other_installation(other)


def test_a_configuration_changes_step_by_step(redis_server: RedisServer, tmp_path: Path) -> None:
    for number, models in enumerate(("ab", "bc", "cd", "de")):
        assert joins(config_of(redis_server.url, tmp_path / str(number), models))
    assert not joins(config_of(redis_server.url, tmp_path / "new", "ab"))


def test_a_machine_that_has_joined_joins_again_whatever_its_configuration(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    assert joins(config_of(redis_server.url, tmp_path, "a"))
    assert joins(config_of(redis_server.url, tmp_path, "z"))
    assert not joins(config_of(redis_server.url, tmp_path / "elsewhere", "a"))


def test_keys_tell_installations_of_the_same_models_apart(redis_server: RedisServer, tmp_path: Path) -> None:
    assert joins(config_of(redis_server.url, tmp_path / "1", "a", "kl"))
    assert not joins(config_of(redis_server.url, tmp_path / "2", "a", "xy"))
    assert joins(config_of(redis_server.url, tmp_path / "3", "z", "lm"))


def test_the_named_default_prefix_joins_on_purpose(redis_server: RedisServer, tmp_path: Path) -> None:
    assert joins(config_of(redis_server.url, tmp_path / "1", "a"))
    assert joins(config_of(redis_server.url, tmp_path / "2", "x", prefix="benchroute"))


def test_state_of_earlier_versions_is_adopted(redis_server: RedisServer, tmp_path: Path) -> None:
    RedisStore(RedisClient(redis_server.url)).add_key(StoredKey("k", "ab", 1.0, "{}"))
    config = config_of(redis_server.url, tmp_path, "a")
    assert [key.name for key in RedisStore(open_client(config)).created_keys()] == ["k"]


def test_a_running_process_is_refused_on_every_connection_once_the_state_is_anothers(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    installation = Installation(Membership(models=("a",), is_named=False, memory=tmp_path / "id"))
    first, second = (RedisClient(redis_server.url, settings=RedisSettings(installation=installation)) for _ in range(2))
    first.execute("GET", "x")
    second.execute("GET", "x")
    with redis_server.client() as raw:
        raw.flushall()
    assert joins(config_of(redis_server.url, tmp_path / "other", "b"))
    with pytest.raises(OtherInstallation):
        first.join_installation()
    with pytest.raises(OtherInstallation):
        second.execute("GET", "x")
    with redis_server.client() as raw:
        raw.flushall()
    first.join_installation()
    second.execute("GET", "x")


def test_a_record_that_cannot_be_read_is_an_error_of_the_state(redis_server: RedisServer, tmp_path: Path) -> None:
    with redis_server.client() as raw:
        raw.set(DEFAULT_KEYS.installation, b"\xff{")
    with pytest.raises(StateError, match="record of the installation"):
        joins(config_of(redis_server.url, tmp_path, "a"))


def test_default_names_are_those_of_the_first_version() -> None:
    assert (DEFAULT_KEYS.created_keys, Shard(3).stream_key) == ("benchroute:keys", "benchroute:{3}:stream")
    assert DEFAULT_KEYS.news == "benchroute:news"
    # Channels are a server's, not a database's.
    assert KeySpace(database=5).news == "benchroute:db5:news"
    assert KeySpace("team-b").usage("key", "k") == "team-b:{spent:key:k}"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return letters_pack(tmp_path / "letters")


@pytest.mark.slow
def test_two_installations_on_one_redis_share_nothing(
    redis_server: RedisServer, upstream: Upstream, pack: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        urls = {}
        for prefix in ("one", "two"):
            folder = tmp_path / prefix
            folder.mkdir()
            text = fleet_config(upstream.base_url, redis_server.url, folder, pack, prefix=prefix)
            (folder / "config.yaml").write_text(text)
            urls[prefix] = stack.enter_context(serving_gateway(text)).url
            stack.enter_context(running_scorer(folder / "config.yaml"))
        for url in urls.values():
            eventually(lambda url=url: ask(url, "/health/ready").json["scorer"] == "ready", 30)  # type: ignore[misc]
        for place in range(8):
            chat(urls["one"], task="mine", messages=[{"role": "user", "content": f"hello {place}"}])
        eventually(lambda: ask(urls["one"], "/v1/tasks/mine").json.get("n", 0) > 0, 20)
        assert ask(urls["two"], "/v1/tasks").json["data"] == []
        with redis_server.client() as raw:
            names = {key.decode().partition(":")[0] for key in raw.scan_iter()}
            channels = {name.decode().partition(":")[0] for name in raw.pubsub_channels()}
        assert names == {"one", "two"}
        assert channels == {"one", "two"}
