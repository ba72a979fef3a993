"""Leases, fences and batches on a real Redis: who may write, and what is written once."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.config import parse_config
from gateway.distributed import health, redis_keys
from gateway.distributed.codec import JSON, AckBatch, AckCounts, Lease
from gateway.distributed.leases import (
    DeadLetter,
    LeasedStore,
    acquire_lease,
    count_live,
    list_dead_letters,
    send_heartbeat,
)
from gateway.distributed.producer import ShardProducer
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import Shard
from gateway.distributed.scripts import ADD
from gateway.distributed.store import LeaseLost, RedisStore
from gateway.scorer.messages import BatchCounts
from gateway.state.store import StateChange, TaskRecord, TaskSums
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import configuration

SHARD = Shard(0)
LEASE = Lease(lease_ms=60_000)


@pytest.fixture
def client(redis_server: RedisServer) -> RedisClient:
    return RedisClient(redis_server.url, shards=1)


def held(client: RedisClient, name: str = "a", terms: Lease = LEASE) -> LeasedStore:
    store = acquire_lease(client, SHARD, name, terms)
    assert store is not None
    return store


def add(client: RedisClient, count: int, producer: str = "gateway", most: int = 1000) -> ShardProducer:
    """Observations of one gateway, as it would send them."""
    sending = ShardProducer()
    for number in range(count):
        sending.push_observation("t", JSON + str(number).encode())
    keys = [SHARD.stream_key, SHARD.info_key, SHARD.producers_key, SHARD.seen_key, SHARD.counts_key]
    while waiting := sending.unsent_entries(100):
        code, epoch, last, _ = client.eval_script(ADD, keys, sending.script_args(producer, "epoch", waiting, most))
        sending.on_add_reply(code, epoch.decode(), last)
    return sending


def one_more(stored: Mapping[str, TaskRecord]) -> Mapping[str, StateChange]:
    n = (stored["t"].task.n if stored["t"].task else 0) + 1
    return {"t": StateChange(TaskSums("basis", n, n, b""), [b"x"], None, [])}


def n_of(store: RedisStore) -> int:
    task = store.read_task("t").task
    return task.n if task else 0


def test_a_shard_has_one_holder_and_a_holder_that_lost_it_can_do_nothing(client: RedisClient) -> None:
    first = held(client)
    assert acquire_lease(client, SHARD, "b", LEASE) is None
    client.execute("DEL", SHARD.lease_key)  # its time was up
    second = held(client, "b")
    add(client, 1)
    for forbidden in (
        lambda: first.read_batch("a", 10),
        lambda: first.update_task(["t"], one_more),
        lambda: first.mark_current("x"),
    ):
        with pytest.raises(LeaseLost):
            forbidden()
    assert len(second.read_batch("b", 10).entries) == 1
    second.release_lease()
    assert acquire_lease(client, SHARD, "c", LEASE) is not None


def test_a_scorer_that_is_started_again_under_its_name_has_its_shards_with_a_new_fence(client: RedisClient) -> None:
    before, after = held(client), held(client)
    assert before.lease.lease != after.lease.lease
    with pytest.raises(LeaseLost):
        before.read_batch("a", 1)


def test_a_batch_is_written_once_though_its_answer_was_lost(client: RedisClient) -> None:
    add(client, 3)
    store = held(client)
    taken = store.read_batch("a", 10).entries
    batch = AckBatch([entry.id for entry in taken], [AckCounts("gateway", 3, BatchCounts(3))])
    for _ in range(3):
        store.batch = batch
        store.update_task(["t"], one_more)
    assert n_of(store) == 1
    assert client.execute("HGET", SHARD.counts_key, "gateway:observed") == b"3"
    assert store.read_batch("a", 10).entries == []
    assert client.execute("XLEN", SHARD.stream_key) == 0


def test_what_a_dead_holder_had_in_hand_comes_again_one_by_one_and_in_order(client: RedisClient) -> None:
    add(client, 3)
    assert len(held(client).read_batch("a", 10).entries) == 3
    client.execute("DEL", SHARD.lease_key)
    second, bodies = held(client, "b"), []
    for tries in (2, 2, 2):
        taken = second.read_batch("b", 10)
        assert (len(taken.entries), taken.tries) == (1, tries)
        bodies.append(taken.entries[0].body)
        second.batch = AckBatch([taken.entries[0].id])
        second.ack_batch()
    assert bodies == [JSON + str(number).encode() for number in range(3)]


def test_the_oldest_that_nobody_has_in_hand_make_room(client: RedisClient) -> None:
    add(client, 2)
    store = held(client)
    in_hand = store.read_batch("a", 10).entries
    add(client, 8, "another", most=5)
    store.batch = AckBatch([entry.id for entry in in_hand], [AckCounts("gateway", 2, BatchCounts(2))])
    store.ack_batch()
    left = store.read_batch("a", 10).entries
    assert [entry.number for entry in left] == [6, 7, 8]
    assert client.execute("HGET", SHARD.counts_key, "another:dropped") == b"5"
    assert client.execute("HGET", SHARD.info_key, "waiting") == b"3"


def test_a_scorer_with_an_older_pack_neither_takes_nor_writes(client: RedisClient) -> None:
    old = held(client, terms=Lease(pack=1, lease_ms=60_000))
    old.mark_current("one")
    newer = held(client, terms=Lease(pack=2, lease_ms=60_000))
    newer.mark_current("two")
    newer.release_lease()
    assert acquire_lease(client, SHARD, "b", Lease(pack=1, lease_ms=60_000)) is None
    assert held(client, "b", Lease(pack=2, lease_ms=60_000)).sums_version == "two"


def test_who_is_there_is_known_for_a_while(client: RedisClient) -> None:
    assert send_heartbeat(client, redis_keys.SCORERS, "b") == ["b"]
    assert send_heartbeat(client, redis_keys.SCORERS, "a") == ["a", "b"]
    assert count_live(client, redis_keys.SCORERS) == 2


def test_what_is_put_aside_is_listed(client: RedisClient, redis_server: RedisServer, tmp_path: Path) -> None:
    add(client, 1)
    store = held(client)
    (entry,) = store.read_batch("a", 1).entries
    store.dead_letter(entry, DeadLetter(0, entry.id.decode(), "t", 1.0, 3, "it ends everybody", entry.body))
    assert [one.reason for one in list_dead_letters(client, [SHARD])] == ["it ends everybody"]
    assert client.execute("HGET", SHARD.counts_key, "gateway:parked") == b"1"
    config = tmp_path / "config.yaml"
    config.write_text(configuration("http://127.0.0.1:1/v1", ["m"], state={"url": redis_server.url}))
    words = ["observations", "dead-letter", "--config", str(config)]
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [(one["task"], one["body"]) for one in told["data"]] == [("t", "0")]
    assert "it ends everybody" in CliRunner().invoke(app, words).stdout
    config.write_text(configuration("http://127.0.0.1:1/v1", ["m"]))
    for command in (words, ["scorer", "--config", str(config)]):
        refused = CliRunner().invoke(app, command)
        assert (refused.exit_code, "state.url" in refused.stderr) == (2, True)


def test_a_scorer_is_well_if_it_is_there_or_has_nothing_to_do(client: RedisClient, redis_server: RedisServer) -> None:
    text = configuration("http://127.0.0.1:1/v1", ["m"], state={"url": redis_server.url})
    config = parse_config(text, "config.yaml", {})
    assert health.find_fault(config, "here") is None
    client.execute("HSET", "benchroute:{active}", "version", 1, "hash", "x", "before", "")
    assert "no scorer of here" in str(health.find_fault(config, "here"))
    send_heartbeat(client, redis_keys.SCORERS, "here-1")
    assert health.find_fault(config, "here") is None
