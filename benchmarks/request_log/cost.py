"""CPU per request of the log's thread: rows from records, blocks, writing; not the gateway's threads beside it."""

import tempfile
import time
from decimal import Decimal

from gateway.http.endpoints import CHAT
from gateway.http.token_usage import Usage
from gateway.proxy.log_rows import RowMaker
from gateway.proxy.record_columns import RecordColumns
from gateway.proxy.request_record import RequestRecord
from gateway.request_log.sqlite import SqliteRequestStore
from gateway.request_log.writer import RequestLogWriter, RetentionLimits
from gateway.tasks.decision_table import Route
from gateway.upstream.failover import Attempt, AttemptLog

USAGE, COST = Usage(812, 96), Decimal("0.00123")
ROUTE = Route(("good", "other"), "score", 3)


def make_record(number: int) -> RequestRecord:
    """Return the record of a request that has gone well."""
    now = time.perf_counter()
    trail = AttemptLog([Attempt("good", "good/1")], 0.2, times=(now - 0.3, now - 0.1))
    return RequestRecord(
        f"req_{number:024x}", now - 0.3, now - 0.3, f"task-{number % 30}", ROUTE, trail, 200, 0.0004, 0.3, True,
        key=f"key-{number % 5}", usage=USAGE, cost_usd=COST, endpoint=CHAT, asked_model="auto", is_stream=True,
    )  # fmt: skip


def cpu_per_request_us(requests: int, batch: int) -> float:
    """Return microseconds of CPU per request, of this process, that are written so many at a time."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteRequestStore(f"{folder}/log.db")
        writer = RequestLogWriter(store, RowMaker().make_columns, RetentionLimits(14, 10**9))
        records = [make_record(number) for number in range(requests)]
        before = time.process_time()
        for start in range(0, requests, batch):
            writer.add_batch(RecordColumns(records[start : start + batch]))
            writer.flush()
        spent = time.process_time() - before
        store.close()
    return 1e6 * spent / requests
