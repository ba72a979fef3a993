"""Keys that expire, have two secrets for a while, and change their limits."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.gateway.api.test_keys import CONFIGURED, JSON, LOOKER, ROOT, call, code, create, hashed, text
from tests.gateway.asking import HELLO, Response, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import Serving, configuration, running_gateway, serving_gateway
from tests.gateway.waiting import eventually


def ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


@pytest.fixture
def serving(upstream: Upstream, tmp_path: Path) -> Iterator[Serving]:
    with serving_gateway(text(upstream, tmp_path), tmp_path / "config.yaml") as running:
        yield running


@pytest.fixture
def url(serving: Serving) -> str:
    return serving.url


def change(url: str, key: str, **settings: Any) -> Response:
    return ask(url, f"/v1/keys/{key}", settings, "PATCH", **ROOT, **JSON)


def rotate(url: str, name: str, **body: Any) -> Response:
    return ask(url, f"/v1/keys/{name}/rotate", body, **ROOT, **JSON)


def secrets_of(url: str, name: str) -> list[dict[str, Any]]:
    (key,) = [key for key in ask(url, "/v1/keys", **LOOKER).json["data"] if key["name"] == name]
    found: list[dict[str, Any]] = key["secrets"]
    return found


def test_an_expired_key_is_refused_and_the_answer_says_so(url: str) -> None:
    key = create(url, "brief", expires_at=ago(-1))
    assert call(url, key).status == 200
    ended = change(url, "brief", expires_at=ago(1)).json
    assert ended["is_expired"] is True
    for refused in (call(url, key), ask(url, "/v1/models", **key)):
        assert code(refused) == (401, "expired_api_key")
        assert "API key 'brief' expired at 20" in refused.error["message"]
    assert change(url, "brief", expires_at=None).json["is_expired"] is False
    assert call(url, key).status == 200


@pytest.mark.parametrize("at", [ago(1), "soon", 1_800_000_000, "2027-13-01"], ids=["past", "words", "number", "month"])
def test_a_key_cannot_be_created_expired_or_with_an_unclear_time(url: str, at: Any) -> None:
    refused = ask(url, "/v1/keys", {"name": "x", "expires_at": at}, **ROOT, **JSON)
    assert (refused.status, refused.error["param"]) == (400, "expires_at")
    assert "time" in refused.error["message"]


def test_a_key_of_the_configuration_expires_and_has_a_former_secret(upstream: Upstream, tmp_path: Path) -> None:
    keys = [
        {**hashed("over"), "expires_at": ago(1)},
        {**hashed("new"), "previous_sha256": hashed("old")["sha256"], "previous_expires_at": ago(-1)},
        {**hashed("late"), "previous_sha256": hashed("gone")["sha256"], "previous_expires_at": ago(1)},
    ]
    admin = {"keys": [hashed("root"), hashed("looker", read_only=True), {**hashed("left"), "expires_at": ago(1)}]}
    with running_gateway(text(upstream, tmp_path, keys=keys, admin=admin)) as url:
        bearers = {
            name: {"authorization": f"Bearer sk-{name}"} for name in ("over", "new", "old", "late", "gone", "left")
        }
        assert [call(url, bearers[name]).status for name in ("new", "old", "late")] == [200] * 3
        assert code(call(url, bearers["over"])) == (401, "expired_api_key")
        gone = call(url, bearers["gone"])
        assert code(gone) == (401, "expired_api_key")
        assert "use the key's new secret" in gone.error["message"]
        assert code(ask(url, "/v1/keys", **bearers["left"])) == (401, "expired_api_key")
        assert [(one["number"], one["is_current"]) for one in secrets_of(url, "new")] == [(1, False), (2, True)]
        shown = ask(url, "/v1/keys", **LOOKER).body + ask(url, "/v1/config", **LOOKER).body
        assert hashed("old")["sha256"].encode() not in shown
        assert code(rotate(url, "new")) == (409, "conflict")
        assert code(change(url, "new", requests_per_minute=1)) == (409, "conflict")


def test_after_a_rotation_both_secrets_are_valid_until_the_old_one_is_revoked(url: str) -> None:
    old = create(url, "team/a", models=["other"])
    rotated = rotate(url, "team%2Fa").json
    new = {"authorization": f"Bearer {rotated['secret']}"}
    assert rotated["models"] == ["other"]
    assert [call(url, key).ours("model") for key in (old, new)] == ["other"] * 2
    crowded = rotate(url, "team%2Fa")
    assert code(crowded) == (409, "too_many_secrets")
    assert "revoke secret 1" in crowded.error["message"]
    left = ask(url, "/v1/keys/team%2Fa/secrets/1", method="DELETE", **ROOT).json
    assert [(one["number"], one["is_current"]) for one in left["secrets"]] == [(2, True)]
    assert code(call(url, old)) == (401, "invalid_api_key")
    assert call(url, new).status == 200
    assert code(ask(url, "/v1/keys/team%2Fa/secrets/2", method="DELETE", **ROOT)) == (409, "conflict")
    assert code(ask(url, "/v1/keys/team%2Fa/secrets/9", method="DELETE", **ROOT)) == (404, "not_found")
    assert ask(url, "/v1/keys/team%2Fa", method="DELETE", **ROOT).json["deleted"] is True
    assert code(call(url, new)) == (401, "invalid_api_key")


def test_the_new_secret_can_be_revoked_and_the_old_one_goes_on(url: str) -> None:
    old = create(url, "mine")
    until = ago(-1)
    new = {"authorization": f"Bearer {rotate(url, 'mine', old_expires_at=until).json['secret']}"}
    key = ask(url, "/v1/keys/mine/secrets/2", method="DELETE", **ROOT).json
    assert code(call(url, new)) == (401, "invalid_api_key")
    assert call(url, old).status == 200
    # It ends when it was to end.
    assert datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(until) < timedelta(seconds=1)
    assert [one["number"] for one in secrets_of(url, "mine")] == [1]
    # The number of a revoked secret may be given again: it names one of the two that a key has.
    assert rotate(url, "mine").json["secrets"][-1]["number"] == 2


@pytest.mark.parametrize("body", [{"old_expires_at": ago(1)}, {"old_expires_at": "x"}, {"until": None}])
def test_a_rotation_that_makes_no_sense_is_refused(url: str, body: dict[str, Any]) -> None:
    key = create(url, "mine")
    assert rotate(url, "mine", **body).status == 400
    assert code(rotate(url, "nobody")) == (404, "not_found")
    assert call(url, key).status == 200


def test_a_read_only_admin_rotates_nothing(url: str) -> None:
    create(url, "mine")
    for method, path in (("PATCH", ""), ("POST", "/rotate"), ("DELETE", "/secrets/1")):
        for key in (LOOKER, CONFIGURED):
            assert code(ask(url, f"/v1/keys/mine{path}", {}, method, **key, **JSON)) == (403, "permission_denied")


def test_terms_change_and_the_others_stay(url: str) -> None:
    key = create(url, "mine", models=["other"], requests_per_minute=60, budget_usd_per_day="2.50")
    changed = change(url, "mine", requests_per_minute=None, max_concurrent_requests=3, tasks=["t"]).json
    assert (changed["requests_per_minute"], changed["max_concurrent_requests"]) == (None, 3)
    assert (changed["models"], changed["tasks"], changed["budget_usd_per_day"]) == (["other"], ["t"], "2.50")
    assert code(call(url, key)) == (403, "task_not_allowed")
    for wrong, param in (
        ({"models": ["gpt-4"]}, "models"),
        ({"default_task": "x"}, "default_task"),
        ({"name": "y"}, "name"),
        ({"max_concurrent_requests": 0}, "max_concurrent_requests"),
    ):
        refused = change(url, "mine", **wrong)
        assert (refused.status, refused.error["param"]) == (400, param)
    assert call(url, key, x_task_id="t").status == 200


@pytest.mark.parametrize("name", ["a/rotate", "a/secrets/1"])
def test_a_name_that_would_be_taken_for_an_endpoint_is_refused(url: str, name: str) -> None:
    refused = ask(url, "/v1/keys", {"name": name}, **ROOT, **JSON)
    assert (refused.status, refused.error["param"]) == (400, "name")


def test_rotated_keys_and_their_last_use_outlive_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    given = text(upstream, tmp_path)
    with serving_gateway(given) as serving:
        old = create(serving.url, "mine")
        new = {"authorization": f"Bearer {rotate(serving.url, 'mine').json['secret']}"}
        assert [one["last_used_at"] for one in secrets_of(serving.url, "mine")] == [None, None]
        call(serving.url, new)
        first, second = secrets_of(serving.url, "mine")
        assert (first["last_used_at"], second["last_used_at"] is None) == (None, False)
        call(serving.url, CONFIGURED)
    with serving_gateway(given) as serving:
        assert secrets_of(serving.url, "mine") == [first, second]
        assert secrets_of(serving.url, "configured")[0]["last_used_at"] is not None
        assert [call(serving.url, key).status for key in (old, new)] == [200, 200]
    assert not any(new["authorization"][7:].encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_two_admins_at_once_do_not_undo_each_other(url: str) -> None:
    create(url, "mine")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rotate(url, "mine").status, range(8)))
    assert sorted(answers) == [200] + [409] * 7


def test_requests_in_flight_are_limited(upstream: Upstream, tmp_path: Path) -> None:
    models = yaml.safe_load(configuration(upstream.base_url, ["good", "stalls"]))["models"]
    with running_gateway(text(upstream, tmp_path, models=models)) as url:
        key = create(url, "narrow", max_concurrent_requests=1)
        body = json.dumps({**HELLO, "model": "stalls"}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {key['authorization']}\r\n"
        with socket.create_connection(("127.0.0.1", urlsplit(url).port)) as held:
            held.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
            eventually(lambda: len(upstream.received) == 1)
            refused = call(url, key)
            assert code(refused) == (429, "rate_limit_exceeded")
            assert "1 request in flight" in refused.error["message"]
            assert refused.headers["retry-after"] == "1"
        eventually(lambda: call(url, key).status == 200)
        assert call(url, key).status == 200
