"""Batches of finished requests: counted after a while, or as soon as they are so many that it would hold others up."""

import asyncio
import time
from collections.abc import Sequence

from gateway.keys.quotas import Quotas
from gateway.observability.metrics import Metrics
from gateway.proxy.accounting import FLUSH_INTERVAL_S, MAX_BATCH, Accounting
from gateway.proxy.request_record import RequestRecord
from gateway.upstream.failover import Attempt, AttemptLog
from gateway.usage.ledger import Ledger
from gateway.usage.timeseries import MinuteSeries


def make_accounting(batches: list[int]) -> Accounting:
    def observe(records: Sequence[RequestRecord]) -> None:
        batches.append(len(records))

    ledger = Ledger({}, time.time)
    quotas = Quotas([], ledger, time.monotonic)
    return Accounting(Metrics(), ledger, quotas, lambda task, model: model, MinuteSeries(time.time), None, [observe])


def make_record(number: int) -> RequestRecord:
    record = RequestRecord(f"req_{number:024x}", started=time.perf_counter(), task="t", status=200, is_complete=True)
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
