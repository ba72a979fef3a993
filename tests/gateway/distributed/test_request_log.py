"""The request log in Redis: the same pages, of all gateways."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.distributed.redis_client import RedisClient, RedisSettings
from gateway.distributed.request_log import RedisRequestStore
from gateway.request_log.access import SETTLED_S, RequestLog
from gateway.request_log.blocks import Block
from gateway.request_log.compactor import Compactor
from gateway.request_log.entry import to_columns
from gateway.request_log.filters import RequestFilter
from gateway.request_log.pages import read_following, read_newest, read_request
from tests.gateway.asking import ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer
from tests.gateway.request_log.rows import make_block, make_row, to_request
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[RedisRequestStore]:
    opened = RedisRequestStore(RedisClient(redis_server.url), 14)
    yield opened
    opened.close()


def test_the_page_is_that_of_all_gateways_in_order(store: RedisRequestStore, redis_server: RedisServer) -> None:
    other = RedisRequestStore(RedisClient(redis_server.url), 14)
    mine, theirs = Compactor(store), Compactor(other)
    for start in range(0, 3000, 100):
        writer = mine if start % 200 else theirs
        rows = [make_row(at, task="odd" if at % 2 else "even") for at in range(start, start + 100)]
        writer.write_columns(to_columns(rows))
    shown = [one.at_us for one in read_newest(store, RequestFilter(equal={"task": "odd"}), None, 2000).rows]
    assert shown == list(range(2999, 0, -2))
    following = read_following(other, RequestFilter(), 500 << 10, 10)
    assert [one.at_us for one in following.rows] == list(range(501, 511))
    assert following.has_more
    assert read_request(other, f"req_{1234:024x}") == to_request(make_row(1234, task="even"))
    assert store.measure().rows == 3000
    other.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 120), min_size=1, max_size=40), st.integers(1, 400))
def test_no_row_is_missed_while_blocks_are_merged(redis_server: RedisServer, sizes: list[int], limit: int) -> None:
    with redis_server.client() as client:
        client.flushall()
    store = RedisRequestStore(RedisClient(redis_server.url), 14)
    reads: list[Sequence[int]] = []

    class Reading:
        """Writes, and reads before the replaced blocks are gone, as another gateway does."""

        def write_blocks(self, blocks: Sequence[Block], replaced: Sequence[str]) -> Sequence[str]:
            keys = store.write_blocks(blocks, [])
            reads.append([one.at_us for one in read_newest(store, RequestFilter(), None, limit).rows])
            store.write_blocks([], replaced)
            return keys

    compactor, at = Compactor(Reading()), 0
    try:
        for size in sizes:
            compactor.write_columns(to_columns([make_row(at + place) for place in range(size)]))
            at += size
            assert reads[-1] == list(range(at - 1, max(-1, at - 1 - limit), -1))
        assert store.measure().rows == at
    finally:
        store.close()


def test_old_and_excess_rows_go_and_so_does_their_memory(store: RedisRequestStore, redis_server: RedisServer) -> None:
    blocks = [make_block([make_row(at) for at in range(start, start + 10)]) for start in range(0, 2000, 10)]
    store.write_blocks(blocks, [])
    assert store.remove_old(1000 << 10, 10**9) == 1000
    assert store.remove_old(1000 << 10, 10**9) == 0
    half = store.measure().bytes // 2
    store.remove_old(0, half)
    assert 0 < store.measure().bytes <= half
    store.remove_old(2000 << 10, 10**9)
    with redis_server.client() as client:
        assert client.keys("*requests*") == []


def test_a_live_tail_leaves_none_out_that_another_gateway_writes_late(store: RedisRequestStore) -> None:
    class Nothing:
        """A writer without a queue."""

        def flush(self) -> None: ...

    now = [100.0]
    log = RequestLog(store, Nothing(), lambda: now[0])
    store.write_blocks([make_block([make_row(int(99.9e6))])], [])
    assert log.following(RequestFilter(), 0, 10).rows == []
    store.write_blocks([make_block([make_row(int(99.5e6))])], [])  # of another gateway, later and older
    now[0] += SETTLED_S
    assert [one.at_us for one in log.following(RequestFilter(), 0, 10).rows] == [99_500_000, 99_900_000]


def test_installations_with_prefixes_of_their_own_see_their_own_requests(redis_server: RedisServer) -> None:
    one, other = (RedisRequestStore(RedisClient(redis_server.url, settings=RedisSettings(name)), 14) for name in "ab")
    one.write_blocks([make_block([make_row(1)])], [])
    assert (one.measure().rows, other.measure().rows) == (1, 0)
    one.close()
    other.close()


def shows(url: str, ids: set[str]) -> bool:
    return {row["id"] for row in ask(url, "/v1/requests?task=shared").json["data"]} == ids


def test_two_gateways_show_each_others_requests(
    redis_server: RedisServer, shared_upstream: Upstream, tmp_path: Path
) -> None:
    state = {"url": redis_server.url, "cache_dir": str(tmp_path)}
    text = configuration(shared_upstream.base_url, ["good"], state=state)
    with running_gateway(text) as first, running_gateway(text) as second:
        ids = {chat(url, task="shared").headers["x-request-id"] for url in (first, second)}
        for url in (first, second):
            eventually(partial(shows, url, ids))
            assert ask(url, f"/v1/requests/{min(ids)}").status == 200
