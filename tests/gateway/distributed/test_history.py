"""History in every store: on SQLite, on Redis and on a Cluster of three masters."""

import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.distributed.redis_client import RedisArg, RedisClient, RedisSettings
from gateway.distributed.scripts import Script
from gateway.distributed.store import RedisStore
from gateway.errors import StateError
from gateway.state.sqlite import SqliteStore, open_store
from gateway.state.store import Store
from gateway.usage.history import (
    HOUR_S,
    MAX_NAMES,
    MINUTE_S,
    RETENTION_S,
    ChangeMark,
    HistoryRows,
    SeriesName,
    add_rows,
)
from gateway.usage.history_counts import PICO_USD, TOTAL_TIMES, Counts, Slot
from gateway.usage.ledger import OTHER_NAMES
from tests.gateway.asking import ask, chat
from tests.gateway.distributed.deployments import fleet_config
from tests.gateway.fake_upstream import Upstream
from tests.gateway.redis_servers import RedisServer, running_redis
from tests.gateway.serving import running_gateway
from tests.gateway.waiting import eventually

GATEWAY: SeriesName = ("gateway", "")


def this_minute() -> int:
    return int(time.time() // MINUTE_S)


def connect(url: str, prefix: str = "benchroute") -> RedisStore:
    return RedisStore(RedisClient(url, settings=RedisSettings(prefix)))


@pytest.fixture(params=["sqlite", "redis", "cluster"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store
    if request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path}/state.db")
    elif request.param == "redis":
        opened = connect(request.getfixturevalue("redis_server").url)
    else:
        # A prefix of its own: the Cluster is shared.
        opened = connect(request.getfixturevalue("cluster_url"), f"history-{secrets.token_hex(4)}")
    yield opened
    opened.close()


def row(name: str, minute: int, **counts: int) -> HistoryRows:
    numbers: Counts = {Slot[slot.upper()]: number for slot, number in counts.items()}
    return {(MINUTE_S, minute): {("task", name): numbers}}


SLOTS = st.sampled_from([Slot.REQUESTS, Slot.TOTAL_US, Slot.USD, Slot.BASELINE_USD, TOTAL_TIMES + 5, TOTAL_TIMES + 127])
ADDED = st.lists(
    st.tuples(
        st.sampled_from([MINUTE_S, HOUR_S]),
        st.integers(0, 3),
        st.sampled_from(["a", "a b:c", "ä"]),
        st.dictionaries(SLOTS, st.integers(1, 9 * PICO_USD), min_size=1),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ADDED)
def test_what_is_added_is_summed_exactly(store: Store, added: list[tuple[int, int, str, Counts]]) -> None:
    example, expected = secrets.token_hex(4), HistoryRows()
    base = {MINUTE_S: this_minute() - 4, HOUR_S: this_minute() // 60 - 4}
    for step_s, number, name, counts in added:
        rows: HistoryRows = {(step_s, base[step_s] + number): {("model", f"{example} {name}"): counts}}
        store.add_history(rows)
        add_rows(expected, rows)
    for (step_s, number), of_bucket in expected.items():
        for series, counts in of_bucket.items():
            assert store.read_history(series, step_s, number, number) == {number: counts}


def test_a_range_is_read_in_order_without_what_is_empty(store: Store) -> None:
    last = this_minute()
    first = last - 1200  # more than one round trip
    for minute in (last, first, first + 700):
        store.add_history(row("t", minute, requests=minute))
    found = store.read_history(("task", "t"), MINUTE_S, first, last)
    assert list(found) == [first, first + 700, last]
    assert list(store.read_history(("task", "t"), MINUTE_S, first + 1, last - 1)) == [first + 700]
    assert store.read_history(("task", "t"), HOUR_S, 0, 900) == {}
    assert store.read_history(("model", "t"), MINUTE_S, last, last) == {}


def test_merged_names_are_read_together(store: Store) -> None:
    last = this_minute()
    for name, minute in (("a", last), ("b", last), ("b", last - 1), ("c", last - 2)):
        store.add_history(row(name, minute, requests=1))
    found = store.read_history(("task", "a"), MINUTE_S, last - 9, last, ["b", "unknown"])
    assert found == {last - 1: {Slot.REQUESTS: 1}, last: {Slot.REQUESTS: 2}}


def test_no_number_of_names_makes_a_minute_grow(store: Store) -> None:
    """Two gateways with other tasks each: those that come first have series."""
    minute, many = this_minute(), 150
    for gateway in "abc":
        rows: HistoryRows = {(MINUTE_S, minute): {}}
        for number in range(many):
            rows[MINUTE_S, minute]["task", f"{gateway}{number}"] = {Slot.REQUESTS: 2}
        rows[MINUTE_S, minute]["key", "k"] = {Slot.REQUESTS: 2 * many}
        store.add_history(rows)
    names = [f"{gateway}{number}" for gateway in "abc" for number in range(many)]
    found = [store.read_history(("task", name), MINUTE_S, minute, minute) for name in (*names, OTHER_NAMES)]
    requests = [one[minute][Slot.REQUESTS] for one in found if one]
    assert (len(requests), sum(requests)) == (MAX_NAMES[MINUTE_S] + 1, 2 * 3 * many)
    store.add_history({(MINUTE_S, minute): {("task", "a0"): {Slot.REQUESTS: 1}, ("task", "late"): {Slot.REQUESTS: 1}}})
    assert store.read_history(("task", "a0"), MINUTE_S, minute, minute) == {minute: {Slot.REQUESTS: 3}}
    assert store.read_history(("task", "late"), MINUTE_S, minute, minute) == {}
    assert store.read_history(("key", "k"), MINUTE_S, minute, minute) == {minute: {Slot.REQUESTS: 6 * many}}


def test_changes_are_counted_for_the_gateway_and_the_task(store: Store) -> None:
    now = time.time()
    minute = int(now // MINUTE_S)
    store.add_history(
        {}, [ChangeMark("t", 2, now, "t"), ChangeMark("t", 3, now, "t"), ChangeMark("other", 2, now, "other")]
    )
    for step_s, number in ((MINUTE_S, minute), (HOUR_S, minute // 60)):
        assert store.read_history(GATEWAY, step_s, number, number) == {number: {Slot.CHANGES: 3}}
        assert store.read_history(("task", "t"), step_s, number, number) == {number: {Slot.CHANGES: 2}}


# A fleet


def test_gateways_that_add_at_once_lose_nothing(redis_server: RedisServer) -> None:
    minute, stores = this_minute(), [connect(redis_server.url) for _ in range(4)]

    def add(store: RedisStore) -> None:
        for _ in range(25):
            store.add_history(row("t", minute, requests=1, usd=PICO_USD // 3))

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(add, stores))
    expected = {minute: {Slot.REQUESTS: 100, Slot.USD: 100 * (PICO_USD // 3)}}
    assert [store.read_history(("task", "t"), MINUTE_S, minute, minute) for store in stores] == [expected] * 4
    for store in stores:
        store.close()


def test_a_change_that_every_gateway_sees_counts_once(redis_server: RedisServer) -> None:
    now = time.time()
    minute, change = int(now // MINUTE_S), ChangeMark("t", 2, now, "t")
    stores = [connect(redis_server.url) for _ in range(3)]
    for store in stores:
        store.add_history({}, [change])
        store.add_history({}, [change])
    assert stores[0].read_history(GATEWAY, MINUTE_S, minute, minute) == {minute: {Slot.CHANGES: 1}}
    for store in stores:
        store.close()


class LostAnswers(RedisClient):
    """A connection on which every second script's answer is lost after it has run."""

    runs = 0

    def eval_script(self, script: Script, keys: Sequence[str], arguments: Sequence[RedisArg]) -> Any:
        answer = super().eval_script(script, keys, arguments)
        self.runs += 1
        if self.runs % 2:
            raise StateError("the connection broke")
        return answer


def test_a_call_that_is_sent_again_counts_once(redis_server: RedisServer) -> None:
    minute, client = this_minute(), LostAnswers(redis_server.url)
    store = RedisStore(client)
    added = 0
    while added < 3:
        with suppress(StateError):  # an answer is lost in what was left from before: the caller keeps its rows
            store.add_history(row("t", minute, requests=1), [ChangeMark("t", 1, minute * 60.0, "t")])
            added += 1
    while store.has_unwritten:
        with suppress(StateError):
            store.write_history()
    assert client.runs > 9
    expected = {minute: {Slot.REQUESTS: 3, Slot.CHANGES: 1}}
    assert store.read_history(("task", "t"), MINUTE_S, minute, minute) == expected


def test_an_outage_leaves_rows_with_their_owner_and_all_are_written_after_it(redis_server: RedisServer) -> None:
    minute, store = this_minute(), connect(redis_server.url)
    store.add_history(row("t", minute, requests=1))
    with redis_server.client() as client:
        client.config_set("maxmemory", 1)
        store.add_history(row("t", minute, requests=2))  # the store has it, and will write it
        with pytest.raises(StateError, match="maxmemory"):
            store.add_history(row("t", minute, requests=4))  # its caller keeps it
        client.config_set("maxmemory", 0)
    store.add_history(row("t", minute, requests=8))
    assert store.read_history(("task", "t"), MINUTE_S, minute, minute) == {minute: {Slot.REQUESTS: 11}}


def test_minutes_and_hours_expire_under_the_prefix(redis_server: RedisServer) -> None:
    minute, store = this_minute(), connect(redis_server.url, "team-a")
    rows: HistoryRows = {
        (MINUTE_S, minute): {GATEWAY: {Slot.REQUESTS: 1}},
        (HOUR_S, minute // 60): {GATEWAY: {Slot.REQUESTS: 1}},
    }
    store.add_history(rows, [ChangeMark("t", 1, minute * 60.0, "t")])
    with redis_server.client() as client:
        ttls = {key.decode(): client.ttl(key) for key in client.scan_iter("*history*")}
    keys = [f"team-a:{{history:60:{minute}}}", f"team-a:{{history:3600:{minute // 60}}}"]
    assert sorted(ttls) == sorted([*keys, *(f"{key}:changes" for key in keys)])
    assert RETENTION_S[MINUTE_S] - 60 <= ttls[keys[0]] <= RETENTION_S[MINUTE_S] + 60
    assert RETENTION_S[HOUR_S] - 60 <= ttls[keys[1]] <= RETENTION_S[HOUR_S] + HOUR_S
    assert 0 < ttls[f"{keys[0]}:changes"] <= 960


def test_foreign_bytes_in_redis_are_an_error_with_the_key(redis_server: RedisServer) -> None:
    minute, store = this_minute(), connect(redis_server.url)
    with redis_server.client() as client:
        client.hset(f"benchroute:{{history:60:{minute}}}", "task t", b"\xff\x00")
    with pytest.raises(StateError, match=f"history:60:{minute}"):
        store.read_history(("task", "t"), MINUTE_S, minute, minute)


def total(url: str, query: str = "range=1h") -> dict[str, int]:
    found: dict[str, int] = ask(url, f"/v1/activity?{query}").json["total"]
    return found


def test_gateways_show_the_requests_of_all_and_keep_them_over_restarts(
    redis_server: RedisServer, upstream: Upstream, tmp_path: Path
) -> None:
    text = fleet_config(upstream.base_url, redis_server.url, tmp_path, None)
    with running_gateway(text) as first, running_gateway(text) as second:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: chat((first, second)[number % 2], task="t"), range(40)))
        # Each gateway writes what it has before it answers, so both have to be asked.
        assert total(first)["requests"] >= 20
        before = total(second)
        assert (before["requests"], total(first)) == (40, before)
    with running_gateway(text) as third:
        assert total(third) == total(third, "range=90d") == before
        assert total(third, "kind=task&name=t")["requests"] == 40
        with redis_server.client() as client:
            client.config_set("maxmemory", 1)
            chat(third, task="t")
            assert total(third)["requests"] == 40  # not written yet
            client.config_set("maxmemory", 0)
        chat(third, task="t")
        assert total(third)["requests"] == 42


@pytest.mark.slow
def test_a_gateway_without_redis_shows_its_own_last_hours(tmp_path: Path, upstream: Upstream) -> None:
    with running_redis(tmp_path / "redis") as server:
        text = fleet_config(upstream.base_url, server.url, tmp_path, None)
        with running_gateway(text) as url:
            chat(url, task="t")
            assert total(url)["requests"] == 1
            server.stop()
            chat(url, task="t")
            answer = ask(url, "/v1/activity?range=24h").json
            assert (answer["source"], answer["total"]["requests"]) == ("memory", 2)
            server.start()
            eventually(lambda: ask(url, "/v1/activity?range=24h").json["source"] == "state")
            # Redis came back empty: what it had is lost, and what came during the outage is written.
            assert total(url)["requests"] == 1


# A file


def test_what_is_too_old_is_deleted_with_its_names(tmp_path: Path) -> None:
    store, now = SqliteStore(str(tmp_path / "state.db")), 1_780_000_000.0
    minute, hour = int(now // MINUTE_S), int(now // HOUR_S)
    for age in (0, 2879, 2881, 4000, 200_000):
        store.add_history({(MINUTE_S, minute - age): {("task", f"t{age}"): {Slot.REQUESTS: 1}}})
    for age in (0, 2159, 2161, 3000):
        store.add_history({(HOUR_S, hour - age): {("task", f"t{age}"): {Slot.REQUESTS: 1}}})
    for _ in range(20):  # in steps
        store.prune_history(now)
    with store._file.reading() as connection:
        kept = connection.execute("SELECT step, bucket FROM history ORDER BY 1, 2").fetchall()
        names = {name for (name,) in connection.execute("SELECT name FROM history_series")}
    assert kept == [(60, minute - 2879), (60, minute), (3600, hour - 2159), (3600, hour)]
    assert names == {"t0", "t2879", "t2881", "t4000", "t2159"}
    store.close()


def test_a_restart_in_the_middle_of_a_minute_adds_to_it(tmp_path: Path) -> None:
    minute, path = this_minute(), tmp_path / "state.db"
    for _ in range(3):
        store = SqliteStore(str(path))
        store.add_history(row("t", minute, requests=2))
        store.close()
    store = SqliteStore(str(path))
    assert store.read_history(("task", "t"), MINUTE_S, minute, minute) == {minute: {Slot.REQUESTS: 6}}
    with store._file.transaction() as connection:
        connection.execute("UPDATE history SET counts = x'ff'")
    with pytest.raises(StateError, match="stored history cannot be read"):
        store.read_history(("task", "t"), MINUTE_S, minute, minute)
    store.close()
