"""Batches of finished requests: counted after a while, or as soon as they are so many that it would hold others up."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from gateway.keys.quotas import Quotas
from gateway.observability.metrics import Metrics
from gateway.proxy.accounting import FLUSH_INTERVAL_S, MAX_BATCH, MAX_GROUPS, MAX_LINES, Accounting, Batch, BatchKey
from gateway.proxy.record_columns import RecordColumns
from gateway.proxy.request_record import RequestRecord
from gateway.upstream.failover import Attempt, AttemptLog
from gateway.usage.ledger import Ledger
from gateway.usage.timeseries import MinuteSeries


def make_accounting(batches: list[int], samples: Callable[..., None] | None = None) -> Accounting:
    def observe(of: RecordColumns) -> None:
        batches.append(len(of))

    ledger = Ledger({}, time.time)
    quotas = Quotas([], ledger, time.monotonic)
    minutes = MinuteSeries(time.time)
    return Accounting(Metrics(), ledger, quotas, lambda task, model: model, minutes, None, [observe], samples)


def make_record(number: int, task: str = "t") -> RequestRecord:
    record = RequestRecord(f"req_{number:024x}", started=time.perf_counter(), task=task, status=200, is_complete=True)
    record.trail = AttemptLog([Attempt("good", "good/1")], 0.0, times=(record.started, record.started))
    return record


def test_no_batch_is_larger_than_the_limit_and_no_record_is_left() -> None:
    batches = list[int]()

    async def main() -> None:
        accounting = make_accounting(batches)
        for number in range(2 * MAX_BATCH + 10):
            accounting.finish_request(make_record(number))
        assert batches == [MAX_BATCH, MAX_BATCH]
        await asyncio.sleep(3 * FLUSH_INTERVAL_S)

    asyncio.run(main())
    assert batches == [MAX_BATCH, MAX_BATCH, 10]


def test_requests_of_many_tasks_are_counted_some_at_each_turn_of_the_loop() -> None:
    """Else those of 400 tasks hold up all others for 16 ms. Whoever reads the books sees all of them."""
    turns, counted = [0], list[tuple[int, str | None]]()

    def count(key: BatchKey, batch: Batch, spent: object) -> None:
        counted.append((turns[0], key.task))

    async def main() -> None:
        accounting = make_accounting([], count)
        for number in range(MAX_BATCH):
            accounting.finish_request(make_record(number, f"t{number}"))
        for _ in range(MAX_BATCH // MAX_GROUPS + 3):
            turns[0] += 1
            await asyncio.sleep(0)
        for number in range(MAX_BATCH - 1):
            accounting.finish_request(make_record(number, f"u{number}"))
        turns[0] = -1
        accounting.flush_records()

    asyncio.run(main())
    *_, read = by_turn = Counter(turn for turn, _ in counted).items()
    assert read == (-1, MAX_BATCH - 1)
    assert max(count for turn, count in by_turn if turn != -1) == MAX_GROUPS
    tasks = [task for _, task in counted if task is not None]
    assert sorted(tasks) == sorted([*(f"t{n}" for n in range(MAX_BATCH)), *(f"u{n}" for n in range(MAX_BATCH - 1))])


def test_lines_are_written_some_at_each_turn_of_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    """Else those of 400 requests hold up all others for 30 ms. They come in order, and all before the end."""
    caplog.set_level(logging.INFO, logger="benchroute.request")
    written = list[int]()

    async def main() -> None:
        accounting = make_accounting([])
        for number in range(MAX_BATCH):
            accounting.finish_request(make_record(number))
        for _ in range(MAX_BATCH // MAX_LINES + 1):
            written.append(len(caplog.records))
            await asyncio.sleep(0)
        for number in range(MAX_BATCH - 1):
            accounting.finish_request(make_record(MAX_BATCH + number))
        accounting.flush_records()

    asyncio.run(main())
    assert max(after - before for before, after in pairwise(written)) == MAX_LINES
    lines = [line.getMessage().split()[0] for line in caplog.records]
    assert lines == [f"req_{number:024x}" for number in range(2 * MAX_BATCH - 1)]
