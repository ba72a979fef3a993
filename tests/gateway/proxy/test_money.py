"""Costs and limits through a real gateway."""

import time
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from gateway.config.history import ConfigFile
from gateway.errors import ConfigError
from gateway.server.serve import serve_gateway
from tests.gateway.asking import HELLO, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import running_gateway

MINE = {"authorization": "Bearer sk-mine"}
DEAR = {"input_usd_per_mtok": 1_000_000, "output_usd_per_mtok": 2_000_000}
CHEAP = {"input_usd_per_mtok": 100_000, "output_usd_per_mtok": 0}


def text(upstream: Upstream, folder: Path, **limits: float) -> str:
    def model(name: str, price: dict[str, int] | None) -> dict[str, object]:
        backends = [{"kind": "openai", "base_url": upstream.base_url}]
        return {"name": name, "backends": backends, **({"price": price} if price else {})}

    key = {"name": "mine", "sha256": sha256(b"sk-mine").hexdigest(), **limits}
    models = [model("good", DEAR), model("other", CHEAP), model("closes", None)]
    state = {"url": f"sqlite:///{folder}/state.db"}
    return yaml.safe_dump({"models": models, "keys": [key], "state": state})


def test_an_answer_says_what_it_cost_and_sums_outlive_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    """An answer takes a token in and one out: 3 dollars at `good`, 10 cents at `other`."""
    with running_gateway(text(upstream, tmp_path)) as url:
        assert ask(url, body=HELLO, x_task_id="t", **MINE).ours("cost-usd") == "3"
        assert ask(url, body={**HELLO, "model": "other"}, x_task_id="t", **MINE).ours("cost-usd") == "0.1"
        assert "x-benchroute-cost-usd" not in ask(url, body={**HELLO, "model": "closes"}, **MINE).headers
        streamed = ask(url, body={**HELLO, "model": "other", "stream": True}, **MINE)
        assert "x-benchroute-cost-usd" not in streamed.headers
        told = ask(url, "/metrics").body.decode()
        assert 'benchroute_cost_usd_total{model="good"} 3.0' in told
        assert 'benchroute_tokens_total{direction="input",model="closes"} 1.0' in told
    with running_gateway(text(upstream, tmp_path)) as url:
        (spent,) = ask(url, "/v1/usage?by=key", **MINE).json["data"]
        assert (spent["key"], spent["requests"], spent["cost_usd"]) == ("mine", 2, 3.1)
        assert spent["baseline_usd"] == 6
        (task,) = ask(url, f"/v1/usage?period={time.strftime('%Y-%m', time.gmtime())}", **MINE).json["data"]
        assert (task["task"], task["saved_usd"]) == ("t", pytest.approx(2.9))
        assert ask(url, "/v1/usage?period=now", **MINE).status == 400
        assert ask(url, "/v1/usage").status == 401


def test_a_key_over_its_limit_is_told_when_to_come_back(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(text(upstream, tmp_path, requests_per_minute=2)) as url:
        answers = [ask(url, body=HELLO, **MINE) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].error["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    assert len(upstream.received) == 2


def test_a_spent_budget_ends_a_keys_day(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(text(upstream, tmp_path, budget_usd_per_day=4)) as url:
        answers = [ask(url, body=HELLO, **MINE) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert (answers[2].error["type"], answers[2].error["code"]) == ("insufficient_quota", "insufficient_quota")
    with running_gateway(text(upstream, tmp_path, budget_usd_per_day=4)) as url:
        assert ask(url, body=HELLO, **MINE).status == 429


def test_without_keys_the_gateway_stays_on_this_machine(upstream: Upstream, tmp_path: Path) -> None:
    config = yaml.safe_load(text(upstream, tmp_path)) | {"keys": []}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"server\.host: listening on 0\.0\.0\.0 without API keys"):
        serve_gateway(ConfigFile(tmp_path / "config.yaml", host="0.0.0.0"))  # noqa: S104 - it is refused
