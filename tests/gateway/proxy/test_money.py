"""Costs and limits through a real gateway."""

import json
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.history import ConfigFile
from gateway.errors import ConfigError
from gateway.server.serve import serve_gateway
from routing.manifest import read_manifest
from tests.gateway.asking import HELLO, ask, connection
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import running_gateway
from tests.gateway.waiting import eventually

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
        # The stream reports no usage, so its tokens are estimated; `closes` has no price.
        assert (spent["key"], spent["requests"]) == ("mine", 4)
        assert (spent["unpriced_requests"], spent["estimated_requests"]) == (1, 1)
        assert 3.1 < spent["cost_usd"] < 6
        tasks = ask(url, f"/v1/usage?period={time.strftime('%Y-%m', time.gmtime())}", **MINE).json["data"]
        (shown,) = [task for task in tasks if task["task"] == "t"]
        # Without a pack no model is chosen, and `other` was named: neither saves or loses anything.
        assert (shown["routed_cost_usd"], shown["baseline_usd"], shown["saved_usd"]) == (0, 0, 0)
        assert ask(url, "/v1/usage?period=now", **MINE).status == 400
        assert ask(url, "/v1/usage").status == 401


@pytest.mark.slow
def test_savings_compare_only_calls_whose_model_routing_chose(
    upstream: Upstream, good_pack: Path, tmp_path: Path
) -> None:
    """Named and pinned requests cost what they cost; usage, activity and metrics leave them out of every comparison."""
    costs = {"good": 1.0, "other": 0.1, "slow": 4.0}  # of a response: it takes one token in and one out
    backends = [{"kind": "openai", "base_url": upstream.base_url}]
    price = {name: {"input_usd_per_mtok": int(1e6 * cost), "output_usd_per_mtok": 0} for name, cost in costs.items()}
    config = {
        "models": [{"name": name, "backends": backends, "price": price[name]} for name in costs],
        "routing": {"pack": str(good_pack)},
        "state": {"url": f"sqlite:///{tmp_path}/state.db"},
        "tasks": {"pinned": {"pin": "other"}},
        "scorer": {"nice": 0},
    }
    with running_gateway(yaml.safe_dump(config)) as url:
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
        decided = ask(url, "/v1/tasks/sums/inputs", {"inputs": inputs("sums", 12)}, content_type="application/json")
        assert decided.json["decision"]["model"] == "good"
        sent = [ask(url, body=HELLO, x_task_id="sums") for _ in range(3)]
        sent += [ask(url, body={**HELLO, "model": "other"}, x_task_id="sums") for _ in range(2)]
        sent += [ask(url, body=HELLO, x_task_id="pinned")]
        reasons = [one.ours("reason") for one in sent]
        assert reasons[3:] == ["requested", "requested", "pinned"]
        best = read_manifest(good_pack).on_average[0]
        usage = ask(url, "/v1/usage?by=task").json
        activity = ask(url, "/v1/activity").json["total"]
        told = ask(url, "/metrics").body.decode()
    (sums,) = [row for row in usage["data"] if row["task"] == "sums"]
    assert sums["cost_usd"] == pytest.approx(3 * costs["good"] + 2 * costs["other"])
    expected = {"routed_cost_usd": 3 * costs["good"], "baseline_usd": 3 * costs[best]}
    expected["saved_usd"] = expected["baseline_usd"] - expected["routed_cost_usd"]
    for shown in (sums, usage["total"], activity):
        assert {name: shown[name] for name in expected} == pytest.approx(expected)
    assert f"benchroute_routed_cost_usd_total {expected['routed_cost_usd']}" in told
    assert f"benchroute_baseline_cost_usd_total {expected['baseline_usd']}" in told


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


def spent_by_key(url: str) -> dict[str, Any]:
    """The key's usage, once it is not empty: it is counted a tenth of a second after a request's end."""
    for _ in range(100):
        if found := ask(url, "/v1/usage?by=key", **MINE).json["data"]:
            return dict(found[0])
        time.sleep(0.05)
    raise AssertionError("nothing was booked")


def read_some(url: str, path: str, body: dict[str, Any], enough: int) -> None:
    """Read some bytes of a stream, and hang up."""
    with connection(url) as client:
        client.request("POST", path, json.dumps(body), {"content-type": "application/json", **MINE})
        response = client.getresponse()
        read = 0
        while read < enough:
            read += len(response.read1(enough))


def test_a_client_that_hangs_up_pays_for_what_it_was_given(upstream: Upstream, tmp_path: Path) -> None:
    config = yaml.safe_load(text(upstream, tmp_path))
    config["models"].append({**config["models"][1], "name": "endless"})
    with running_gateway(yaml.safe_dump(config)) as url:
        read_some(url, "/v1/chat/completions", {**HELLO, "model": "endless", "stream": True}, 2000)
        spent = spent_by_key(url)
    assert (spent["requests"], spent["estimated_requests"]) == (1, 1)
    # An event of the stream has some 110 bytes and one token; some more were on their way.
    assert 15 <= spent["output_tokens"] <= 60
    assert spent["cost_usd"] > 0


def test_what_anthropics_stream_has_told_counts_for_a_client_that_hangs_up(upstream: Upstream, tmp_path: Path) -> None:
    config = yaml.safe_load(text(upstream, tmp_path))
    backends = [{"kind": "openai", "base_url": upstream.base_url, "speaks_messages": True}]
    config["models"].append({**config["models"][0], "name": "claude-endless", "backends": backends})
    with running_gateway(yaml.safe_dump(config)) as url:
        body = {**HELLO, "model": "claude-endless", "max_tokens": 9, "stream": True}
        read_some(url, "/v1/messages", body, 1500)
        spent = spent_by_key(url)
    assert spent["input_tokens"] == 3
    assert 8 <= spent["output_tokens"] <= 60


def test_a_budget_ends_for_a_client_that_hangs_up_every_time(upstream: Upstream, tmp_path: Path) -> None:
    config = yaml.safe_load(text(upstream, tmp_path, budget_usd_per_day=20))
    config["models"].append({**config["models"][0], "name": "endless"})
    with running_gateway(yaml.safe_dump(config)) as url:
        read_some(url, "/v1/chat/completions", {**HELLO, "model": "endless", "stream": True}, 2000)
        spent_by_key(url)
        assert ask(url, body=HELLO, **MINE).error["code"] == "insufficient_quota"


@pytest.mark.parametrize("stream", [False, True])
def test_an_absurd_count_is_refused_for_its_request_alone(
    upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    config = yaml.safe_load(text(upstream, tmp_path, tokens_per_minute=1000))
    config["models"].append({**config["models"][0], "name": "absurd"})
    with running_gateway(yaml.safe_dump(config)) as url:
        assert ask(url, body={**HELLO, "model": "absurd", "stream": stream}, **MINE).status == 200
        assert ask(url, body=HELLO, **MINE).status == 200
    with running_gateway(yaml.safe_dump(config)) as url:
        spent = spent_by_key(url)
    assert (spent["requests"], spent["estimated_requests"]) == (2, 1)
    assert spent["output_tokens"] < 100
    assert ("reported invalid usage: prompt_tokens is 1" in caplog.text) or stream


@pytest.mark.parametrize("value", [1, "true", "1", [], {}, 0, ""])
def test_a_stream_that_a_backend_might_understand_and_the_gateway_not_is_refused(
    upstream: Upstream, tmp_path: Path, value: object
) -> None:
    with running_gateway(text(upstream, tmp_path)) as url:
        response = ask(url, body={**HELLO, "stream": value}, **MINE)
        assert (response.status, response.error["param"]) == (400, "stream")
        assert ask(url, body={**HELLO, "stream": None}, **MINE).status == 200
    assert len(upstream.received) == 1


def test_a_budget_over_models_without_a_price_is_warned_of(
    upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_gateway(text(upstream, tmp_path, budget_usd_per_day=4)):
        pass
    assert "key mine has a budget, and closes no price" in caplog.text
