"""States that an earlier version wrote open unchanged, tell the same, and go on as they would have."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.fake_upstream import running_upstream
from tests.gateway.redis_servers import running_redis
from tests.golden.open import read_state
from tests.golden.programs import FOLDER, configuration, running
from tests.golden.redis_keys import load_keys
from tests.golden.story import go_on, lost, reading

EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
HELLO = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(params=["sqlite", "redis"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A copy of a golden state."""
    if request.param == "sqlite":
        shutil.copy(FOLDER / "state.sqlite", tmp_path / "state.db")
        yield f"sqlite:///{tmp_path}/state.db"
        return
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with running_redis(tmp_path / "redis") as server:
        with server.client() as client:
            load_keys(client, FOLDER / "redis.json.gz")
        yield server.url


@pytest.fixture
def expected(state_url: str) -> dict[str, Any]:
    return EXPECTED[state_url.partition(":")[0]]


def test_a_state_of_before_is_read_to_the_last_byte(state_url: str, expected: dict[str, Any]) -> None:
    assert json.loads(json.dumps(read_state(state_url))) == expected["stored"]


def test_a_gateway_on_a_state_of_before_tells_the_same_and_goes_on(
    state_url: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    with running_upstream() as upstream:
        text = configuration(upstream.base_url, state_url, tmp_path)
        with running(tmp_path, text) as programs:
            assert lost(expected["reading"], reading(programs)) == []
            assert lost(expected["afterwards"], go_on(programs)) == []
            made = programs.client("/v1/chat/completions", HELLO, expected["secret"])
            assert (made.status, made.headers["x-benchroute-task"]) == (200, "capitals")
    assert "Traceback" not in (tmp_path / "log").read_text()
