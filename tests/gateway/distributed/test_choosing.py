"""A fleet's packs over HTTP: a gateway that has none of their arrays, and a scorer elsewhere that has."""

from pathlib import Path
from typing import Any

from gateway.distributed import packs
from gateway.distributed.redis_client import RedisClient
from tests.gateway.asking import ask
from tests.gateway.distributed.deployments import fleet_config, letters_pack, running_scorer
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import serving_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
PATIENCE_S = 40


def test_a_fleets_packs_are_compared_and_taken_into_use(
    redis_server: RedisServer, upstream: Upstream, tmp_path: Path
) -> None:
    client = RedisClient(redis_server.url)
    first = packs.push_pack(client, letters_pack(tmp_path / "first"), 1.0)
    second = packs.push_pack(client, letters_pack(tmp_path / "second", ("other", "good", "slow")), 2.0)
    packs.activate_pack(client, first, 3.0)
    client.close_connections()
    config = tmp_path / "config.yaml"
    config.write_text(fleet_config(upstream.base_url, redis_server.url, tmp_path, None))
    with serving_gateway(config.read_text(), config) as serving, running_scorer(config):
        url = serving.url
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", PATIENCE_S)
        seeded = ask(url, "/v1/tasks/sums/inputs", {"inputs": inputs("sums", 12, seed=3)}, **JSON).json
        assert seeded["decision"]["model"] == "good"

        told = ask(url, "/v1/packs").json
        other = second.hash[:12]
        assert (told["active"], [pack["id"] for pack in told["data"]]) == (
            first.hash[:12],
            sorted([first.hash[:12], other]),
        )
        assert ask(url, f"/v1/packs/{other}").json["gain_summary"].startswith("Routing ")
        assert ask(url, f"/v1/packs/{other}/outcomes").json["models"] == ["other", "good", "slow"]
        diff: dict[str, Any] = ask(url, f"/v1/packs/{other}/diff").json
        assert [(row["before"], row["after"]) for row in diff["data"]] == [("good", "other")]

        assert ask(url, f"/v1/packs/{other}/activate", method="POST").json["id"] == other
        eventually(lambda: ask(url, "/v1/tasks/sums").json["decision"]["model"] == "other", PATIENCE_S)
        assert ask(url, "/v1/packs/rollback", method="POST").json["id"] == first.hash[:12]
