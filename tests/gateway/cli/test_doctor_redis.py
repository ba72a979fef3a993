"""`benchroute doctor` where the state is Redis."""

import json
from pathlib import Path

import msgspec
import pytest
import yaml

from gateway.distributed.access import acl_rules
from gateway.distributed.installation import InstallationRecord
from gateway.distributed.redis_keys import DEFAULT_KEYS
from tests.gateway.cli.conftest import run_command
from tests.gateway.cli.endpoints import listing
from tests.gateway.redis_servers import RedisServer, free_port, needs_redis, running_cluster, running_redis


def state(folder: Path, url: str) -> dict[str, str]:
    """What is found of it. The rest of the set-up is sound."""
    path = folder / "config.yaml"
    with listing(["m"]) as upstream:
        models = [{"name": "m", "backends": [{"kind": "openai", "base_url": upstream}]}]
        path.write_text(yaml.safe_dump({"models": models, "state": {"url": url}, "server": {"port": free_port()}}))
        told = run_command("doctor", "--config", path, "--json")
    assert "hunter2" not in told.output
    found: dict[str, str] = next(one for one in json.loads(told.stdout)["findings"] if one["check"] == "state")
    return found


@needs_redis
def test_a_server_that_answers_is_told_with_its_version(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        found = state(tmp_path, server.url)
    finally:
        assert server.process is not None
        server.process.terminate()
        server.process.wait(10)
    assert (found["level"], found["message"].startswith(f"{server.url}: Redis ")) == ("ok", True)


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    found = state(tmp_path, f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    assert (found["level"], found["fix"]) == ("error", "start Redis, or correct state.url")
    assert "redis://**********@127.0.0.1" in found["message"]


def findings(folder: Path, url: str, **settings: str) -> dict[str, tuple[str, str, str]]:
    """Level, message and fix of every finding on the state."""
    path = folder / "config.yaml"
    with listing(["m"]) as upstream:
        models = [{"name": "m", "backends": [{"kind": "openai", "base_url": upstream}]}]
        state = {"url": url, "cache_dir": str(folder / "cache"), **settings}
        path.write_text(yaml.safe_dump({"models": models, "state": state, "server": {"port": free_port()}}))
        told = run_command("doctor", "--config", path, "--json")
    found = json.loads(told.stdout)["findings"]
    return {one["check"]: (one["level"], one["message"], one["fix"]) for one in found if "state" in one["check"]}


@needs_redis
@pytest.mark.parametrize(
    ("options", "eviction", "persistence"),
    [
        (("--maxmemory-policy", "noeviction", "--appendonly", "yes"), "ok", "ok"),
        (("--maxmemory-policy", "allkeys-lru"), "warning", "warning"),
        (("--maxmemory-policy", "volatile-ttl", "--save", "60 1"), "warning", "ok"),
    ],
)
def test_eviction_and_persistence(tmp_path: Path, options: tuple[str, ...], eviction: str, persistence: str) -> None:
    with running_redis(tmp_path / "redis", *options) as server:
        found = findings(tmp_path, server.url)
    assert (found["state"][0], found["state eviction"][0], found["state persistence"][0]) == (
        *("ok", eviction),
        persistence,
    )
    if eviction == "warning":
        assert options[1] in found["state eviction"][1]
        assert "noeviction" in found["state eviction"][2]
    if persistence == "warning":
        assert "a restart loses" in found["state persistence"][1]
        assert "appendonly yes" in found["state persistence"][2]


@needs_redis
def test_the_state_of_another_installation_is_an_error_and_is_left_alone(tmp_path: Path) -> None:
    other = InstallationRecord("abc", "def", ("another-model",))
    with running_redis(tmp_path / "redis") as server:
        with server.client() as client:
            client.set("benchroute:installation", msgspec.json.encode(other))
        level, message, fix = findings(tmp_path, server.url)["state installation"]
        assert (level, "another-model" in message, fix) == ("error", True, "set state.prefix")
        assert "state installation" not in findings(tmp_path, server.url, prefix="mine")
        with server.client() as client:
            assert client.keys() == [b"benchroute:installation"]


@needs_redis
def test_a_user_that_may_not_read_the_configuration(tmp_path: Path) -> None:
    with running_redis(tmp_path / "redis") as server:
        with server.client() as client:
            rules = acl_rules(DEFAULT_KEYS, has_doctor=False)
            client.execute_command("ACL", "SETUSER", "fleet", "reset", "on", ">hunter2", *rules, "+info")
        found = findings(tmp_path, f"redis://fleet:hunter2@127.0.0.1:{server.port}/0")
    assert found["state persistence"][0] == "warning"
    assert "does not tell this user" in found["state persistence"][1]


@needs_redis
def test_a_cluster(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "cluster") as url:
        found = findings(tmp_path, url)
    assert (found["state"][0], found["state eviction"][0], found["state persistence"][0]) == ("ok", "ok", "warning")
