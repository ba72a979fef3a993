"""What is counted of a request: its key's quota before it is answered; metrics, money and a line in the log after."""

import time
from collections.abc import Callable
from decimal import Decimal

from gateway.http import headers as names
from gateway.http.headers import ForwardedHeaders, forwarded_headers
from gateway.http.request_head import RequestHead
from gateway.http.token_usage import Usage
from gateway.keys.quotas import Quotas
from gateway.observability.metrics import Metrics
from gateway.proxy.access_log import is_enabled, log_request, logged_reason, logged_status
from gateway.proxy.count_batcher import OK, Batch, BatchKey, CountBatcher, is_batchable
from gateway.proxy.request_record import RequestRecord
from gateway.proxy.tracing import Tracing
from gateway.usage.ledger import NO_USAGE, Ledger, UsageTotals
from gateway.usage.timeseries import MinuteSeries, RequestSample

NO_USD = Decimal(0)


class Accounting:
    """Keeps the books. Nothing in here waits."""

    def __init__(
        self,
        metrics: Metrics,
        ledger: Ledger,
        quotas: Quotas,
        baseline: Callable[[str], str],
        minutes: MinuteSeries,
        tracing: Tracing | None = None,
        ended: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        """baseline: of a task, the model that costs are compared with. ended: is told of every request at its end."""
        self.metrics = metrics
        self._ledger = ledger
        self._quotas = quotas
        self._baseline = baseline
        self._minutes = minutes
        self._tracing = tracing
        self._ended = ended
        self._tally = CountBatcher(self._book)

    def check_quota(self, progress: RequestRecord) -> None:
        """Counts a request on its key. Raises RateLimited, BudgetExceeded."""
        self._quotas.admit_request(progress.key)

    def record_usage(self, progress: RequestRecord, usage: Usage | None) -> None:
        """The answer says what it took: to be known before the answer begins where that is possible."""
        if usage is not None:
            progress.usage, progress.cost_usd = usage, self._ledger.cost_usd(progress.model, usage)

    def inject_trace_context(self, head: RequestHead, progress: RequestRecord) -> ForwardedHeaders:
        """What its backend is to see of its headers, with this request's place in the trace where there is one."""
        return (
            head.forwarded
            if self._tracing is None
            else forwarded_headers(self._tracing.begin_span(head.headers, progress))
        )

    def finish_request(self, progress: RequestRecord) -> None:
        """The request has ended, in whatever way. Runs on cancellation too."""
        if self._ended is not None:
            self._ended(progress)
        usage = progress.usage
        if usage is not None and progress.key is not None:
            self._quotas.charge_usage(progress.key, usage.total_tokens, progress.cost_usd or NO_USD)
        progress.seconds = time.perf_counter() - progress.started
        if is_batchable(progress):
            self._tally.add_request(progress)
            if is_enabled():
                log_request(progress)
        else:
            self._count(progress)
            self._minutes.add_sample(_seen(progress, self._charge(progress)))
            log_request(progress)
        if self._tracing is not None:
            self._tracing.end_span(progress)

    def flush_counts(self) -> None:
        """Whoever reads the books from now on sees every request that has ended."""
        self._tally.flush()

    def _book(self, kind: BatchKey, pile: Batch) -> None:
        """Counts many requests that went as they should."""
        metrics, count, model = self.metrics, len(pile.times), kind.model
        metrics.requests(model, kind.reason, str(OK)).inc(count)
        metrics.task_requests(kind.task, model).inc(count)
        metrics.attempts(kind.backend, "ok").inc(count)
        metrics.duration.add_values((model,), [seconds for seconds, _ in pile.times])
        metrics.overhead.add_values((), [own_s for _, own_s in pile.times])
        spent = NO_USAGE
        if kind.has_usage:
            metrics.tokens(model, "input").inc(pile.input_tokens)
            metrics.tokens(model, "output").inc(pile.output_tokens)
        if kind.has_cost:
            metrics.cost_usd(model).inc(float(pile.usd))
            compared = self._baseline(kind.task)
            spent = self._ledger.charge_usage(kind.key, kind.task, pile.total_usage, pile.usd, compared, count)
        self._minutes.add_samples(kind.task, kind.backend, pile.times, float(spent.usd), float(spent.baseline_usd))

    def _count(self, progress: RequestRecord) -> None:
        metrics, model = self.metrics, progress.model
        metrics.requests(model, logged_reason(progress), str(logged_status(progress))).inc()
        metrics.duration.add_values((model,), (progress.seconds,))
        if progress.status:
            metrics.overhead.add_values((), (progress.overhead_s,))
        if progress.task is not None:
            metrics.task_requests(progress.task, model).inc()
        if (again := len(progress.trail.attempts) - 1) > 0:
            metrics.retries.inc(again)
        if progress.cached_model is not None:
            metrics.cache_hits(model).inc()
        if progress.route is not None and progress.route.shadow_model is not None:
            metrics.shadow(model, progress.route.shadow_model).inc()
        for attempt in progress.trail.attempts:
            metrics.attempts(attempt.backend, "ok" if attempt.fault is None else attempt.fault.kind).inc()
        if progress.stream_error:
            metrics.attempts(progress.backend, "broke_off").inc()

    def _charge(self, progress: RequestRecord) -> UsageTotals:
        usage, cost, spent = progress.usage, progress.cost_usd, NO_USAGE
        if usage is None:
            return spent
        self.metrics.tokens(progress.model, "input").inc(usage.input_tokens)
        self.metrics.tokens(progress.model, "output").inc(usage.output_tokens)
        if cost is not None and progress.task is not None:
            self.metrics.cost_usd(progress.model).inc(float(cost))
            spent = self._ledger.charge_usage(progress.key, progress.task, usage, cost, self._baseline(progress.task))
        return spent


def _seen(progress: RequestRecord, spent: UsageTotals) -> RequestSample:
    return RequestSample(
        task=progress.task,
        backend=None if progress.backend == names.NONE else progress.backend,
        status=logged_status(progress),
        broke=progress.stream_error is not None,
        seconds=progress.seconds,
        overhead_s=progress.overhead_s,
        usd=float(spent.usd),
        baseline_usd=float(spent.baseline_usd),
        faults=tuple(attempt.backend for attempt in progress.trail.attempts if attempt.fault is not None),
    )
