"""`benchroute doctor` on healthy and on broken set-ups."""

import hashlib
import json
import socket
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace
from typer.testing import Result

from gateway.state.sqlite import open_store
from gateway.state.store import StoredKey, StoredSecret
from tests.gateway.cli.conftest import run_command
from tests.gateway.cli.endpoints import listing
from tests.gateway.letters import Letters
from tests.gateway.packs import saved_pack
from tests.gateway.serving import running_gateway

SECRET = "sk-very-secret-indeed"  # noqa: S105 - made up


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with listing(["good", "other"], SECRET) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UPSTREAM_KEY", SECRET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def backend(url: str, **members: Any) -> dict[str, Any]:
    return {"kind": "openai", "base_url": url, "api_key": "${UPSTREAM_KEY}", **members}


def written(folder: Path, *models: tuple[str, dict[str, Any]], **sections: Any) -> Path:
    document: dict[str, Any] = {"models": [{"name": name, "backends": [given]} for name, given in models]}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document | {"server": {"port": free_port()}} | sections))
    return path


def examined(path: Path, *arguments: object) -> Result:
    told = run_command("doctor", "--config", path, "--timeout-s", 2, *arguments)
    assert SECRET not in told.output
    return told


def findings(path: Path, *arguments: object) -> dict[str, dict[str, str]]:
    document = json.loads(examined(path, "--json", *arguments).stdout)
    return {finding["check"]: finding for finding in document["findings"]}


def test_a_healthy_set_up(folder: Path, upstream: str) -> None:
    path = written(folder, ("good", backend(upstream)))
    told = examined(path)
    assert (told.exit_code, told.stderr) == (0, "")
    assert f"ok      backend good/1  {upstream} serves good" in told.stdout
    assert told.stdout.splitlines()[-1] == "healthy, 1 warning"
    assert "every task uses good" in told.stdout
    assert not (folder / "benchroute.db").exists()
    assert json.loads(examined(path, "--json").stdout)["healthy"] is True


def test_what_is_wrong_with_backends_is_told_each_with_the_next_step(folder: Path, upstream: str) -> None:
    with listing(None) as no_list:
        path = written(
            folder,
            ("good", backend(upstream, api_key="sk-wrong")),
            ("open", backend(upstream, api_key=None)),
            ("gone", backend(f"http://127.0.0.1:{free_port()}/v1")),
            ("unknown", backend(upstream)),
            ("renamed", backend(upstream, model="other")),
            ("bare", backend(no_list)),
        )
        told, document = examined(path), findings(path)
    assert told.exit_code == 1
    assert told.stdout.splitlines()[-1] == "3 errors: a gateway would not work"
    levels = {what.removeprefix("backend "): one["level"] for what, one in document.items() if "backend" in what}
    assert levels == {
        "good/1": "error",
        "open/1": "error",
        "gone/1": "error",
        "unknown/1": "warning",
        "renamed/1": "ok",
        "bare/1": "warning",
    }
    assert "it rejects the key" in document["backend good/1"]["message"]
    assert "requires a key" in document["backend open/1"]["message"]
    assert "refused" in document["backend gone/1"]["message"]
    assert "does not list unknown; it lists good, other" in document["backend unknown/1"]["message"]
    assert all(one["fix"] for one in document.values() if one["level"] != "ok")


def test_a_configuration_that_does_not_start_is_told_fault_by_fault(folder: Path) -> None:
    missing = run_command("doctor", "--config", folder / "none.yaml")
    assert (missing.exit_code, "benchroute init" in missing.stdout) == (1, True)
    path = written(folder, ("good", {"kind": "openai", "base_url": "nowhere"}), routing={"eta": 2})
    found = findings(path)
    assert {"config models[0].backends[0].base_url", "config routing.eta"} <= set(found)


def test_a_key_that_lies_open_is_told_and_not_shown(folder: Path, upstream: str) -> None:
    path = written(folder, ("good", backend(upstream, api_key=SECRET)))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IROTH)
    assert findings(path)["permissions"]["level"] == "warning"
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert findings(path)["permissions"]["level"] == "ok"


def test_keys_and_admins(folder: Path, upstream: str) -> None:
    def levels(**sections: Any) -> tuple[str, str]:
        found = findings(written(folder, ("good", backend(upstream)), **sections))
        return found["keys"]["level"], found["admin"]["level"]

    everywhere = {"host": "0.0.0.0", "port": free_port()}  # noqa: S104 - not listened on
    assert levels() == ("ok", "ok")
    assert levels(server={**everywhere, "allow_unauthenticated": True}) == ("warning", "warning")
    assert levels(server=everywhere, keys=[{"name": "a", "sha256": "0" * 64}]) == ("ok", "warning")
    assert levels(server=everywhere, admin={"keys": [{"name": "a", "sha256": "0" * 64}]}) == ("ok", "ok")


def test_keys_of_the_configuration_and_of_the_state(folder: Path, upstream: str) -> None:
    """Expired, expiring, without limits, unused, with a budget over models without a price, with two secrets."""
    now, day = time.time(), 86_400.0

    def stored(name: str, created_at: float = now, **terms: Any) -> StoredKey:
        return StoredKey(
            name, hashlib.sha256(name.encode()).hexdigest(), created_at, json.dumps({"name": name, **terms})
        )

    limit = {"requests_per_minute": 5}
    store = open_store(f"sqlite:///{folder}/state.db")
    over = datetime.fromtimestamp(now - day, UTC).isoformat()
    soon = datetime.fromtimestamp(now + 3 * day, UTC).isoformat()
    old = StoredSecret(1, "e" * 64)
    rotated = replace(stored("rotated", **limit), secrets=(old, StoredSecret(2, "f" * 64)), sha256="f" * 64)
    for key in (
        *(stored("over", expires_at=over), stored("ending", expires_at=soon, **limit), stored("free"), rotated),
        *(stored("idle", now - 100 * day, **limit), stored("used", now - 100 * day, budget_usd_per_day="1")),
    ):
        assert store.add_key(key)
    store.record_secret_uses({stored("used").sha256: now - day})
    store.close()
    before = (folder / "state.db").read_bytes()
    path = written(
        folder,
        ("good", backend(upstream)),
        state={"url": f"sqlite:///{folder}/state.db"},
        keys=[{"name": "configured", "sha256": "0" * 64}],
    )
    found = {check: one["message"] for check, one in findings(path).items() if check.startswith("keys ")}
    assert found == {
        "keys expired": "over: requests with them get 401",
        "keys expiring": "within 14 days: ending",
        "keys without limits": "configured, free: neither a rate limit nor a budget",
        "keys with budgets": "used: may use good, which have no price and are not counted",
        "keys unused": "for 90 days: idle",
        "keys rotated": "with two secrets: rotated; `benchroute keys list` shows who uses which",
    }
    assert (folder / "state.db").read_bytes() == before


def test_a_state_that_cannot_be_used(folder: Path, upstream: str) -> None:
    (folder / "state.db").write_text("this is no database, however long it is read and looked at " * 30)
    found = findings(written(folder, ("good", backend(upstream)), state={"url": "sqlite:///state.db"}))
    assert (found["state"]["level"], "not a database" in found["state"]["message"]) == ("error", True)


def test_a_port_that_is_taken_and_one_where_a_gateway_runs(folder: Path, upstream: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(0)
        port = taken.getsockname()[1]
        path = written(folder, ("good", backend(upstream)), server={"port": port})
        taken.close()
        with running_gateway(path.read_text().replace("${UPSTREAM_KEY}", "x")) as url:
            running = int(url.rpartition(":")[2])
            path = written(folder, ("good", backend(upstream)), server={"port": running})
            assert "a gateway is already running there" in findings(path)[f"port {running}"]["message"]


def test_a_port_that_something_else_has(folder: Path) -> None:
    with listing([]) as other:
        port = int(other.rpartition(":")[2].removesuffix("/v1"))
        found = findings(written(folder, ("good", backend(other)), server={"port": port}))[f"port {port}"]
    assert (found["level"], "--port" in found["fix"]) == ("error", True)


def test_a_pack_that_does_not_fit(folder: Path, upstream: str) -> None:
    pack = saved_pack(folder / "pack", Letters(), ("good", "else", "more"))
    path = written(folder, ("good", backend(upstream)), ("other", backend(upstream)), routing={"pack": str(pack)})
    found = findings(path, "--no-embedder-check")
    assert (found["pack"]["level"], found["pack models"]["level"]) == ("ok", "warning")
    assert "not in the pack: other" in found["pack models"]["message"]
    assert "embedder" not in found
    assert "recommended: auto; the pack's report recommends it" in found["score"]["message"]

    tasks = {"counting": {"dataset": "smus"}, "sums": {"dataset": "sums"}, "fixed": {"score": "s1"}}
    routing = {"pack": str(pack), "score": "auto"}
    path = written(folder, ("good", backend(upstream)), ("else", backend(upstream)), routing=routing, tasks=tasks)
    found = findings(path, "--no-embedder-check")
    assert "score" not in found
    assert [check for check in found if check.startswith("task ")] == ["task counting"]
    assert found["task counting"]["level"] == "warning"
    assert "tasks.counting.dataset has no effect" in found["task counting"]["message"]
    assert "similar: sums" in found["task counting"]["message"]
    assert found["task counting"]["fix"].endswith("sums, prices, capitals, rivers")

    (pack / "report.json").write_text("{}")
    assert findings(path, "--no-embedder-check")["pack"]["level"] == "error"
