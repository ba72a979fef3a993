"""Pages over blocks: whatever blocks rows are in, a page shows what a plain list of them would."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import StateError
from gateway.request_log.blocks import MAX_ROWS
from gateway.request_log.compactor import MERGED, Compactor
from gateway.request_log.entry import LoggedRequest, Row, to_columns
from gateway.request_log.filters import RequestFilter
from gateway.request_log.pages import read_following, read_newest, read_request
from gateway.request_log.sqlite import SqliteRequestStore, log_path
from tests.gateway.request_log.rows import make_block, make_row, to_request


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteRequestStore]:
    opened = SqliteRequestStore(str(tmp_path / "log.db"))
    yield opened
    opened.close()


def matches(one: LoggedRequest, wanted: RequestFilter) -> bool:
    """The filter, said plainly."""
    return (
        wanted.since_us <= one.at_us
        and (wanted.until_us is None or one.at_us < wanted.until_us)
        and all(getattr(one, name) == value for name, value in (wanted.equal or {}).items())
        and (wanted.statuses is None or any(first <= one.status <= last for first, last in wanted.statuses))
        and (one.id.startswith(wanted.search) or (one.client_id or "").startswith(wanted.search or "\n"))
        and (wanted.min_latency_ms is None or one.latency_ms >= wanted.min_latency_ms)
        and (wanted.min_cost_usd is None or (one.cost is not None and float(one.cost) >= wanted.min_cost_usd))
    )


rows = st.builds(
    lambda at, task, model, key, status, latency, cost, client: make_row(
        at, task=task, model=model, key=key, status=status, latency_ms=latency, cost_usd=cost, client_id=client
    ),
    st.integers(0, 40),
    st.sampled_from(["support", "sup", "a/b", None]),
    st.sampled_from(["good", "other", "none"]),
    st.sampled_from(["team-a", None]),
    st.sampled_from([200, 429, 499, 502]),
    st.sampled_from([0.1, 10.0, 1000.0]),
    st.none() | st.decimals(0, 9, places=12),
    st.sampled_from([None, "req_mine", "order-7"]),
)
filters = st.builds(
    RequestFilter,
    since_us=st.integers(0, 40),
    until_us=st.none() | st.integers(0, 45),
    equal=st.dictionaries(st.sampled_from(["task", "model", "key"]), st.sampled_from(["support", "good", "team-a"])),
    statuses=st.none() | st.sampled_from([((200, 299),), ((400, 499), (502, 502))]),
    search=st.sampled_from(["", "", "req_", "req_m", "order", f"req_{3:024x}", "nothing"]),
    min_latency_ms=st.none() | st.sampled_from([0.0, 10.0, 5000.0]),
    min_cost_usd=st.none() | st.sampled_from([0.0, 0.0012, 1.0]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(rows, min_size=1, max_size=8), max_size=8), filters, st.integers(1, 7), st.booleans())
def test_pages_show_all_rows_that_match_once_and_in_order(
    batches: list[list[Row]], wanted: RequestFilter, limit: int, is_tail: bool
) -> None:
    """Blocks overlap in time, as those of several gateways do."""
    every = {row[0]: row for batch in batches for row in batch}
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteRequestStore(f"{folder}/log.db")
        try:
            for batch in batches:  # of rows with one number, as blocks that are being merged have, the last counts
                held = sorted({row[0]: every[row[0]] for row in batch}.values())
                store.write_blocks([make_block(held)], [])
            expected = [found for found in map(to_request, every.values()) if matches(found, wanted)]
            expected.sort(key=lambda one: one.number, reverse=not is_tail)
            shown: list[LoggedRequest] = []
            while True:
                if is_tail:
                    page = read_following(store, wanted, shown[-1].number if shown else -1, limit)
                else:
                    page = read_newest(store, wanted, shown[-1].number if shown else None, limit)
                shown += page.rows
                if not page.has_more:
                    break
                assert len(page.rows) == limit
        finally:
            store.close()
    assert shown == expected


def test_a_request_is_found_by_its_id_with_what_was_said(store: SqliteRequestStore) -> None:
    said = [make_row(number, body=b"said" if number == 7 else None, client_id="req_mine") for number in range(1, 20)]
    store.write_blocks([make_block(said)], [])
    assert read_request(store, f"req_{7:024x}") == to_request(said[6])
    assert read_request(store, "req_mine") is None  # a client's ID names no request: several can have sent it
    assert read_newest(store, RequestFilter(search="req_mine"), None, 100).rows
    assert read_request(store, "req_") is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_small_writes_become_full_blocks_and_no_row_is_written_often(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteRequestStore(f"{folder}/log.db")
        written = 0

        class Counting:
            """The store, and how many rows are written to it."""

            def write_blocks(self, blocks, replaced):  # type: ignore[no-untyped-def]  # the store's own
                nonlocal written
                written += sum(block.rows for block in blocks)
                return store.write_blocks(blocks, replaced)

        compactor, at = Compactor(Counting()), 0
        try:
            for size in sizes:
                compactor.write_columns(to_columns([make_row(at + place) for place in range(size)]))
                at += size
            with store.open_reader() as reader:
                blocks = [found.block.rows for found in reader.scan((0, 2**63 - 1), False, True)]
            assert sum(blocks) == at
            assert sum(rows < MAX_ROWS for rows in blocks) <= 2 * MERGED
            assert written <= 3 * at
            assert store.measure().rows == at
        finally:
            store.close()


def test_old_and_excess_rows_are_removed_oldest_first(store: SqliteRequestStore) -> None:
    blocks = [make_block([make_row(at) for at in range(start, start + 10)]) for start in range(0, 2000, 10)]
    store.write_blocks(blocks, [])
    assert store.remove_old(1000 << 10, 10**9) == 1000
    assert store.measure().oldest_us == 1000
    kept = store.measure()
    assert store.remove_old(0, kept.bytes // 2) >= 500
    assert store.measure().bytes <= kept.bytes // 2
    newest = read_newest(store, RequestFilter(), None, 1).rows
    assert newest[0].at_us == 1999
    assert store.remove_old(2000 << 10, 10**9) > 0
    assert store.measure().rows == 0
    assert store.measure().oldest_us is None


def test_the_file_is_its_owners_alone_and_beside_the_state(tmp_path: Path) -> None:
    path = log_path(str(tmp_path / "benchroute.db"))
    assert path == str(tmp_path / "benchroute.requests.db")
    SqliteRequestStore(path).close()
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_a_file_of_a_later_schema_and_one_that_is_none_are_refused(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "log.db"
    SqliteRequestStore(str(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateError, match="schema 99"):
        SqliteRequestStore(str(path))
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StateError, match="not a database"):
        SqliteRequestStore(str(path))


@pytest.mark.parametrize("part", ["details", "names", "numbers", "ids"])
def test_a_damaged_block_is_an_error_that_says_so(store: SqliteRequestStore, tmp_path: Path, part: str) -> None:
    import sqlite3

    store.write_blocks([make_block([make_row(at) for at in range(1, 9)])], [])
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute(f"UPDATE blocks SET {part} = x'c1'")  # noqa: S608 - fixed names
    connection.close()
    with pytest.raises(StateError, match="request log cannot be read"):
        read_newest(store, RequestFilter(), None, 5)
