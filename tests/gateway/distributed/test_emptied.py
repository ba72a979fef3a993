"""A Redis that comes back empty, or older: keys, policies and spending are written back, exactly and once."""

import hashlib
import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.distributed.installation import Installation
from gateway.distributed.redis_client import RedisClient, RedisSettings
from gateway.distributed.state_copy import MAX_TASKS, StateCopy, Sums, revocation, without_secrets
from gateway.distributed.store import RedisStore
from gateway.distributed.usage_scripts import USAGE_FIELDS
from gateway.state.store import StoredKey, StoredPolicy, StoredSecret
from gateway.usage.ledger import UsageTotals
from tests.gateway.asking import HELLO, ask
from tests.gateway.distributed.deployments import fleet_config
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer, running_redis
from tests.gateway.serving import serving_gateway
from tests.gateway.waiting import eventually

pytestmark = pytest.mark.slow

DAY = "2026-11-28"
JSON = {"content_type": "application/json"}


def stored_key(name: str) -> StoredKey:
    return StoredKey(name, hashlib.sha256(name.encode()).hexdigest(), 1.0, f'{{"name": "{name}"}}')


class Node:
    """One gateway's copy and stores."""

    def __init__(self, url: str) -> None:
        self.client = RedisClient(url, settings=RedisSettings(installation=Installation()))
        self.copy = StateCopy()
        self.store = RedisStore(self.client, self.copy)
        self.copy.follow_life(self.client)

    def spend(self, requests: int, name: str = "k", kind: str = "key", usd: str = "0.5") -> None:
        self.store.add_usage({(kind, name, DAY): UsageTotals(requests, 10 * requests, 1, Decimal(usd))})

    def keep(self) -> None:
        self.copy.keep_keys(self.store.created_keys(), ())
        self.copy.keep_policies(self.store.current_policies())

    def follow(self) -> None:
        self.copy.follow_life(self.client)


def spent(redis: RedisServer, name: str = "k", kind: str = "key") -> UsageTotals:
    return RedisStore(RedisClient(redis.url)).read_usage().get((kind, name, DAY), UsageTotals())


def empty(redis: RedisServer) -> None:
    with redis.client() as client:
        client.flushall()


def test_the_sum_of_all_gateways_survives_and_is_not_doubled(redis_server: RedisServer) -> None:
    a, b = Node(redis_server.url), Node(redis_server.url)
    a.spend(3)
    b.spend(4)
    a.spend(5)
    empty(redis_server)
    # Both go on before either has noticed.
    a.spend(1)
    b.spend(2)
    b.follow()
    a.follow()
    b.follow()
    assert (spent(redis_server).requests, spent(redis_server).input_tokens) == (15, 150)
    assert spent(redis_server).usd == Decimal("2.5")
    a.spend(1)
    b.spend(1)
    empty(redis_server)
    a.follow()
    b.follow()
    assert spent(redis_server).requests == 17


def test_a_gateway_that_notices_late_adds_only_what_the_others_did_not_know(redis_server: RedisServer) -> None:
    a, b = Node(redis_server.url), Node(redis_server.url)
    a.spend(3)
    b.spend(4)
    empty(redis_server)
    a.follow()
    assert spent(redis_server).requests == 3
    a.spend(10)
    b.follow()
    assert spent(redis_server).requests == 17


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["spend", "read", "follow", "empty"]), st.integers(0, 2), st.integers(1, 2000)),
        max_size=30,
    )
)
def test_whatever_the_order_nothing_is_lost_or_doubled(
    shared_redis: RedisServer, steps: list[tuple[str, int, int]]
) -> None:
    empty(shared_redis)
    nodes = [Node(shared_redis.url) for _ in range(3)]
    total = 0
    unaware: set[int] = set()
    for what, number, count in steps:
        if what == "spend":
            nodes[number].spend(count)
            total += count
        elif what == "read":
            nodes[number].store.read_usage()
        elif what == "follow":
            nodes[number].follow()
            unaware.discard(number)
        elif not unaware:
            # Every gateway notices a loss within a second; a second loss before that is another fault.
            empty(shared_redis)
            unaware = {0, 1, 2}
    for node in nodes:
        node.follow()
    assert spent(shared_redis).requests == total
    for node in nodes:
        node.client.close_connections()


def test_sums_beyond_what_a_lua_number_holds_are_exact(redis_server: RedisServer) -> None:
    a = Node(redis_server.url)
    a.spend(1, usd="9007.199254740993")
    a.spend(1, usd="0.000000000001")
    empty(redis_server)
    a.spend(1, usd="0.000000000001")
    a.follow()
    assert spent(redis_server).usd == Decimal("9007.199254740995")


def test_an_older_redis_is_raised_to_the_copy(redis_server: RedisServer) -> None:
    a = Node(redis_server.url)
    a.store.add_key(stored_key("first"))
    a.spend(3)
    with redis_server.client() as client:
        before = {key: client.dump(key) for key in client.scan_iter()}
    a.spend(4)
    a.store.add_key(stored_key("second"))
    a.keep()
    with redis_server.client() as client:
        client.flushall()
        for key, data in before.items():
            client.restore(key, 0, data)
    a.store.read_usage()
    a.follow()
    assert spent(redis_server).requests == 7
    assert {key.name for key in a.store.created_keys()} == {"first", "second"}
    a.spend(1)
    assert spent(redis_server).requests == 8


def test_keys_come_back_but_for_deleted_ones(redis_server: RedisServer) -> None:
    a, b = Node(redis_server.url), Node(redis_server.url)
    for name in ("stays", "goes"):
        assert a.store.add_key(stored_key(name))
    a.keep()
    b.keep()
    assert b.store.remove_key("goes")
    empty(redis_server)
    # a does not know of the deletion yet: it writes both back.
    a.follow()
    b.follow()
    a.follow()
    assert [key.name for key in a.store.created_keys()] == ["stays"]
    # Neither does a gateway that was away while it happened.
    empty(redis_server)
    b.follow()
    a.follow()
    assert [key.name for key in a.store.created_keys()] == ["stays"]
    # A new key of that name is another key.
    again = StoredKey("goes", "ab" * 32, 2.0, '{"name": "goes"}')
    assert a.store.add_key(again)
    a.keep()
    empty(redis_server)
    a.follow()
    b.follow()
    assert again in a.store.created_keys()


def test_a_rotated_key_comes_back_without_the_secret_that_was_revoked(redis_server: RedisServer) -> None:
    a, b = Node(redis_server.url), Node(redis_server.url)
    first = stored_key("client")
    old, new = first.all_secrets[0], StoredSecret(2, "cd" * 32, 2.0)
    both = replace(first, sha256=new.sha256, version=1, secrets=(old, new))
    assert a.store.add_key(first)
    b.keep()  # a gateway that misses all that follows
    assert a.store.replace_key(both)
    a.keep()
    empty(redis_server)
    b.follow()
    a.follow()
    assert list(a.store.created_keys()) == [both]
    alone = replace(both, version=2, secrets=(new,))
    assert a.store.replace_key(alone)
    empty(redis_server)
    b.follow()
    a.follow()  # knows of the revocation, and its copy of the key still has both
    assert [[one.number for one in key.all_secrets] for key in a.store.created_keys()] == [[2]]


def test_a_key_without_an_unrevoked_secret_is_gone() -> None:
    key = stored_key("client")
    assert without_secrets(key, {revocation("client", key.all_secrets[0])}) is None
    assert without_secrets(key, {revocation("other", key.all_secrets[0])}) is key


def test_the_latest_policy_comes_back(redis_server: RedisServer) -> None:
    a, b = Node(redis_server.url), Node(redis_server.url)
    for version in (1, 2, 3):
        assert a.store.put_policy(StoredPolicy("t", version, 1.0, None, f'{{"version": {version}}}'))
        if version == 2:
            b.keep()
    a.keep()
    empty(redis_server)
    a.follow()
    b.follow()
    (found,) = RedisStore(RedisClient(redis_server.url)).current_policies()
    assert (found.version, found.settings_json) == (3, '{"version": 3}')
    assert a.store.put_policy(StoredPolicy("t", 4, 1.0, None, None))


def test_the_copy_is_bounded(redis_server: RedisServer) -> None:
    copy = StateCopy()
    numbers = (1,) * len(USAGE_FIELDS)
    copy.keep_usage("key", "k", Sums(b"", {DAY: numbers}), {})
    for place in range(MAX_TASKS + 10):
        copy.keep_usage("task", f"t{place}", Sums(b"", {DAY: numbers}), {})
    assert len(copy._usage) == MAX_TASKS
    assert ("key", "k") in copy._usage


def test_a_cluster(cluster_url: str) -> None:
    nodes = [Node(cluster_url), Node(cluster_url)]
    name = "of-a-cluster"
    assert nodes[0].store.add_key(stored_key(name))
    nodes[0].keep()
    for count, node in enumerate(nodes, 1):
        node.spend(count, name)
    nodes[0].client.execute("FLUSHALL")
    nodes[0].spend(4, name)
    for node in nodes:
        node.follow()
    assert nodes[1].store.usage_of([("key", name)])["key", name, DAY].requests == 7
    assert name in {key.name for key in nodes[1].store.created_keys()}
    assert nodes[1].store.remove_key(name)
    for node in nodes:
        node.client.close_connections()


@pytest.fixture
def lone_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path / "redis") as server:
        yield server


@pytest.mark.parametrize("how", ["flushed", "restarted without persistence"])
def test_two_gateways_under_load(lone_redis: RedisServer, upstream: Upstream, tmp_path: Path, how: str) -> None:
    RedisStore(RedisClient(lone_redis.url)).add_key(stored_key("client"))
    text = fleet_config(upstream.base_url, lone_redis.url, tmp_path, None)
    sent = [0, 0]
    refused: list[int] = []
    ended = threading.Event()
    with serving_gateway(text) as first, serving_gateway(text) as second:
        urls = (first.url, second.url)

        def send(number: int) -> None:
            while not ended.is_set():
                status = ask(urls[number], body=HELLO, authorization="Bearer client", **JSON).status
                sent[number] += 1
                if status != 200:
                    refused.append(status)

        for url in urls:
            # Until it has read the key, a gateway needs none, and books on none.
            eventually(partial(is_refused, url))
        threads = [threading.Thread(target=send, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        eventually(lambda: all_spent(lone_redis) > 40, 30)
        if how == "flushed":
            empty(lone_redis)
        else:
            lone_redis.kill()
            lone_redis.start()
        eventually(lambda: all_spent(lone_redis) > 80, 30)
        ended.set()
        for thread in threads:
            thread.join()
        assert refused == []
        eventually(lambda: all_spent(lone_redis) == sum(sent), 20)
    assert [key.name for key in RedisStore(RedisClient(lone_redis.url)).created_keys()] == ["client"]


def is_refused(url: str) -> bool:
    return ask(url, body=HELLO, **JSON).status == 401


def all_spent(redis: RedisServer) -> int:
    rows = RedisStore(RedisClient(redis.url)).usage_of([("key", "client")])
    return sum(row.requests for row in rows.values())
