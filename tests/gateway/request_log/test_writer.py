"""The log's thread: nothing waits for it, nothing is lost silently, and it outlives a store that fails."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.errors import StateError
from gateway.request_log.blocks import Block
from gateway.request_log.entry import Columns, to_columns
from gateway.request_log.filters import RequestFilter
from gateway.request_log.pages import read_newest
from gateway.request_log.sqlite import SqliteRequestStore
from gateway.request_log.writer import MAX_QUEUED, RequestLogWriter, RetentionLimits
from tests.gateway.request_log.rows import make_row
from tests.gateway.waiting import eventually

LIMITS = RetentionLimits(40_000, 10**9)


def make_columns(numbers: Sequence[int], offset: float) -> Columns:
    return to_columns([make_row(number) for number in numbers])


class Faulty(SqliteRequestStore):
    """A store that fails while it is told to."""

    fault: Exception | None = None

    def write_blocks(self, blocks: Sequence[Block], replaced: Sequence[str]) -> Sequence[str]:
        if self.fault is not None:
            raise self.fault
        return super().write_blocks(blocks, replaced)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Faulty]:
    opened = Faulty(str(tmp_path / "log.db"))
    yield opened
    opened.close()


def logged(store: Faulty) -> list[int]:
    return [one.at_us for one in read_newest(store, RequestFilter(), None, 10**6).rows][::-1]


def test_what_is_handed_over_is_written_by_itself_and_at_the_end(store: Faulty) -> None:
    writer = RequestLogWriter(store, make_columns, LIMITS)
    writer.start()
    writer.add_batch(range(1, 4))
    assert eventually(lambda: logged(store)) == [1, 2, 3]
    writer.add_batch(range(4, 1000))
    writer.close()
    assert logged(store) == list(range(1, 1000))
    assert (writer.counts.written, sum(writer.counts.dropped.values())) == (999, 0)


def test_rows_wait_while_the_store_is_down_and_none_comes_twice(
    store: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    writer = RequestLogWriter(store, make_columns, LIMITS)
    store.fault = StateError("no room on the disk")
    for start in range(1, 1000, 100):
        writer.add_batch(range(start, start + 100))
        writer.flush()
    store.fault = None
    writer.flush()
    assert logged(store) == list(range(1, 1001))
    told = [record.getMessage() for record in caplog.records if "no room" in record.getMessage()]
    assert len(told) == 1


def test_what_the_queue_cannot_hold_is_dropped_and_counted(store: Faulty, caplog: pytest.LogCaptureFixture) -> None:
    writer = RequestLogWriter(store, make_columns, LIMITS)
    store.fault = StateError("down")
    writer.add_batch(range(1, MAX_QUEUED + 501))
    writer.flush()
    writer.add_batch(range(90_000, 90_010))
    assert writer.counts.dropped == {"queue_full": 510}
    store.fault = None
    writer.flush()
    assert len(logged(store)) == MAX_QUEUED
    assert [record for record in caplog.records if "drops requests" in record.getMessage()]


def test_a_mistake_in_one_batch_does_not_end_the_log(store: Faulty) -> None:
    writer = RequestLogWriter(store, make_columns, LIMITS)
    store.fault = TypeError("ours")
    writer.add_batch([1, 2])
    writer.flush()
    store.fault = None
    writer.add_batch([3])
    writer.flush()
    assert logged(store) == [3]
    assert writer.counts.dropped == {"error": 2}


def test_rows_beyond_the_limits_are_removed_while_the_gateway_runs(store: Faulty) -> None:
    now = [1_000_000.0]
    writer = RequestLogWriter(store, make_columns, RetentionLimits(1, 10**9), lambda: now[0])
    writer.start()
    writer.add_batch([1, 2, int(now[0] * 1e6)])
    eventually(lambda: writer.counts.removed or writer.counts.written == 3)
    now[0] += 2 * 86_400
    writer.add_batch([int(now[0] * 1e6)])
    eventually(lambda: writer.counts.removed == 3)
    writer.close()
    assert logged(store) == [int(now[0] * 1e6)]


def test_batches_of_many_threads_and_reads_between_lose_nothing(store: Faulty) -> None:
    writer = RequestLogWriter(store, make_columns, LIMITS)
    writer.start()

    def add_many(first: int) -> None:
        for at in range(200):
            writer.add_batch([first + at])

    threads = [threading.Thread(target=add_many, args=(first,)) for first in (10_000, 20_000, 30_000)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        writer.flush()
    for thread in threads:
        thread.join()
    writer.close()
    assert sorted(logged(store)) == sorted(first + at for first in (10_000, 20_000, 30_000) for at in range(200))
