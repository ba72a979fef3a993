"""Packs in a real Redis: pushed, fetched, activated, rolled back, and compared, by the library and by the commands."""

import json
import shutil
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.distributed import packs
from gateway.distributed.redis_client import Client
from gateway.distributed.store import RedisStore
from gateway.errors import PackRefused, StateError
from gateway.scorer.messages import ScoreSettings, Seed, Start, TaskPolicy
from gateway.scorer.scorer import Scorer
from qa.faults.letters import Letters
from routing.manifest import read_manifest
from routing.pack import open_pack
from routing.router import Router
from tests.gateway.distributed.fleets import MODELS, letters_pack
from tests.gateway.packs import inputs, small_benchmark
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import configuration


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return letters_pack(Path(tmp_path_factory.mktemp("packs")) / "a")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the first two models' names changed about: what was right for sums is now right for capitals."""
    return letters_pack(Path(tmp_path_factory.mktemp("packs")) / "b", (MODELS[1], MODELS[0], MODELS[2]))


@pytest.fixture
def client(redis_server: RedisServer) -> Client:
    return Client(redis_server.url, shards=4)


def test_a_pack_comes_back_as_it_was_and_is_kept_on_disk(client: Client, pack: Path, tmp_path: Path) -> None:
    pushed = packs.push(client, pack, 1.0)
    assert packs.push(client, pack, 2.0) == pushed
    path = packs.fetch(client, pushed, tmp_path)
    assert open_pack(path).manifest == read_manifest(pack)
    client.ask("DEL", f"benchroute:pack:{pushed.hash}:0")
    assert packs.fetch(client, pushed, tmp_path) == path
    path.write_bytes(b"altered")
    with pytest.raises(PackRefused, match="chunk 0"):
        packs.fetch(client, pushed, tmp_path)


def test_altered_bytes_are_refused_and_leave_nothing_behind(client: Client, pack: Path, tmp_path: Path) -> None:
    pushed = packs.push(client, pack, 1.0)
    client.ask("SETRANGE", f"benchroute:pack:{pushed.hash}:0", 5000, b"altered")
    with pytest.raises(PackRefused, match="its bytes have hash"):
        packs.fetch(client, pushed, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_activations_are_numbered_and_can_be_taken_back(client: Client, pack: Path, other: Path) -> None:
    a, b = (packs.push(client, path, 1.0) for path in (pack, other))
    with pytest.raises(PackRefused, match="before"):
        packs.rollback(client, 1.0)
    assert packs.active(client) is None
    packs.activate(client, a, 1.0)
    packs.activate(client, b, 2.0)
    assert packs.rollback(client, 3.0) == packs.Active(3, a.hash, b.hash)
    assert [name for _, name, _ in packs.history(client)] == [a.hash, b.hash, a.hash]
    assert packs.find(client, b.hash[:8]) == b
    with pytest.raises(PackRefused, match="no pack"):
        packs.find(client, "ffffff")


def test_of_two_activations_at_once_one_wins(client: Client, pack: Path, other: Path) -> None:
    pushed = [packs.push(client, path, 1.0) for path in (pack, other)]
    threads = [threading.Thread(target=packs.activate, args=(client, one, 1.0)) for one in pushed * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    active, history = packs.active(client), packs.history(client)
    assert active is not None
    assert [version for version, _, _ in history] == list(range(1, 11))
    assert (active.version, active.hash) == history[-1][:2]


def test_an_active_pack_that_is_gone_is_said_to_be(client: Client, pack: Path) -> None:
    pushed = packs.push(client, pack, 1.0)
    packs.activate(client, pushed, 1.0)
    client.ask("HDEL", packs.PACKS, pushed.hash)
    with pytest.raises(StateError, match="push it again"):
        packs.checked(client)


def test_the_last_active_pack_is_remembered_without_redis(client: Client, pack: Path, tmp_path: Path) -> None:
    assert packs.remembered(tmp_path) is None
    pushed = packs.push(client, pack, 1.0)
    packs.remember(tmp_path, pushed)
    assert packs.remembered(tmp_path) == pushed
    assert packs.manifest_of(pushed) == read_manifest(pack)


def test_the_commands(redis_server: RedisServer, client: Client, pack: Path, other: Path, tmp_path: Path) -> None:
    state = {"url": redis_server.url, "cache": str(tmp_path / "cache"), "shards": 4}
    config = tmp_path / "config.yaml"
    config.write_text(configuration("http://127.0.0.1:1/v1", MODELS, state=state))

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["pack", *words, "--config", str(config)])
        assert result.exit_code == code, result.output
        return result.stdout

    start = Start("", "", ScoreSettings(), TaskPolicy(MODELS))
    scorer = Scorer(Router(open_pack(pack)), Letters(), RedisStore(client), start, lambda: 0.0)
    scorer.seed(Seed(1, "counting", inputs("sums", 20)))
    assert "active" in run("push", str(pack), "--activate")
    run("push", str(other))
    a, b = read_manifest(pack).hash, read_manifest(other).hash
    assert json.loads(run("list", "--json"))["active"]["hash"] == a
    found = json.loads(run("diff", "active", b[:10], "--json"))
    assert (found["tasks"], found["changed"]) == (1, 1)
    assert (found["data"][0]["before"], found["data"][0]["after"]) == ("good", "other")
    assert "counting" in run("diff", str(pack), str(other))
    run("activate", b[:10])
    assert a in run("rollback")
    run("activate", "ffffffff", code=1)
    shutil.rmtree(tmp_path / "cache")
    assert json.loads(run("diff", "active", "active", "--json"))["changed"] == 0


def test_a_model_that_is_added_is_in_force_in_the_fleet(
    redis_server: RedisServer, client: Client, pack: Path, tmp_path: Path
) -> None:
    """`models add --activate` pushes the new pack; a scorer that takes it up decides on live tasks anew."""
    state = {"url": redis_server.url, "cache": str(tmp_path / "cache"), "shards": 4}
    config = tmp_path / "config.yaml"
    config.write_text(configuration("http://127.0.0.1:1/v1", (*MODELS, "new"), state=state))
    start, store = Start("", "", ScoreSettings(), TaskPolicy((*MODELS, "new"))), RedisStore(client)
    Scorer(Router(open_pack(pack)), Letters(), store, start, lambda: 0.0).seed(Seed(1, "added", inputs("sums", 20)))
    outcomes = tmp_path / "new.jsonl"
    outcomes.write_text("".join(json.dumps({"text": text, "score": 1}) + "\n" for text in small_benchmark().texts))
    words = ("models", "add", "new", "--outcomes", str(outcomes), "--pack", str(pack), "-o", str(tmp_path / "grown"))
    result = CliRunner().invoke(app, [*words, "--config", str(config), "--activate", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["active"].startswith("activation ")
    active = packs.active(client)
    assert active is not None
    assert active.hash == told["hash"]
    grown = packs.fetch(client, packs.find(client, told["hash"]), tmp_path / "fetched")
    Scorer(Router(open_pack(grown)), Letters(), store, start, lambda: 1.0).renew()
    decision = store.stored("added").decision
    assert decision is not None
    assert decision.model == "new"
