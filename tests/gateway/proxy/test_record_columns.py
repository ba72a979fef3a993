"""Records in columns: many are counted and logged as each would be by itself."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http import headers as names
from gateway.proxy.access_log import logged_status
from gateway.proxy.accounting import OK, BatchKey, group_records, to_batch
from gateway.proxy.log_rows import MAX_ERROR_CHARS, MAX_MODEL_CHARS, RowMaker
from gateway.proxy.record_columns import RecordColumns
from gateway.proxy.request_record import RequestRecord
from gateway.request_log.blocks import decode_rows, encode_block
from gateway.request_log.entry import TIME_BITS, LoggedRequest
from gateway.upstream.errors import ErrorStatus
from gateway.usage.ledger import UsageBatch
from gateway.usage.timeseries import sum_times
from tests.gateway.proxy.finished import finished, spent

MS, OFFSET = 1000, 1_700_000_000.0
NEAR = 0.1
"""float32 holds the milliseconds of a quarter of an hour to a sixteenth."""


def key_of(record: RequestRecord) -> BatchKey:
    """Return the key of a request, field by field."""
    route = record.route
    outcomes = [(one.backend, OK if one.fault is None else one.fault.kind) for one in record.trail.attempts]
    return BatchKey(
        key=record.key,
        task=record.task,
        model=record.model,
        backend=record.backend,
        reason=names.NONE if route is None else route.reason,
        status=logged_status(record),
        is_answered=record.status != 0,
        has_usage=record.usage is not None,
        has_cost=record.cost_usd is not None,
        outcomes=tuple(outcomes),
        is_broken=record.stream_error is not None,
        is_cached=record.cached_model is not None,
        shadow_model=None if route is None else route.shadow_model,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(finished(), min_size=1, max_size=12))
def test_requests_are_grouped_by_everything_that_is_counted(records: list[RequestRecord]) -> None:
    found = {key: to_batch(*group) for key, group in group_records(RecordColumns(records))}
    assert {key: batch.requests for key, batch in found.items()} == Counter(map(key_of, records))
    for key, batch in found.items():
        alike = [record for record in records if key_of(record) == key]
        assert list(batch.seconds) == sorted([record.seconds for record in alike])
        assert list(batch.overhead_s) == sorted([record.overhead_s for record in alike])
        assert batch.seconds_sum == sum([record.seconds for record in alike])
        assert batch.overhead_sum_s == sum([record.overhead_s for record in alike])
        assert batch.overheads == sum_times([record.overhead_s for record in alike])
        first = [record.first_token_s for record in alike if record.is_stream]
        assert batch.first_tokens == sum_times([one for one in first if one is not None])
        usage = UsageBatch()
        for record in alike:
            if record.usage is not None:
                usage.add_usage(record.usage, None)
        usage.usd = spent(alike)
        assert batch.usage == usage


@settings(max_examples=60, deadline=None)
@given(st.lists(finished(), min_size=1, max_size=12))
def test_a_block_says_of_each_request_what_its_record_does(records: list[RequestRecord]) -> None:
    maker = RowMaker(draw=lambda _: 5, clocks=(lambda: 7.0, lambda: 7.0))
    block = encode_block(maker.make_columns(RecordColumns(records), OFFSET))
    last = 0
    for record, row in zip(records, decode_rows(block, range(block.rows)), strict=True):
        last = max(int((record.started + record.seconds + OFFSET) * 1_000_000), last + 1)
        assert row.number == (last << TIME_BITS) | 5
        check_row(row, record)


def check_row(row: LoggedRequest, record: RequestRecord) -> None:
    """Check all but the number."""
    usage, route, asked = record.usage, record.route, record.asked_model
    assert (row.id, row.client_id, row.key, row.task) == (
        *(record.request_id, record.client_id, record.key, record.task),
    )
    assert (row.model, row.backend) == record.answered_by
    assert (row.status, row.is_stream) == (logged_status(record), record.is_stream)
    assert (row.reason, row.version, row.shadow_model) == (
        (names.NONE, 0, None) if route is None else (route.reason, route.version, route.shadow_model)
    )
    assert row.endpoint == (names.NONE if record.endpoint is None else record.endpoint.public_path)
    assert row.asked_model == (None if asked is None else asked[:MAX_MODEL_CHARS].encode("utf-8", "replace").decode())
    assert row.cost is None if record.cost_usd is None else abs(float(row.cost or 0) - float(record.cost_usd)) < 1e-9
    assert (row.input_tokens is None) == (usage is None)
    if usage is not None:
        assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens, row.is_estimated) == (
            *(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens),
            *(usage.reasoning_tokens, usage.is_estimated),
        )
    assert abs(row.latency_ms - record.seconds * MS) < NEAR
    assert abs(row.overhead_ms - record.overhead_s * MS) < NEAR
    assert abs(row.waited_ms - record.trail.waited_s * MS) < NEAR
    assert abs(row.read_ms - ((record.read_at - record.started) * MS if record.read_at else 0)) < NEAR
    assert (row.is_cached, row.barred, row.stream_error) == (
        *(record.cached_model is not None, record.barred, record.stream_error),
    )
    assert row.error == (None if record.error is None else record.error[:MAX_ERROR_CHARS])
    assert len(row.attempts) == len(record.trail.attempts)
    for place, (shown, made) in enumerate(zip(row.attempts, record.trail.attempts, strict=True)):
        began, ended = record.trail.times[2 * place : 2 * place + 2]
        assert (shown.model, shown.backend) == (made.model, made.backend)
        assert abs(shown.start_ms - (began - record.started) * MS) < NEAR
        assert abs(shown.took_ms - (ended - began) * MS) < NEAR
        fault = made.fault
        assert (shown.fault, shown.kind) == ((None, None) if fault is None else (str(fault), fault.kind))
        assert shown.status == (fault.status if isinstance(fault, ErrorStatus) else None)


@given(st.lists(finished(), min_size=1, max_size=12))
def test_only_successes_at_the_first_attempt_are_usual(records: list[RequestRecord]) -> None:
    columns = RecordColumns(records)
    for place, record in enumerate(records):
        answered = [attempt.fault for attempt in record.trail.attempts] == [None]
        is_usual = answered and record.is_complete and record.error is record.stream_error is None
        has_more = record.barred or record.cached_model or (record.route and record.route.shadow_model)
        assert (place in columns.unusual) == (not is_usual or bool(has_more))
