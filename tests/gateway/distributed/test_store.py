"""What every store does, on SQLite, on Redis and on a Cluster of three masters."""

import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from redis import Redis

from gateway.config import parse_config
from gateway.decision import Decision, ExplainedDecision, Explanation
from gateway.distributed.codec import MAX_CHANGES
from gateway.distributed.connect import RedisTimeouts
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import Shard
from gateway.distributed.store import RedisStore
from gateway.errors import StateError
from gateway.state.sqlite import open_store
from gateway.state.store import (
    RING_SIZE,
    Eviction,
    StateChange,
    Store,
    StoredKey,
    StoredPolicy,
    StoredSecret,
    TaskFilter,
    TaskRecord,
    TaskSums,
)
from gateway.task_records import StoredTemplate, TaskEntry, TemplatePlace
from gateway.usage.ledger import UsageTotals
from tests.gateway.redis_servers import RedisServer, free_port
from tests.gateway.serving import configuration

EXPLANATION = Explanation.from_dict({"u": 0.5, "scores": [{"model": "m"}]})


def decision(version: int = 1, n: int = 1, model: str = "m", task: str = "t") -> Decision:
    return Decision(task, version, n, model, "score", (model, "other"), 1.5)


def put(store: Store, task: str, seen: int, embeddings: list[bytes], *turns: Decision) -> None:
    changes = [msgspec.structs.replace(turn, task=task) for turn in turns]
    latest, explanation = (changes[-1], EXPLANATION) if changes else (None, None)
    made = StateChange(
        TaskSums("basis", seen, seen, b"\0sums\xff"), embeddings, latest, changes, explanation=explanation
    )
    store.update_task([task], lambda _: {task: made})


def emptied(cluster_url: str) -> None:
    for host in cluster_url.partition("://")[2].split(","):
        with Redis.from_url(f"redis://{host}") as client:
            client.flushall()


@pytest.fixture(params=["sqlite", "redis", "cluster"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/state.db"
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
    elif request.param == "cluster":
        url = request.getfixturevalue("cluster_url")
        emptied(url)
    opened: Store = open_store(url) if request.param == "sqlite" else RedisStore(RedisClient(url))
    yield opened
    opened.close()


def test_what_is_written_is_read_again(store: Store) -> None:
    put(store, "t/1", 2, [b"a", b"b\0\xff"], decision())
    assert store.read_task("t/1") == TaskRecord(
        TaskSums("basis", 2, 2, b"\0sums\xff"), decision(task="t/1"), b"", EXPLANATION
    )
    assert list(store.recent_embeddings("t/1")) == [b"a", b"b\0\xff"]
    assert list(store.task_names()) == ["t/1"]
    assert [(turn.version, turn.model) for turn in store.decision_changes("t/1")] == [(1, "m")]
    assert store.read_task("unknown") == TaskRecord(None, None)
    put(store, "other", 1, [])
    assert store.read_explanations(["t/1", "unknown", "other"]) == {
        "t/1": ExplainedDecision(decision(task="t/1"), EXPLANATION)
    }


def test_decisions_come_by_name_page_by_page(store: Store) -> None:
    for task in ("b", "a", "c"):
        put(store, task, 1, [b"x"], decision())
    put(store, "undecided", 1, [b"x"])
    assert list(store.read_decisions()) == ["a", "b", "c"]
    assert list(store.read_decisions(TaskFilter("a", limit=1))) == ["b"]
    assert store.read_decisions()["a"] == decision(task="a")
    assert list(store.task_names()) == ["a", "b", "c", "undecided"]


def test_an_update_without_an_explanation_leaves_the_stored_one(store: Store) -> None:
    sums = TaskSums("basis", 1, 1, b"sums")
    put(store, "t", 1, [], decision())
    store.update_task(["t"], lambda _: {"t": StateChange(sums, [], decision(2, 7, "other"), ())})
    assert store.read_task("t") == TaskRecord(sums, decision(2, 7, "other"), b"", EXPLANATION)
    store.update_task(["new"], lambda _: {"new": StateChange(sums, [], decision(task="new"), ())})
    assert store.read_explanations(["new"]) == {"new": ExplainedDecision(decision(task="new"), Explanation())}


def test_the_ring_and_the_history_keep_the_most_recent(store: Store) -> None:
    put(store, "t", 0, [])
    for seen in range(1, RING_SIZE + 6):
        put(store, "t", seen, [str(seen).encode()], decision(version=seen))
    assert list(store.recent_embeddings("t")) == [str(seen).encode() for seen in range(6, RING_SIZE + 6)]
    assert [turn.version for turn in store.decision_changes("t")][:: MAX_CHANGES - 1] == [
        RING_SIZE + 6 - MAX_CHANGES,
        RING_SIZE + 5,
    ]


def test_a_pace_is_written_with_the_sums_or_alone_and_goes_with_its_task(store: Store) -> None:
    task = TaskSums("basis", 1, 1, b"sums")
    store.update_task(["t"], lambda _: {"t": StateChange(task, [b"a"], None, (), b"\0first\xff")})
    assert store.read_task("t") == TaskRecord(task, None, b"\0first\xff")
    put(store, "t", 2, [], decision())
    assert store.sampling_states(["t", "unknown"]) == {"t": b"\0first\xff"}
    before = store.read_task("t")
    store.update_task(
        ["other"], lambda stored: {name: StateChange(task, [], None, ()) for name in stored}, {"t": b"second"}
    )
    store.update_task([], lambda _: {}, {"gone": b"x"})
    assert store.read_task("gone").task is None
    assert store.read_task("t") == TaskRecord(before.task, before.decision, b"second", before.explanation)
    store.forget_task("t")
    assert (store.sampling_states(["t"]), store.read_task("t")) == ({}, TaskRecord(None, None))


def test_an_update_that_fails_changes_nothing(store: Store) -> None:
    put(store, "t", 1, [b"a"], decision())

    def change(stored: Mapping[str, TaskRecord]) -> Mapping[str, StateChange]:
        assert stored["t"].decision == decision()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.update_task(["t"], change)
    assert list(store.recent_embeddings("t")) == [b"a"]


def test_a_forgotten_task_is_gone(store: Store) -> None:
    put(store, "t", 1, [b"a"], decision())
    assert store.forget_task("t")
    assert not store.forget_task("t")
    assert (store.read_task("t"), list(store.recent_embeddings("t")), list(store.decision_changes("t"))) == (
        TaskRecord(None, None),
        [],
        [],
    )
    assert (list(store.task_names()), list(store.read_decisions())) == ([], [])


def test_writers_beside_each_other_lose_nothing(store: Store) -> None:
    def add_one(stored: Mapping[str, TaskRecord]) -> Mapping[str, StateChange]:
        seen = (stored["t"].task.total_seen if stored["t"].task else 0) + 1
        return {"t": StateChange(TaskSums("basis", seen, seen, b""), [b"x"], None, [])}

    def often() -> None:
        for _ in range(20):
            store.update_task(["t"], add_one)

    threads = [threading.Thread(target=often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    task = store.read_task("t").task
    assert task is not None
    assert (task.n, len(store.recent_embeddings("t"))) == (60, 60)


def test_money_adds_up_to_the_last_digit(store: Store) -> None:
    some = UsageTotals(1, 10, 5, Decimal("0.00000135"), Decimal("0.1"))
    store.add_usage({("key", "a b", "2026-11-26"): some, ("task", "t:1", "2026-11-26"): some})
    store.add_usage({("key", "a b", "2026-11-26"): some, ("key", "a b", "2026-11-27"): some})
    spent = store.read_usage()
    assert spent["key", "a b", "2026-11-26"] == some + some
    assert spent["key", "a b", "2026-11-27"] == spent["task", "t:1", "2026-11-26"] == some


def test_keys_and_policies_are_kept_once(store: Store) -> None:
    key = StoredKey("team", "ab" * 32, 1.5, "{}")
    assert store.add_key(key)
    assert not store.add_key(key)
    assert list(store.created_keys()) == [key]
    assert store.remove_key("team")
    assert not store.remove_key("team")
    first = StoredPolicy("t", 1, 1.0, "ops", "{}")
    assert store.put_policy(first)
    assert not store.put_policy(first)
    assert store.put_policy(StoredPolicy("t", 2, 2.0, None, None))
    assert [policy.version for policy in store.policy_history("t")] == [1, 2]
    assert list(store.current_policies()) == [StoredPolicy("t", 2, 2.0, None, None)]


def test_a_key_is_replaced_by_its_next_version_alone(store: Store) -> None:
    key = StoredKey("rotating", "1" * 64, 1.5, "{}")
    assert store.add_key(key)
    secrets = (StoredSecret(1, "1" * 64, 1.5, 9.5), StoredSecret(2, "2" * 64, 3.5))
    rotated = replace(key, sha256="2" * 64, version=1, secrets=secrets)
    assert [store.replace_key(one) for one in (replace(key, version=2), rotated, rotated)] == [False, True, False]
    assert not store.replace_key(StoredKey("other", "3" * 64, 1.0, "{}", 1))
    assert list(store.created_keys()) == [rotated]
    assert (key.all_secrets, rotated.all_secrets) == ((StoredSecret(1, "1" * 64, 1.5),), secrets)
    assert store.remove_key("rotating")


def test_the_latest_use_of_a_secret_is_kept(store: Store) -> None:
    store.record_secret_uses({"a": 5.0, "b": 1.0})
    store.record_secret_uses({"a": 3.0, "b": 2.0})
    assert store.secret_uses(["a", "b", "c"]) == {"a": 5.0, "b": 2.0}
    assert store.secret_uses([]) == {}


def test_no_server_is_a_state_error_that_does_not_tell_the_password() -> None:
    store = RedisStore(RedisClient(f"redis://:secret@127.0.0.1:{free_port()}/0", RedisTimeouts(0.2, 0.2)))
    with pytest.raises(StateError, match=r"127\.0\.0\.1") as caught:
        store.read_task("t")
    assert "secret" not in str(caught.value)


def test_a_configuration_shows_no_password_of_redis() -> None:
    text = configuration("http://127.0.0.1:1/v1", ["m"], state={"url": "redis://me:secret@127.0.0.1:6379/0"})
    config = parse_config(text, "config.yaml", {})
    assert config.state.is_shared
    assert "secret" not in str(config.mask_secrets())
    assert "secret" not in config.model_dump_json()


def test_what_cannot_be_read_is_a_state_error(redis_server: RedisServer) -> None:
    store = RedisStore(RedisClient(redis_server.url))
    put(store, "t", 1, [b"a"], decision())
    with redis_server.client() as client:
        client.hset(store.shard_of_task("t").task_key("t"), "decision", "broken")
    with pytest.raises(StateError, match="cannot be read"):
        store.read_task("t")


def test_the_number_of_shards_is_said_once(redis_server: RedisServer) -> None:
    first, second = (RedisStore(RedisClient(redis_server.url, shards=shards)) for shards in (4, 64))
    assert (first.shards, second.shards) == (4, 4)


def test_a_tasks_keys_lie_on_one_node_and_tasks_on_all(cluster_url: str) -> None:
    client = RedisClient(cluster_url)
    nodes = set()
    for number in range(16):
        shard = Shard(number)
        keys = [shard.stream_key, shard.lease_key, shard.task_key("t"), shard.ring_key("t"), shard.changes_key("t")]
        assert len({client.execute("CLUSTER", "KEYSLOT", key) for key in keys}) == 1
        nodes.add(client.execute("CLUSTER", "KEYSLOT", shard.stream_key) * 3 // 16384)
    assert nodes == {0, 1, 2}


def put_used(store: Store, task: str, at: float | None) -> None:
    made = StateChange(TaskSums("basis", 1, 1, b"sums"), [b"x"], decision(task=task), [], used_at=at)
    store.update_task([task], lambda _: {task: made})


def test_tasks_are_selected_by_prefix_and_by_a_part_of_their_name(store: Store) -> None:
    for task in ("a/1", "a/2", "B/1", "b/11"):
        put_used(store, task, 1.0)
    assert list(store.read_decisions(TaskFilter(prefix="a/"))) == ["a/1", "a/2"]
    assert list(store.read_decisions(TaskFilter(prefix="b", limit=1))) == ["b/11"]
    assert list(store.read_decisions(TaskFilter(search="B/1"))) == ["B/1", "b/11"]
    assert list(store.read_decisions(TaskFilter("B/1", search="/1", limit=1))) == ["a/1"]
    assert list(store.read_decisions(TaskFilter("a/1", prefix="a/", search="2"))) == ["a/2"]
    assert not store.read_decisions(TaskFilter(search="[*"))


def test_tasks_come_by_their_last_use(store: Store) -> None:
    for task, at in (("a", 3.0), ("b", 1.0), ("c", 2.0), ("undated", None)):
        put_used(store, task, at)
    assert (store.count_tasks(), list(store.tasks_without_use(9))) == (4, ["undated"])
    assert list(store.least_recently_used(2)) == ["b", "c"]
    assert list(store.least_recently_used(9, before=3.0)) == ["b", "c"]
    store.update_task([], lambda _: {}, {"b": b"pace", "a": b"pace", "unknown": b"pace"}, used_at=2.5)
    store.touch_tasks({"undated": 9.0})
    assert list(store.least_recently_used(9)) == ["c", "b", "a", "undated"]
    assert list(store.tasks_without_use(9)) == []
    put_used(store, "c", None)
    assert list(store.least_recently_used(1)) == ["c"]


def test_an_evicted_task_leaves_nothing_but_what_was_spent(store: Store) -> None:
    put_used(store, "gone", 1.0)
    put_used(store, "stays", 2.0)
    store.add_usage({("task", "gone", "2026-11-01"): UsageTotals(1, 2, 3)})
    store.evict_tasks([Eviction("gone", "max_tasks", 5.0)])
    assert (store.count_tasks(), list(store.task_names())) == (1, ["stays"])
    assert store.read_task("gone") == TaskRecord(None, None)
    assert list(store.least_recently_used(9)) == ["stays"]
    assert list(store.read_decisions()) == ["stays"]
    assert store.usage_of([("task", "gone")])


def test_tasks_of_another_version_or_without_inputs_are_outdated(store: Store) -> None:
    put_used(store, "current", 1.0)
    empty = StateChange(TaskSums("basis", 0, 0, b"sums"), [], decision(n=0, task="empty"), [])
    store.update_task(["empty"], lambda _: {"empty": empty})
    assert list(store.outdated_tasks("basis")) == ["empty"]
    assert list(store.outdated_tasks("other")) == ["current", "empty"]


def template(task: str, **changes: object) -> StoredTemplate:
    made = StoredTemplate("key", task, b"tools", {2**32 - 1: 2, 5: 1}, 2, (b"form",), None, 1.5)
    return msgspec.structs.replace(made, **changes)


def test_templates_are_kept_by_task(store: Store) -> None:
    assert store.read_templates(TemplatePlace())[0] == []
    store.put_templates([template("auto:a"), template("auto:b", key="", label="you sort #")], [])
    store.put_templates([template("auto:a", seen=3)], ["auto:b", "auto:unknown"])
    found, _ = store.read_templates(TemplatePlace())
    assert [msgspec.structs.replace(one, born=0) for one in found] == [template("auto:a", seen=3)]


def test_entries_are_kept_by_task_and_empty_ones_are_deleted(store: Store) -> None:
    named, merged = TaskEntry("b", "Bills", None, 1.5, "ops"), TaskEntry("a", None, "b", 2.5)
    store.put_entries([named, merged])
    assert store.task_entries() == [merged, named]
    store.put_entries([TaskEntry("a"), TaskEntry("never")])
    assert store.task_entries() == [named]


def test_tasks_are_removed_with_an_update(store: Store) -> None:
    put(store, "source", 1, [b"a"], decision())
    put(store, "t", 1, [b"a"], decision())
    made = StateChange(TaskSums("basis", 2, 2, b"sums"), [b"b"], decision(n=2), ())
    store.update_task(["t"], lambda _: {"t": made}, removed=["source", "unknown"])
    assert store.task_names() == ["t"]
    assert store.read_task("source") == TaskRecord(None, None)


def test_templates_of_others_are_read_from_a_revision_on(redis_server: RedisServer) -> None:
    a, b = (RedisStore(RedisClient(redis_server.url)) for _ in range(2))
    a.put_templates([template("auto:a"), template("auto:b")], [])
    found, place = b.read_templates(TemplatePlace())
    assert sorted((one.task, one.born) for one in found) == [("auto:a", 1), ("auto:b", 2)]
    assert b.read_templates(place) == ([], place)
    a.put_templates([template("auto:a", seen=3)], [])
    found, later = b.read_templates(place)
    assert [(one.task, one.seen, one.born) for one in found] == [("auto:a", 3, 1)]
    assert later.revision > place.revision
    with redis_server.client() as client:
        client.flushall()
    # What is stored again after a loss keeps its first revision, and later ones follow it.
    a.put_templates([template("auto:b", born=2), template("auto:c")], [])
    found, _ = b.read_templates(later)
    assert sorted((one.task, one.born) for one in found) == [("auto:b", 2), ("auto:c", 4)]
