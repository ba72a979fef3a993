"""Leases, fences and batches on a real Redis: who may write, and what is written once."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config import parse_config
from gateway.distributed import health, redis_keys
from gateway.distributed.codec import Batch, Hold, Settled
from gateway.distributed.leases import HeldStore, Parked, hold, parked, present, there
from gateway.distributed.producer import Sending
from gateway.distributed.redis_client import Client
from gateway.distributed.redis_keys import Shard
from gateway.distributed.scripts import ADD
from gateway.distributed.store import HoldLost, RedisStore
from gateway.distributed.stream_entries import JSON
from gateway.state.store import Change, Stored, StoredTask
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import configuration

SHARD = Shard(0)
LEASE = Hold(lease_ms=60_000)


@pytest.fixture
def client(redis_server: RedisServer) -> Client:
    return Client(redis_server.url, shards=1)


def held(client: Client, name: str = "a", terms: Hold = LEASE) -> HeldStore:
    store = hold(client, SHARD, name, terms)
    assert store is not None
    return store


def add(client: Client, count: int, producer: str = "gateway", most: int = 1000) -> Sending:
    """Observations of one gateway, as it would send them."""
    sending = Sending()
    for number in range(count):
        sending.push("t", JSON + str(number).encode())
    keys = [SHARD.stream, SHARD.about, SHARD.producers, SHARD.seen, SHARD.counts]
    while waiting := sending.unsent(100):
        code, epoch, last, _ = client.run(ADD, keys, sending.words(producer, "epoch", waiting, most))
        sending.answered(code, epoch.decode(), last)
    return sending


def one_more(stored: Mapping[str, Stored]) -> Mapping[str, Change]:
    n = (stored["t"].task.n if stored["t"].task else 0) + 1
    return {"t": Change(StoredTask("basis", n, n, b""), [b"x"], None, [])}


def n_of(store: RedisStore) -> int:
    task = store.stored("t").task
    return task.n if task else 0


def test_a_shard_has_one_holder_and_a_holder_that_lost_it_can_do_nothing(client: Client) -> None:
    first = held(client)
    assert hold(client, SHARD, "b", LEASE) is None
    client.ask("DEL", SHARD.lease)  # its time was up
    second = held(client, "b")
    add(client, 1)
    for forbidden in (lambda: first.take("a", 10), lambda: first.update(["t"], one_more), lambda: first.renewed("x")):
        with pytest.raises(HoldLost):
            forbidden()
    assert len(second.take("b", 10).entries) == 1
    second.release()
    assert hold(client, SHARD, "c", LEASE) is not None


def test_a_scorer_that_is_started_again_under_its_name_has_its_shards_with_a_new_fence(client: Client) -> None:
    before, after = held(client), held(client)
    assert before.hold.lease != after.hold.lease
    with pytest.raises(HoldLost):
        before.take("a", 1)


def test_a_batch_is_written_once_though_its_answer_was_lost(client: Client) -> None:
    add(client, 3)
    store = held(client)
    taken = store.take("a", 10).entries
    batch = Batch([entry.id for entry in taken], [Settled("gateway", 3, 3, 0)])
    for _ in range(3):
        store.batch = batch
        store.update(["t"], one_more)
    assert n_of(store) == 1
    assert client.ask("HGET", SHARD.counts, "gateway:observed") == b"3"
    assert store.take("a", 10).entries == []
    assert client.ask("XLEN", SHARD.stream) == 0


def test_what_a_dead_holder_had_in_hand_comes_again_one_by_one_and_in_order(client: Client) -> None:
    add(client, 3)
    assert len(held(client).take("a", 10).entries) == 3
    client.ask("DEL", SHARD.lease)
    second, bodies = held(client, "b"), []
    for tries in (2, 2, 2):
        taken = second.take("b", 10)
        assert (len(taken.entries), taken.tries) == (1, tries)
        bodies.append(taken.entries[0].body)
        second.batch = Batch([taken.entries[0].id])
        second.settle()
    assert bodies == [JSON + str(number).encode() for number in range(3)]


def test_the_oldest_that_nobody_has_in_hand_make_room(client: Client) -> None:
    add(client, 2)
    store = held(client)
    in_hand = store.take("a", 10).entries
    add(client, 8, "another", most=5)
    store.batch = Batch([entry.id for entry in in_hand], [Settled("gateway", 2, 2, 0)])
    store.settle()
    left = store.take("a", 10).entries
    assert [entry.number for entry in left] == [6, 7, 8]
    assert client.ask("HGET", SHARD.counts, "another:dropped") == b"5"
    assert client.ask("HGET", SHARD.about, "waiting") == b"3"


def test_a_scorer_with_an_older_pack_neither_takes_nor_writes(client: Client) -> None:
    old = held(client, terms=Hold(pack=1, lease_ms=60_000))
    old.renewed("one")
    newer = held(client, terms=Hold(pack=2, lease_ms=60_000))
    newer.renewed("two")
    newer.release()
    assert hold(client, SHARD, "b", Hold(pack=1, lease_ms=60_000)) is None
    assert held(client, "b", Hold(pack=2, lease_ms=60_000)).basis == "two"


def test_who_is_there_is_known_for_a_while(client: Client) -> None:
    assert present(client, redis_keys.SCORERS, "b") == ["b"]
    assert present(client, redis_keys.SCORERS, "a") == ["a", "b"]
    assert there(client, redis_keys.SCORERS) == 2


def test_what_is_put_aside_is_listed(client: Client, redis_server: RedisServer, tmp_path: Path) -> None:
    add(client, 1)
    store = held(client)
    (entry,) = store.take("a", 1).entries
    store.park(entry, Parked(0, entry.id.decode(), "t", 1.0, 3, "it ends everybody", entry.body))
    assert [one.reason for one in parked(client, [SHARD])] == ["it ends everybody"]
    assert client.ask("HGET", SHARD.counts, "gateway:parked") == b"1"
    config = tmp_path / "config.yaml"
    config.write_text(configuration("http://127.0.0.1:1/v1", ["m"], state={"url": redis_server.url}))
    words = ["observations", "parked", "--config", str(config)]
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [(one["task"], one["body"]) for one in told["data"]] == [("t", "0")]
    assert "it ends everybody" in CliRunner().invoke(app, words).stdout
    config.write_text(configuration("http://127.0.0.1:1/v1", ["m"]))
    for command in (words, ["scorer", "--config", str(config)]):
        refused = CliRunner().invoke(app, command)
        assert (refused.exit_code, "state.url" in refused.stderr) == (2, True)


def test_a_scorer_is_well_if_it_is_there_or_has_nothing_to_do(client: Client, redis_server: RedisServer) -> None:
    text = configuration("http://127.0.0.1:1/v1", ["m"], state={"url": redis_server.url})
    config = parse_config(text, "config.yaml", {})
    assert health.fault(config, "here") is None
    client.ask("HSET", "benchroute:{active}", "version", 1, "hash", "x", "before", "")
    assert "no scorer of here" in str(health.fault(config, "here"))
    present(client, redis_keys.SCORERS, "here-1")
    assert health.fault(config, "here") is None
