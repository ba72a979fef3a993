"""`benchroute doctor` where the state is Redis."""

import json
from pathlib import Path

import pytest
import yaml

from tests.gateway.cli.conftest import run_command
from tests.gateway.cli.endpoints import listing
from tests.gateway.redis_servers import RedisServer, free_port, needs_redis


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
