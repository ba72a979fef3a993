"""Admin keys, and clients' keys that come and go while the gateway runs."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.history import ConfigFile
from gateway.errors import ConfigError, StateError
from gateway.server.serve import serve_gateway
from gateway.state.sqlite import open_store
from gateway.state.store import StoredKey
from tests.gateway.asking import HELLO, Response, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import Serving, configuration, running_gateway, serving_gateway

ROOT = {"authorization": "Bearer sk-root"}
LOOKER = {"authorization": "Bearer sk-looker"}
CONFIGURED = {"authorization": "Bearer sk-configured"}
JSON = {"content_type": "application/json"}
PRICE = {"input_usd_per_mtok": 1_000_000, "output_usd_per_mtok": 2_000_000}


def hashed(name: str, **terms: Any) -> dict[str, Any]:
    return {"name": name, "sha256": sha256(f"sk-{name}".encode()).hexdigest(), **terms}


def document(upstream: Upstream, folder: Path, **sections: Any) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(configuration(upstream.base_url, ["good", "other"]))
    made["models"][0]["price"] = PRICE
    admin = {"keys": [hashed("root"), hashed("looker", read_only=True)]}
    state = {"url": f"sqlite:///{folder}/state.db"}
    return {**made, "state": state, "keys": [hashed("configured")], "admin": admin, **sections}


def text(upstream: Upstream, folder: Path, **sections: Any) -> str:
    return yaml.safe_dump(document(upstream, folder, **sections))


@pytest.fixture
def serving(upstream: Upstream, tmp_path: Path) -> Iterator[Serving]:
    with serving_gateway(text(upstream, tmp_path), tmp_path / "config.yaml") as running:
        yield running


@pytest.fixture
def url(serving: Serving) -> str:
    return serving.url


def create(url: str, name: str, **terms: Any) -> dict[str, str]:
    """Makes a key, and gives the header that carries it."""
    made = ask(url, "/v1/keys", {"name": name, **terms}, **ROOT, **JSON)
    assert made.status == 200, made.body
    return {"authorization": f"Bearer {made.json['secret']}"}


def call(url: str, key: dict[str, str], **headers: str) -> Response:
    return ask(url, body=HELLO, **key, **headers)


def code(answer: Response) -> tuple[int, str]:
    return answer.status, answer.error["code"]


ADMIN_PATHS = [
    ("GET", "/v1/keys", None),
    ("POST", "/v1/keys", {"name": "x"}),
    ("DELETE", "/v1/keys/x", None),
    ("GET", "/v1/config", None),
    ("GET", "/v1/config/versions", None),
    ("POST", "/v1/config/reload", {}),
    ("POST", "/v1/config/rollback", {"version": 1}),
    ("DELETE", "/v1/tasks/t", None),
    ("GET", "/v1/backends", None),
    ("GET", "/metrics", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ADMIN_PATHS)
def test_only_an_admin_key_manages(url: str, method: str, path: str, body: Any) -> None:
    assert code(ask(url, path, body, method)) == (401, "missing_api_key")
    assert code(ask(url, path, body, method, authorization="Bearer guess")) == (401, "invalid_api_key")
    assert code(ask(url, path, body, method, **CONFIGURED)) == (403, "permission_denied")
    looked = ask(url, path, body, method, **LOOKER).status
    assert looked == (200 if method == "GET" else 403)
    assert ask(url, path, body, method, **ROOT, **JSON).status in {200, 404}


def test_an_admin_key_looks_at_everything_and_sends_no_requests(url: str) -> None:
    assert code(call(url, ROOT)) == (403, "permission_denied")
    for path in ("/v1/models", "/v1/tasks", "/v1/usage", "/v1/usage?by=key"):
        assert ask(url, path, **LOOKER).status == 200
    assert code(ask(url, "/v1/route", {"inputs": ["x"]}, **LOOKER)) == (403, "permission_denied")


def test_without_an_admin_key_nobody_manages_and_the_answer_says_what_to_configure(
    upstream: Upstream, tmp_path: Path
) -> None:
    with running_gateway(text(upstream, tmp_path, admin={})) as url:
        for key in ({}, CONFIGURED):
            refused = ask(url, "/v1/keys", **key)
            assert code(refused) == (403, "admin_off")
            assert "admin.keys" in refused.error["message"]
        assert ask(url, "/metrics").status == 200
        assert ask(url, "/v1/backends", **CONFIGURED).status == 200
        assert ask(url, "/v1/usage", **CONFIGURED).status == 200
        assert ask(url, "/v1/tasks/t", method="DELETE", **CONFIGURED).status == 404


def test_a_key_is_in_force_at_once_and_until_it_is_revoked(url: str) -> None:
    made = ask(url, "/v1/keys", {"name": "team/a", "default_task": "support"}, **ROOT, **JSON).json
    assert made["secret"].startswith("br-")
    assert len(made["secret"]) == 46
    assert (made["object"], made["source"], made["default_task"]) == ("key", "api", "support")
    key = {"authorization": f"Bearer {made['secret']}"}
    answer = call(url, key)
    assert (answer.status, answer.ours("task")) == (200, "support")
    gone = ask(url, "/v1/keys/team%2Fa", method="DELETE", **ROOT)
    assert gone.json == {"object": "key.deleted", "name": "team/a", "deleted": True}
    assert code(call(url, key)) == (401, "invalid_api_key")
    assert code(ask(url, "/v1/keys/team%2Fa", method="DELETE", **ROOT)) == (404, "not_found")


def test_no_secret_and_no_hash_is_shown_again(url: str, tmp_path: Path) -> None:
    key = create(url, "mine", tasks=["t"], budget_usd_per_day="2.50", requests_per_minute=60)
    call(url, key, x_task_id="t")
    listed = ask(url, "/v1/keys", **LOOKER)
    configured, mine = listed.json["data"]
    assert (configured["name"], configured["source"], configured["created_at"]) == ("configured", "config", None)
    assert (mine["name"], mine["source"], mine["tasks"], mine["models"]) == ("mine", "api", ["t"], None)
    assert (mine["budget_usd_per_day"], mine["requests_per_minute"]) == ("2.50", 60)
    assert (mine["today"]["requests"], mine["today"]["cost_usd"]) == (1, 3)
    secret = key["authorization"].removeprefix("Bearer ")
    shown = listed.body + ask(url, "/v1/config", **LOOKER).body
    for hidden in (
        secret,
        sha256(secret.encode()).hexdigest(),
        hashed("configured")["sha256"],
        hashed("root")["sha256"],
    ):
        assert hidden.encode() not in shown
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_names_belong_to_one_key(url: str) -> None:
    create(url, "mine")
    for taken in ("mine", "configured", "root"):
        assert code(ask(url, "/v1/keys", {"name": taken}, **ROOT, **JSON)) == (409, "key_exists")
    refused = ask(url, "/v1/keys/configured", method="DELETE", **ROOT)
    assert code(refused) == (409, "conflict")
    assert "is defined in the configuration" in refused.error["message"]


def test_a_name_that_is_asked_for_many_times_at_once_is_given_once(url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(url, "/v1/keys", {"name": "one"}, **ROOT, **JSON), range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": "with space"}, "name"),
        ({"name": "x", "model": "good"}, "model"),
        ({"name": "x", "models": ["gpt-4"]}, "models"),
        ({"name": "x", "models": []}, "models"),
        ({"name": "x", "tasks": ["no task"]}, "tasks.0"),
        ({"name": "x", "tasks": ["a"], "default_task": "b"}, "default_task"),
        ({"name": "x", "requests_per_minute": 0}, "requests_per_minute"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(url: str, body: Any, param: str) -> None:
    refused = ask(url, "/v1/keys", body, **ROOT, **JSON)
    assert (refused.status, refused.error["param"]) == (400, param)


def test_a_key_keeps_to_its_tasks(url: str, upstream: Upstream) -> None:
    key = create(url, "narrow", tasks=["a", "b/c"])
    assert call(url, key, x_task_id="b/c").status == 200
    assert ask(url, body={**HELLO, "model": "task/a"}, **key).status == 200
    for refused in (
        call(url, key),
        call(url, key, x_task_id="z"),
        ask(url, body={**HELLO, "model": "good"}, x_task_id="z", **key),
        ask(url, body={**HELLO, "metadata": {"task_id": "z"}}, **key),
        ask(url, "/v1/tasks/z", **key),
        ask(url, "/v1/tasks/z/inputs", {"inputs": ["x"]}, **key, **JSON),
        ask(url, "/v1/route", {"inputs": ["x"], "task": "z"}, **key, **JSON),
    ):
        assert code(refused) == (403, "task_not_allowed")
    assert len(upstream.received) == 2
    assert ask(url, "/v1/tasks", **key).json["data"] == []


def test_a_client_sees_its_own_spending_alone(url: str) -> None:
    key = create(url, "mine")
    call(url, key)
    call(url, CONFIGURED)
    assert [row["key"] for row in ask(url, "/v1/usage?by=key", **key).json["data"]] == ["mine"]
    assert code(ask(url, "/v1/usage", **key)) == (403, "permission_denied")
    assert [row["key"] for row in ask(url, "/v1/usage?by=key", **ROOT).json["data"]] == ["configured", "mine"]


def test_created_keys_outlive_reloads_and_restarts(upstream: Upstream, tmp_path: Path) -> None:
    given = text(upstream, tmp_path)
    with serving_gateway(given) as serving:
        key = create(serving.url, "mine", models=["other"], requests_per_minute=3)
        assert call(serving.url, key).ours("model") == "other"
        serving.reload(given)
        assert call(serving.url, key).status == 200
        assert call(serving.url, key).status == 200
        create(serving.url, "another")
        serving.reload(given)
        assert code(call(serving.url, key)) == (429, "rate_limit_exceeded")
    with serving_gateway(given) as serving:
        assert call(serving.url, key).ours("model") == "other"
        ask(serving.url, "/v1/keys/mine", method="DELETE", **ROOT)
    with serving_gateway(given) as serving:
        assert code(call(serving.url, key)) == (401, "invalid_api_key")


def test_a_configuration_cannot_take_a_created_keys_name(upstream: Upstream, tmp_path: Path) -> None:
    clash = text(upstream, tmp_path, keys=[hashed("mine")])
    with serving_gateway(text(upstream, tmp_path)) as serving:
        create(serving.url, "mine")
        with pytest.raises(ConfigError, match=r"keys\[0\]\.name: a key named 'mine' was created over HTTP"):
            serving.reload(clash)
        assert call(serving.url, CONFIGURED).status == 200
    (tmp_path / "config.yaml").write_text(clash)
    with pytest.raises(ConfigError, match="a key named 'mine' was created over HTTP"):
        serve_gateway(ConfigFile(tmp_path / "config.yaml"))


def test_a_gateway_never_opens_by_losing_its_last_key(upstream: Upstream, tmp_path: Path) -> None:
    alone = text(upstream, tmp_path, keys=[])
    with serving_gateway(alone) as serving:
        assert code(call(serving.url, {})) == (401, "missing_api_key")
        key = create(serving.url, "only")
        assert call(serving.url, key).status == 200
        ask(serving.url, "/v1/keys/only", method="DELETE", **ROOT)
        assert code(call(serving.url, {})) == (401, "missing_api_key")
        create(serving.url, "left")
        serving.reload(text(upstream, tmp_path, keys=[], admin={}))
        assert code(call(serving.url, {})) == (401, "missing_api_key")
        opened = text(upstream, tmp_path, keys=[], admin={}, server={"host": "0.0.0.0"})  # noqa: S104 - it is refused
        with pytest.raises(ConfigError):
            serving.reload(opened)
    with running_gateway(text(upstream, tmp_path, keys=[], admin={})) as url:
        assert code(call(url, {})) == (401, "missing_api_key")


def test_without_any_key_a_gateway_of_this_machine_is_open(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(text(upstream, tmp_path, keys=[], admin={})) as url:
        assert call(url, {}).status == 200


def test_a_stored_key_that_cannot_be_read_is_named(upstream: Upstream, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/state.db")
    assert store.add_key(StoredKey("odd", "a" * 64, 1.0, json.dumps({"name": "odd", "from_the_future": 1})))
    store.close()
    (tmp_path / "config.yaml").write_text(text(upstream, tmp_path))
    with pytest.raises(StateError, match="key 'odd'"):
        serve_gateway(ConfigFile(tmp_path / "config.yaml"))


def test_keys_are_created_while_configurations_change(
    url: str, serving: Serving, upstream: Upstream, tmp_path: Path
) -> None:
    """Neither undoes the other, in whatever order they come."""
    config = text(upstream, tmp_path)
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(create, url, f"key-{place}") for place in range(12)]
        for _ in range(5):
            serving.reload(config)
        keys = [future.result() for future in made]
    assert [call(url, key).status for key in keys] == [200] * 12
