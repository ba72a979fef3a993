"""Packs in a real Redis: pushed, fetched, activated, rolled back, and compared, by the library and by the commands."""

import json
import shutil
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.distributed import packs
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.store import RedisStore
from gateway.errors import PackRejected, StateError
from gateway.scorer.messages import Configure, ScoreSettings, SeedInputs, TaskPolicy
from gateway.scorer.scorer import Scorer
from gateway.scorer.task_reader import TaskReader
from routing.manifest import read_manifest
from routing.pack import open_pack
from routing.router import Router
from tests.gateway.distributed.deployments import MODELS, letters_pack
from tests.gateway.letters import Letters
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
def client(redis_server: RedisServer) -> RedisClient:
    return RedisClient(redis_server.url, shards=4)


def test_a_pack_comes_back_as_it_was_and_is_kept_on_disk(client: RedisClient, pack: Path, tmp_path: Path) -> None:
    pushed = packs.push_pack(client, pack, 1.0)
    assert packs.push_pack(client, pack, 2.0) == pushed
    path = packs.fetch_pack(client, pushed, tmp_path)
    assert open_pack(path).manifest == read_manifest(pack)
    client.execute("DEL", f"benchroute:pack:{pushed.hash}:0")
    assert packs.fetch_pack(client, pushed, tmp_path) == path
    path.write_bytes(b"altered")
    with pytest.raises(PackRejected, match="chunk 0"):
        packs.fetch_pack(client, pushed, tmp_path)


def test_altered_bytes_are_refused_and_leave_nothing_behind(client: RedisClient, pack: Path, tmp_path: Path) -> None:
    pushed = packs.push_pack(client, pack, 1.0)
    client.execute("SETRANGE", f"benchroute:pack:{pushed.hash}:0", 5000, b"altered")
    with pytest.raises(PackRejected, match="its bytes have hash"):
        packs.fetch_pack(client, pushed, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_activations_are_numbered_and_can_be_taken_back(client: RedisClient, pack: Path, other: Path) -> None:
    a, b = (packs.push_pack(client, path, 1.0) for path in (pack, other))
    with pytest.raises(PackRejected, match="before"):
        packs.rollback_pack(client, 1.0)
    assert packs.active_pack(client) is None
    packs.activate_pack(client, a, 1.0)
    packs.activate_pack(client, b, 2.0)
    assert packs.rollback_pack(client, 3.0) == packs.ActivePack(3, a.hash, b.hash)
    assert [name for _, name, _ in packs.activation_history(client)] == [a.hash, b.hash, a.hash]
    assert packs.find_pack(client, b.hash[:8]) == b
    with pytest.raises(PackRejected, match="0 packs in Redis match"):
        packs.find_pack(client, "ffffff")


def test_of_two_activations_at_once_one_wins(client: RedisClient, pack: Path, other: Path) -> None:
    pushed = [packs.push_pack(client, path, 1.0) for path in (pack, other)]
    threads = [threading.Thread(target=packs.activate_pack, args=(client, one, 1.0)) for one in pushed * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    active, history = packs.active_pack(client), packs.activation_history(client)
    assert active is not None
    assert [version for version, _, _ in history] == list(range(1, 11))
    assert (active.version, active.hash) == history[-1][:2]


def test_an_active_pack_that_is_gone_is_said_to_be(client: RedisClient, pack: Path) -> None:
    pushed = packs.push_pack(client, pack, 1.0)
    packs.activate_pack(client, pushed, 1.0)
    client.execute("HDEL", client.keys.packs, pushed.hash)
    with pytest.raises(StateError, match="push it again"):
        packs.active_and_stored(client)


def test_the_last_active_pack_is_remembered_without_redis(client: RedisClient, pack: Path, tmp_path: Path) -> None:
    assert packs.cached_active(tmp_path) is None
    pushed = packs.push_pack(client, pack, 1.0)
    packs.cache_active(tmp_path, pushed)
    assert packs.cached_active(tmp_path) == pushed
    assert packs.read_stored_manifest(pushed) == read_manifest(pack)


def test_the_commands(redis_server: RedisServer, client: RedisClient, pack: Path, other: Path, tmp_path: Path) -> None:
    state = {"url": redis_server.url, "cache_dir": str(tmp_path / "cache"), "shards": 4}
    config = tmp_path / "config.yaml"
    config.write_text(configuration("http://127.0.0.1:1/v1", MODELS, state=state))

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["pack", *words, "--config", str(config)])
        assert result.exit_code == code, result.output
        return result.stdout

    start = Configure("", "", ScoreSettings(), TaskPolicy(MODELS))
    scorer = Scorer(TaskReader(Router(open_pack(pack)), RedisStore(client), start, lambda: 0.0), Letters())
    scorer.seed_task(SeedInputs(1, "counting", inputs("sums", 20)))
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
    redis_server: RedisServer, client: RedisClient, pack: Path, tmp_path: Path
) -> None:
    """`models add --activate` pushes the new pack; a scorer that takes it up decides on live tasks anew."""
    state = {"url": redis_server.url, "cache_dir": str(tmp_path / "cache"), "shards": 4}
    config = tmp_path / "config.yaml"
    config.write_text(configuration("http://127.0.0.1:1/v1", (*MODELS, "new"), state=state))
    start, store = Configure("", "", ScoreSettings(), TaskPolicy((*MODELS, "new"))), RedisStore(client)
    Scorer(TaskReader(Router(open_pack(pack)), store, start, lambda: 0.0), Letters()).seed_task(
        SeedInputs(1, "added", inputs("sums", 20))
    )
    outcomes = tmp_path / "new.jsonl"
    outcomes.write_text("".join(json.dumps({"text": text, "score": 1}) + "\n" for text in small_benchmark().texts))
    words = ("models", "add", "new", "--outcomes", str(outcomes), "--pack", str(pack), "-o", str(tmp_path / "grown"))
    result = CliRunner().invoke(app, [*words, "--config", str(config), "--activate", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["active"].startswith("activation ")
    active = packs.active_pack(client)
    assert active is not None
    assert active.hash == told["hash"]
    grown = packs.fetch_pack(client, packs.find_pack(client, told["hash"]), tmp_path / "fetched")
    Scorer(TaskReader(Router(open_pack(grown)), store, start, lambda: 1.0), Letters()).rescore_stale()
    decision = store.read_task("added").decision
    assert decision is not None
    assert decision.model == "new"
