"""What is counted of a request: its key's quota before it is answered; metrics, money and a line in the log after."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from gateway.asgi import RawHeaders
from gateway.lane.outcome import Progress
from gateway.lane.telling import reason_of, status_of, tell
from gateway.lane.tracing import Tracing
from gateway.metrics import Metrics
from gateway.minutes import Minutes, Seen
from gateway.quotas import Quotas
from gateway.spending import NOTHING, Ledger, Spent
from gateway.wire import headers as names
from gateway.wire.usage import Usage


@dataclass(frozen=True, slots=True)
class Accountant:
    """Keeps the books. baseline: of a task, the model that costs are compared with. Nothing in here waits."""

    metrics: Metrics
    ledger: Ledger
    quotas: Quotas
    baseline: Callable[[str], str]
    minutes: Minutes
    tracing: Tracing | None = None

    def admit(self, progress: Progress) -> None:
        """Counts a request on its key. Raises RateLimited, BudgetSpent."""
        self.quotas.admit(progress.key)

    def priced(self, progress: Progress, usage: Usage | None) -> None:
        """The answer says what it took: to be known before the answer begins where that is possible."""
        if usage is not None:
            progress.usage, progress.cost_usd = usage, self.ledger.cost(progress.model, usage)

    def traced(self, headers: RawHeaders, progress: Progress) -> RawHeaders:
        """The headers that its backend is to see, with this request's place in the trace where there is one."""
        return headers if self.tracing is None else self.tracing.begin(headers, progress)

    def close(self, progress: Progress) -> None:
        """The request has ended, in whatever way. Runs on cancellation too."""
        self._count(progress)
        self.minutes.add(_seen(progress, self._charge(progress)))
        tell(progress)
        if self.tracing is not None:
            self.tracing.end(progress)

    def _count(self, progress: Progress) -> None:
        metrics, model = self.metrics, progress.model
        metrics.requests(model, reason_of(progress), str(status_of(progress))).inc()
        metrics.duration(model).observe(time.perf_counter() - progress.started)
        if progress.status:
            metrics.overhead.observe(progress.overhead_s)
        if progress.task is not None:
            metrics.of_task(progress.task, model).inc()
        if (again := len(progress.trail.attempts) - 1) > 0:
            metrics.retries.inc(again)
        if progress.kept is not None:
            metrics.kept(model).inc()
        if progress.route is not None and progress.route.would is not None:
            metrics.shadow(model, progress.route.would).inc()
        for attempt in progress.trail.attempts:
            metrics.attempts(attempt.backend, "ok" if attempt.fault is None else attempt.fault.kind).inc()
        if progress.broke:
            metrics.attempts(progress.backend, "broke_off").inc()

    def _charge(self, progress: Progress) -> Spent:
        usage, cost, spent = progress.usage, progress.cost_usd, NOTHING
        if usage is None:
            return spent
        self.metrics.tokens(progress.model, "input").inc(usage.input_tokens)
        self.metrics.tokens(progress.model, "output").inc(usage.output_tokens)
        if cost is not None and progress.task is not None:
            self.metrics.cost_usd(progress.model).inc(float(cost))
            spent = self.ledger.charge(progress.key, progress.task, usage, cost, self.baseline(progress.task))
        if progress.key is not None:
            self.quotas.charge(progress.key, usage.tokens, cost or Decimal(0))
        return spent


def _seen(progress: Progress, spent: Spent) -> Seen:
    return Seen(
        task=progress.task,
        backend=None if progress.backend == names.NONE else progress.backend,
        status=status_of(progress),
        broke=progress.broke is not None,
        seconds=time.perf_counter() - progress.started,
        own_s=progress.overhead_s,
        usd=float(spent.usd),
        baseline_usd=float(spent.baseline_usd),
        faults=tuple(attempt.backend for attempt in progress.trail.attempts if attempt.fault is not None),
    )
