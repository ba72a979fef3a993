"""A key that one gateway changes is another one for all gateways of the fleet."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.api.test_keys import JSON, ROOT, call, create, hashed
from tests.gateway.asking import ask
from tests.gateway.distributed.deployments import fleet_config
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import serving_gateway
from tests.gateway.waiting import eventually

pytestmark = pytest.mark.slow


def test_rotation_revocation_and_expiry_reach_the_other_gateway(
    redis_server: RedisServer, upstream: Upstream, tmp_path: Path
) -> None:
    settings = yaml.safe_load(fleet_config(upstream.base_url, redis_server.url, tmp_path, None))
    text = yaml.safe_dump({**settings, "admin": {"keys": [hashed("root")]}})
    with serving_gateway(text) as first, serving_gateway(text) as second:
        urls = (first.url, second.url)

        def change(path: str, body: Any = None, method: str = "POST") -> Any:
            answer = ask(first.url, f"/v1/keys/mine{path}", body, method, **ROOT, **JSON)
            assert answer.status == 200, answer.body
            return answer.json

        def eventually_get(key: dict[str, str], status: int) -> None:
            eventually(lambda: [call(url, key).status for url in urls] == [status] * 2)

        old = create(first.url, "mine")
        eventually_get(old, 200)
        new = {"authorization": f"Bearer {change('/rotate')['secret']}"}
        eventually_get(new, 200)
        eventually_get(old, 200)
        change("/secrets/1", method="DELETE")
        eventually_get(old, 401)
        eventually_get(new, 200)
        change("", {"expires_at": "2020-01-01"}, "PATCH")
        eventually_get(new, 401)
        assert call(second.url, new).error["code"] == "expired_api_key"
        change("", {"expires_at": None}, "PATCH")
        eventually_get(new, 200)
        # Each gateway's uses are seen by the other one, once they are stored.
        assert change("", {}, "PATCH")["last_used_at"] is not None
