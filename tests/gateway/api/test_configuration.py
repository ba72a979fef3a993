"""Configurations read again, listed and put back by API."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import load_config
from gateway.config.history import MAX_VERSIONS
from tests.gateway.api.test_keys import JSON, LOOKER, ROOT, code, text
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import Serving, serving_gateway


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


@pytest.fixture
def serving(upstream: Upstream, file: Path) -> Iterator[Serving]:
    with serving_gateway(text(upstream, file.parent), file) as running:
        yield running


@pytest.fixture
def url(serving: Serving) -> str:
    return serving.url


def change(file: Path, **sections: Any) -> None:
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **sections}))


def post(url: str, what: str, body: Any = None) -> Any:
    return ask(url, f"/v1/config/{what}", {} if body is None else body, **ROOT, **JSON)


def tasks(url: str) -> list[str]:
    return sorted(ask(url, "/v1/config", **LOOKER).json["config"]["tasks"])


def test_the_configuration_in_force_is_shown_without_its_secrets(url: str, file: Path) -> None:
    told = ask(url, "/v1/config", **LOOKER).json
    assert (told["object"], told["version"], told["changed_by"], told["active"]) == ("config", 1, "start", True)
    assert told["sha256"] == sha256(file.read_bytes()).hexdigest()
    root = {name: value for name, value in told["config"]["admin"]["keys"][0].items() if value is not None}
    assert root == {"name": "root", "sha256": "**********", "read_only": False}
    assert told["config"]["server"]["shutdown_grace_s"] == 30


def test_the_configuration_is_shown_item_by_item_as_it_is_dumped_in_one_piece(url: str, file: Path) -> None:
    keys = [{"name": "client", "sha256": sha256(b"client").hexdigest(), "budget_usd_per_day": 0.25}]
    change(file, tasks={"a": {"pin": "other"}, "b/c": {"exploration": 0.000001}}, keys=keys)
    assert post(url, "reload").status == 200
    told = ask(url, "/v1/config", **LOOKER).json["config"]
    masked = load_config(file).mask_secrets()
    for name in ("host", "port"):  # of the test's own socket
        told["server"].pop(name), masked["server"].pop(name)
    assert told == json.loads(json.dumps(masked))
    assert list(told) == list(masked)


def test_a_changed_file_is_taken_over_and_put_back_in_one_call(url: str, file: Path) -> None:
    change(file, tasks={"new": {"pin": "other"}})
    assert tasks(url) == []
    told = post(url, "reload").json
    assert (told["version"], told["changed_by"], told["of"], told["active"]) == (2, "api", None, True)
    assert tasks(url) == ["new"]
    before = file.read_bytes()
    back = post(url, "rollback", {"version": 1}).json
    assert (back["version"], back["changed_by"], back["of"]) == (3, "rollback", 1)
    assert "was not changed" in back["message"]
    assert (tasks(url), file.read_bytes()) == ([], before)
    listed = ask(url, "/v1/config/versions", **LOOKER).json["data"]
    assert [(one["version"], one["changed_by"], one["active"]) for one in listed] == [
        (1, "start", False),
        (2, "api", False),
        (3, "rollback", True),
    ]
    assert listed[0]["sha256"] == listed[2]["sha256"] != listed[1]["sha256"]
    assert post(url, "rollback", {"version": 2}).status == 200
    assert tasks(url) == ["new"]


def test_a_bad_file_is_refused_with_every_fault_and_changes_nothing(url: str, file: Path) -> None:
    change(file, tasks={"t": {"pin": "nobody"}}, routing={"eta": 2, "kapa": 1})
    refused = post(url, "reload")
    assert code(refused) == (400, "invalid_config")
    for fault in (
        "tasks.t.pin: unknown model 'nobody'",
        "routing.eta: ",
        "routing.kapa: unknown setting: did you mean `kappa`",
    ):
        assert fault in refused.error["message"]
    assert refused.error["message"].startswith("Configuration not changed: ")
    file.unlink()
    assert code(post(url, "reload")) == (400, "invalid_config")
    assert len(ask(url, "/v1/config/versions", **LOOKER).json["data"]) == 1


def test_what_only_a_restart_can_change_is_said(url: str, file: Path) -> None:
    change(file, server={"shutdown_grace_s": 1})
    refused = post(url, "reload")
    assert (refused.status, refused.error["param"]) == (400, "server")
    assert "cannot be changed by a reload" in refused.error["message"]


def test_history_is_bounded_and_what_is_not_kept_cannot_be_put_back(url: str) -> None:
    for _ in range(MAX_VERSIONS + 1):
        assert post(url, "reload").status == 200
    numbers = [one["version"] for one in ask(url, "/v1/config/versions", **LOOKER).json["data"]]
    assert numbers == list(range(3, MAX_VERSIONS + 3))
    refused = post(url, "rollback", {"version": 2})
    assert code(refused) == (404, "not_found")
    assert f"Available: 3 to {MAX_VERSIONS + 2}" in refused.error["message"]
    assert post(url, "rollback", {"version": "two"}).status == 400


def test_a_gateway_without_a_file_has_nothing_to_read_again(upstream: Upstream, tmp_path: Path) -> None:
    with serving_gateway(text(upstream, tmp_path)) as serving:
        assert code(post(serving.url, "reload")) == (409, "conflict")
        told = ask(serving.url, "/v1/config", **ROOT).json
        assert (told["version"], told["sha256"]) == (1, None)


def test_an_admin_key_that_is_taken_out_closes_the_door_behind_it(url: str, file: Path) -> None:
    change(file, admin={"keys": []})
    assert post(url, "reload").status == 200
    assert code(post(url, "rollback", {"version": 1})) == (403, "admin_off")
