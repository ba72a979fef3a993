"""Everything that is counted of a request, from one record by one path.

A key's quota is charged at once: the next request must see it. All else takes the same batch of records a few times a
second: metrics, the time series, the ledger, traces, the access log and the index of recent responses. To look up every
counter that one request moves costs more than to answer it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeVar

from gateway.http import headers as names
from gateway.http.asgi import RawHeaders
from gateway.http.forwarding import ForwardedHeaders, HeaderRules, forwarded_headers
from gateway.http.headers import Headers, RequestHead
from gateway.http.token_usage import Usage, UsageReport
from gateway.keys.quotas import Quotas
from gateway.observability.metrics import Metrics
from gateway.proxy.access_log import is_enabled, log_request
from gateway.proxy.record_columns import RecordColumns, is_constant
from gateway.proxy.request_record import RequestRecord
from gateway.upstream.failover import Attempt
from gateway.usage.ledger import NO_USAGE, Ledger, UsageBatch, UsageTotals
from gateway.usage.timeseries import NO_TIMES, MinuteSeries, RequestSample, TimeSums, sum_times
from gateway.vocabulary import UNROUTED

log = logging.getLogger("benchroute")

FLUSH_INTERVAL_S = 0.1
MAX_BATCH = 400
"""Records that are counted at once: 3 ms on a slow machine, in which no request is served."""
MAX_GROUPS = 40
"""Groups of records that are counted at once. Each takes 40 us, however few are in it: as many tasks as requests would
hold up the others for 16 ms."""
MAX_LINES = 20
"""Records that are logged and traced at once: each line and each span takes up to 100 us."""
NO_USD = Decimal(0)
OK = "ok"
T = TypeVar("T")


RecordGroup = tuple[RecordColumns, Sequence[int] | None]
"""Records, and the places of those in the group; None for all of them."""

BatchObserver = Callable[[RecordColumns], None]


class Tracing(Protocol):
    """Distributed tracing, where it is on. Neither method waits, or raises."""

    def begin_span(self, headers: RawHeaders, record: RequestRecord, /) -> RawHeaders:
        """Start a request's span. Return the headers for its backend, with the trace context."""

    def end_span(self, record: RequestRecord, /) -> None:
        """End the span of a request that has ended; it may not have been started."""


class BatchKey(NamedTuple):
    """Common traits of requests that are counted together: every label, and everything that decides what is counted.

    Attributes:
        status: As counted, which is 499 for a client that left.
        is_answered: A response was begun, so that there is an overhead.
        outcomes: Backend and outcome of every attempt.
        is_broken: A stream that ended early.
    """

    key: str | None
    task: str | None
    model: str
    backend: str
    reason: str
    status: int
    is_answered: bool
    has_usage: bool
    has_cost: bool
    outcomes: tuple[tuple[str, str], ...]
    is_broken: bool
    is_cached: bool
    shadow_model: str | None

    @property
    def failed_backends(self) -> tuple[str, ...]:
        """Backends of failed attempts that count beside the request. The last one's error can be the request's own."""
        failed = [backend for backend, outcome in self.outcomes if outcome != OK]
        is_answer = bool(self.outcomes) and self.outcomes[-1][1] != OK and self.outcomes[-1][0] == self.backend
        return tuple(failed[:-1] if is_answer else failed)


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that are counted together.

    Attributes:
        seconds: Of each, from its first byte to its response's last; ascending.
        overhead_s: The gateway's overhead in them; ascending.
        seconds_sum, overhead_sum_s: Sums of both, added in the order in which the requests ended.
        totals, overheads: Sums of both, as the history counts them.
        first_tokens: Sums of the times to streams' first tokens.
        usage: Of those with any.
    """

    seconds: Sequence[float]
    overhead_s: Sequence[float]
    seconds_sum: float
    overhead_sum_s: float
    totals: TimeSums
    overheads: TimeSums
    first_tokens: TimeSums
    usage: UsageBatch

    @property
    def requests(self) -> int:
        """Their number."""
        return len(self.seconds)


class Accounting:
    """The books of all requests. Nothing in here waits."""

    def __init__(
        self,
        metrics: Metrics,
        ledger: Ledger,
        quotas: Quotas,
        baseline: Callable[[str, str], str],
        minutes: MinuteSeries,
        tracing: Tracing | None = None,
        observers: Sequence[BatchObserver] = (),
        add_history: Callable[[BatchKey, "Batch", UsageTotals], None] | None = None,
    ) -> None:
        """baseline: of a task and the model that answered, the model that costs are compared with.

        observers: called with every batch, in the event loop. add_history: called with requests that
        are counted alike, and what they cost.
        """
        self.metrics = metrics
        self._ledger = ledger
        self._quotas = quotas
        self._baseline = baseline
        self._minutes = minutes
        self._tracing = tracing
        self._observers = observers
        self._add_history = add_history
        self._records: list[RequestRecord] = []
        self._groups: deque[tuple[BatchKey, RecordGroup]] = deque()
        """Of ended requests that are not counted yet."""
        self._lines: deque[RequestRecord] = deque()
        """Those that are not logged and traced yet."""
        self._timer: asyncio.Handle | None = None

    def check_quota(self, record: RequestRecord) -> None:
        """Count a request on its key. Raises RateLimited, BudgetExceeded."""
        record.holds_slot = self._quotas.begin_request(record.key)

    def rate_limits(self, record: RequestRecord) -> Headers | None:
        """Return the limits of a request's key as headers; None where it has none of its own."""
        return self._quotas.rate_limits(record.key)

    def record_usage(
        self, record: RequestRecord, report: UsageReport, estimate: Callable[..., Usage], *of: object
    ) -> None:
        """Note what a response took: before it begins where that is possible, so that a header gives its cost.

        estimate: called with `of` where the backend reported nothing, or what cannot be true.
        """
        if not isinstance(report, Usage):
            if report is not None:
                log.warning(
                    "%s: %s reported invalid usage: %s; estimated", record.request_id, record.backend, report.reason
                )
            report = estimate(*of)
        record.usage, record.cost_usd = report, self._ledger.cost_usd(record.answered_by[0], report)

    def record_report(self, record: RequestRecord, report: UsageReport) -> None:
        """Note what a response reports to have taken; one that reports nothing valid counts as unpriced."""
        if isinstance(report, Usage):
            record.usage, record.cost_usd = report, self._ledger.cost_usd(record.model, report)
            return
        if report is not None:
            log.warning("%s: %s reported invalid usage: %s", record.request_id, record.backend, report.reason)
        # Images, seconds, documents: what they cost is unknown, which is not 0.
        record.usage, record.cost_usd = Usage(0, 0), None

    def inject_trace_context(self, head: RequestHead, record: RequestRecord, rules: HeaderRules) -> ForwardedHeaders:
        """Return the headers for the backend, with this request's place in the trace where there is one."""
        if self._tracing is None:
            return head.forwarded if head.rules is rules else head.forward_by(rules)
        return forwarded_headers(self._tracing.begin_span(head.headers, record), rules)

    def finish_request(self, record: RequestRecord) -> None:
        """Take the record of a request that has ended, in whatever way."""
        usage = record.usage
        if record.holds_slot:
            self._quotas.end_request(record.key)
        # At once: the key's next request may come before the next flush.
        if usage is not None and record.key is not None:
            self._quotas.charge_usage(record.key, usage.total_tokens, record.cost_usd or NO_USD)
        record.seconds = time.perf_counter() - record.started
        self._records.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL_S, self.flush_some)
        elif len(self._records) >= MAX_BATCH:
            self.flush_some()

    def flush_records(self) -> None:
        """Count every request that has ended: whoever reads the books next sees them all."""
        while self.flush_some():
            pass

    def flush_some(self) -> bool:
        """Count some of the requests that have ended, and the rest soon. Return whether there is a rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        records, self._records = self._records, []
        of = RecordColumns(records) if records else None
        if of is not None:
            self._groups.extend(group_records(of))
        # Counts before lines and spans: what a log handler or an exporter does wrong must not lose money.
        for _ in range(_part_of(self._groups, MAX_GROUPS)):
            key, group = self._groups.popleft()
            self._count_group(key, to_batch(*group))
        if of is not None:
            self._observe(of)
        has_more = bool(self._groups) or len(self._lines) > MAX_LINES
        if has_more:
            self._timer = asyncio.get_running_loop().call_soon(self.flush_some)
        self._write_lines()
        return has_more

    def _count_group(self, key: BatchKey, batch: Batch) -> None:
        self._count(key, batch)
        spent = self._charge(key, batch)
        self._add_sample(key, batch, spent)
        if self._add_history is not None:
            self._add_history(key, batch, spent)

    def _observe(self, of: RecordColumns) -> None:
        for observe in self._observers:
            observe(of)
        # Only unusual ones have faults, which are always logged.
        has_lines = is_enabled() or self._tracing is not None
        self._lines.extend(of.records if has_lines else [of.records[place] for place in of.unusual])

    def _write_lines(self) -> None:
        is_logged, tracing = is_enabled(), self._tracing
        for _ in range(_part_of(self._lines, MAX_LINES)):
            record = self._lines.popleft()
            if is_logged or record.has_faults:
                log_request(record)
            if tracing is not None:
                tracing.end_span(record)

    def _count(self, key: BatchKey, batch: Batch) -> None:
        metrics, model, count = self.metrics, key.model, batch.requests
        metrics.requests(model, key.reason, str(key.status)).inc(count)
        metrics.duration.add_values((model,), batch.seconds, batch.seconds_sum)
        # A client that left before its response has no overhead: the clock stops at the response's first byte.
        if key.is_answered:
            metrics.overhead.add_values((), batch.overhead_s, batch.overhead_sum_s)
        if key.task is not None:
            metrics.tasks.count_requests(key.task, model, count)
        for backend, outcome in key.outcomes:
            metrics.attempts(backend, outcome).inc(count)
        if len(key.outcomes) > 1:
            metrics.retries.inc((len(key.outcomes) - 1) * count)
        if key.is_broken:
            metrics.attempts(key.backend, "broke_off").inc(count)
        if key.is_cached:
            metrics.cache_hits(model).inc(count)
        if key.shadow_model is not None:
            metrics.shadow(model, key.shadow_model).inc(count)

    def _charge(self, key: BatchKey, batch: Batch) -> UsageTotals:
        if not key.has_usage:
            return NO_USAGE
        usage = batch.usage
        self.metrics.tokens(key.model, "input").inc(usage.all_input_tokens)
        self.metrics.tokens(key.model, "output").inc(usage.all_output_tokens)
        if usage.estimated:
            self.metrics.estimated_usage(key.model).inc(usage.estimated)
        if key.task is None:
            return NO_USAGE
        # A price that is not known is not 0: the ledger counts such responses apart.
        if usage.usd is not None:
            self.metrics.cost_usd(key.model).inc(float(usage.usd))
        # One charge for all of them, so that the ledger's rows are looked up once.
        # A request that named its model, or whose model was pinned, is nothing that routing saved or spent.
        baseline = None if key.reason in UNROUTED or key.is_cached else self._baseline(key.task, key.model)
        return self._ledger.charge_usage(key.key, key.task, usage, baseline)

    def _add_sample(self, key: BatchKey, batch: Batch, spent: UsageTotals) -> None:
        sample = RequestSample(
            task=key.task,
            backend=None if key.backend == names.NONE else key.backend,
            status=key.status,
            broke=key.is_broken,
            requests=batch.requests,
            totals=batch.totals,
            overheads=batch.overheads,
            usd=float(spent.usd),
            baseline_usd=float(spent.baseline_usd),
            compared_usd=float(spent.compared_usd),
            faults=key.failed_backends,
        )
        self._minutes.add_sample(sample)


def _part_of(waiting: Sized, most: int) -> int:
    """Return how many to do in this turn of the event loop; more of a thousand, which long turns would else add to."""
    return min(len(waiting), max(most, len(waiting) // 20))


def group_records(of: RecordColumns) -> list[tuple[BatchKey, RecordGroup]]:
    """Return the records in groups of requests that are counted alike."""
    columns = _key_columns(of)
    if not of.unusual and all(map(is_constant, columns)):
        return [(_named_key(tuple([column[0] for column in columns])), (of, None))]
    places: dict[tuple[object, ...], list[int]] = {}
    for place, key in enumerate(_batch_keys(of, columns)):
        places.setdefault(key, []).append(place)
    groups: dict[BatchKey, list[int]] = {}
    for key, found in places.items():
        # A usual record, and one that is unusual only in what is not counted: both have the same key.
        groups.setdefault(_named_key(key), []).extend(found)
    return [(key, (of, sorted(found))) for key, found in groups.items()]


def _key_columns(of: RecordColumns) -> Sequence[Sequence[object]]:
    """Return the fields of BatchKey that differ between usual records."""
    has_cost = [cost is not None for cost in of.cost_usd]
    return of.key, of.task, of.model, of.backend, of.reason, of.status, of.has_usage, has_cost


def _batch_keys(of: RecordColumns, columns: Sequence[Sequence[object]]) -> list[tuple[object, ...]]:
    """Return the fields of BatchKey for each record; for a usual one those of `_key_columns`."""
    keys: list[tuple[object, ...]] = list(zip(*columns, strict=True))
    for place in of.unusual:
        record = of.records[place]
        broke, cached, shadow = record.stream_error is not None, record.cached_model is not None, of.shadow_model[place]
        outcomes = _outcomes(record.trail.attempts)
        keys[place] = *keys[place][:6], record.status != 0, *keys[place][6:], outcomes, broke, cached, shadow
    return keys


def _named_key(found: tuple[Any, ...]) -> BatchKey:
    if len(found) < len(BatchKey._fields):
        found = (*found[:6], found[5] != 0, *found[6:], ((found[3], OK),), False, False, None)
    return BatchKey._make(found)


def to_batch(of: RecordColumns, places: Sequence[int] | None) -> Batch:
    """Return the records at some places, or all of them, as a batch. All have usage or none has; so have costs."""

    def pick(column: Sequence[T]) -> Sequence[T]:
        return column if places is None else [column[place] for place in places]

    seconds, overhead_s = pick(of.seconds), pick(of.overhead_s)
    first_tokens = NO_TIMES
    if any(pick(of.is_stream)):
        found = [record.first_token_s for record in pick(of.records) if record.is_stream]
        first_tokens = sum_times([one for one in found if one is not None])
    usage = UsageBatch()
    if pick(of.has_usage)[0]:
        costs: Sequence[Any] = pick(of.cost_usd)
        usage = UsageBatch.of(list(map(pick, of.tokens)), None if costs[0] is None else sum(costs, NO_USD))
    # Sorted once for all that is counted: what is in order already is sorted at a glance.
    ordered, ordered_overhead_s = sorted(seconds), sorted(overhead_s)
    return Batch(
        *(ordered, ordered_overhead_s, sum(seconds), sum(overhead_s)),
        *(sum_times(ordered), sum_times(ordered_overhead_s), first_tokens, usage),
    )


def _outcomes(attempts: Sequence[Attempt]) -> tuple[tuple[str, str], ...]:
    return tuple([(one.backend, OK if one.fault is None else one.fault.kind) for one in attempts])
