import asyncio
import logging
import secrets
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.server import history_writer
from gateway.server.history_writer import MAX_BUCKETS, HistoryWriter
from gateway.state.sqlite import SqliteStore
from gateway.usage.history import HOUR_S, MAX_NAMES, MINUTE_S, RETENTION_S, ChangeMark, HistoryRows, HistorySample
from gateway.usage.history_counts import Counts, Slot
from gateway.usage.ledger import UsageBatch
from gateway.usage.timeseries import NO_TIMES, sum_times
from tests.gateway.waiting import eventually

START = 1_780_000_000.0
ZERO = Decimal(0)


class Clock:
    """Unix time that a test sets."""

    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def add(writer: HistoryWriter, task: str = "t") -> None:
    sample = HistorySample(
        names=(("task", task),),
        status=200,
        broke=False,
        requests=1,
        totals=sum_times([0.01]),
        overheads=sum_times([0.001]),
        first_tokens=NO_TIMES,
        usage=UsageBatch(),
        usd=ZERO,
        unpriced=0,
        compared_usd=ZERO,
        baseline_usd=ZERO,
        is_routed=False,
        faults=(),
        at=writer.buffer.clock(),
    )
    writer.buffer.add_sample(lambda: sample)


def requests(store: SqliteStore, step_s: int, now: float = START, name: str = "") -> int:
    last = int(now // step_s) + 1
    found = store.read_history(("task", name) if name else ("gateway", ""), step_s, last - 20_000, last)
    return sum(counts[Slot.REQUESTS] for counts in found.values())


def test_what_was_counted_last_is_written_at_the_end(path: Path) -> None:
    store, writer = SqliteStore(str(path)), HistoryWriter(Clock())

    async def live() -> None:
        async with writer.write_periodically(store):
            add(writer)
            assert await writer.flush()
            assert requests(store, MINUTE_S) == 1
            add(writer)

    asyncio.run(live())
    assert (requests(store, MINUTE_S), requests(store, HOUR_S)) == (2, 2)
    store.close()


def test_it_is_written_every_few_seconds_without_being_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_writer, "FLUSH_INTERVAL_S", 0.01)
    store, writer = SqliteStore(str(path)), HistoryWriter(Clock())

    async def live() -> None:
        async with writer.write_periodically(store):
            add(writer)
            await asyncio.to_thread(eventually, lambda: requests(store, MINUTE_S) == 1)

    asyncio.run(live())
    store.close()


def test_a_busy_store_gets_everything_later_and_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, writer = SqliteStore(str(path), busy_s=0.05), HistoryWriter(Clock())
    other = sqlite3.connect(path, isolation_level=None)

    async def live() -> None:
        async with writer.write_periodically(store):
            other.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                add(writer)
                assert not await writer.flush()
            other.rollback()
            assert await writer.flush()

    with caplog.at_level(logging.INFO):
        asyncio.run(live())
    other.close()
    assert (requests(store, MINUTE_S), requests(store, HOUR_S)) == (3, 3)
    assert caplog.text.count("history could not be written") == 1
    assert "history is written again" in caplog.text
    store.close()


STEPS = st.lists(
    st.tuples(st.floats(0, 360 * HOUR_S), st.integers(0, 3), st.sampled_from(["flush", "wait", "restart"])), max_size=12
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_minutes_and_hours_tell_of_every_request_while_they_are_stored(
    tmp_path: Path, steps: list[tuple[float, int, str]]
) -> None:
    """Time passes, requests come, history is written, the gateway is restarted: whatever the order."""
    clock, counted = Clock(), list[float]()
    clock.now = START
    store = SqliteStore(str(tmp_path / f"{secrets.token_hex(4)}.db"))

    async def live(some: Sequence[tuple[float, int, str]]) -> None:
        writer = HistoryWriter(clock)
        async with writer.write_periodically(store):
            for passed_s, count, event in some:
                clock.now += passed_s
                for _ in range(count):
                    add(writer)
                    counted.append(clock.now)
                if event == "flush":
                    assert await writer.flush()

    restarts = [place + 1 for place, (_, _, event) in enumerate(steps) if event == "restart"]
    for first, last in pairwise([0, *restarts, len(steps)]):
        asyncio.run(live(steps[first:last]))
    for _ in range(60):
        store.prune_history(clock.now)
    for step_s, retention_s in RETENTION_S.items():
        oldest = (clock.now - retention_s) // step_s
        assert requests(store, step_s, clock.now) == sum(at // step_s >= oldest for at in counted)
    store.close()


class BrokenStore(SqliteStore):
    """A store that takes nothing, and raises what it is told to."""

    error: Exception = OverflowError("too large")
    rows: HistoryRows = HistoryRows()

    def add_history(self, rows: HistoryRows, changes: Sequence[ChangeMark] = ()) -> None:
        self.rows = rows
        raise self.error


def test_what_an_outage_leaves_in_memory_is_bounded(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    store, writer = BrokenStore(str(path)), HistoryWriter(clock)

    async def live() -> None:
        async with writer.write_periodically(store):
            for _ in range(MAX_BUCKETS + 20):
                clock.now += MINUTE_S
                add(writer)
                await writer.flush()

    with caplog.at_level(logging.ERROR):
        asyncio.run(live())
    assert len(store.rows) <= MAX_BUCKETS
    hours: list[Counts] = [series["gateway", ""] for (step_s, _), series in store.rows.items() if step_s == HOUR_S]
    assert sum(counts[Slot.REQUESTS] for counts in hours) == MAX_BUCKETS + 20  # hours lose nothing
    assert "too large" in caplog.text
    assert "is lost" in caplog.text
    store.close()


@pytest.mark.slow
def test_the_file_stays_within_what_the_docs_promise(path: Path) -> None:
    """100,000 tasks in turn, as busy as each other: their number does not show in the size of a minute or an hour."""
    clock, minutes, each = Clock(), 6, 4_000
    store, writer = SqliteStore(str(path)), HistoryWriter(clock)

    async def live() -> None:
        async with writer.write_periodically(store):
            for minute in range(minutes):
                for part in range(4):
                    for number in range(each):
                        add(writer, f"task-{(minute * 4 + part) * each + number}")
                    await writer.flush()
                clock.now += MINUTE_S

    asyncio.run(live())
    with store._file.reading() as connection:
        sizes = connection.execute(
            "SELECT step, bucket, count(*), sum(length(counts)) FROM history GROUP BY step, bucket"
        ).fetchall()
    assert len([one for one in sizes if one[0] == MINUTE_S]) == minutes
    for step_s, _, rows, size in sizes:
        assert rows <= MAX_NAMES[step_s] + 2  # the gateway, and all others
        assert size <= 100 * rows
    assert requests(store, MINUTE_S, clock.now) == requests(store, HOUR_S, clock.now) == 4 * minutes * each
    store.close()
