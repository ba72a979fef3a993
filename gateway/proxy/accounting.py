"""What is counted of a request: its key's quota before it is answered; metrics, money and a line in the log after."""

import time
from collections.abc import Callable
from decimal import Decimal

from gateway.http import headers as names
from gateway.http.headers import Onward, onward
from gateway.http.request_head import Head
from gateway.http.token_usage import Usage
from gateway.keys.quotas import Quotas
from gateway.observability.metrics import Metrics
from gateway.proxy.access_log import is_told, reason_of, status_of, tell
from gateway.proxy.count_batcher import OK, Kind, Pile, Tally, is_plain
from gateway.proxy.request_record import Progress
from gateway.proxy.tracing import Tracing
from gateway.usage.ledger import NOTHING, Ledger, Spent
from gateway.usage.timeseries import Minutes, Seen

NO_USD = Decimal(0)


class Accountant:
    """Keeps the books. Nothing in here waits."""

    def __init__(
        self,
        metrics: Metrics,
        ledger: Ledger,
        quotas: Quotas,
        baseline: Callable[[str], str],
        minutes: Minutes,
        tracing: Tracing | None = None,
        ended: Callable[[Progress], None] | None = None,
    ) -> None:
        """baseline: of a task, the model that costs are compared with. ended: is told of every request at its end."""
        self.metrics = metrics
        self._ledger = ledger
        self._quotas = quotas
        self._baseline = baseline
        self._minutes = minutes
        self._tracing = tracing
        self._ended = ended
        self._tally = Tally(self._book)

    def admit(self, progress: Progress) -> None:
        """Counts a request on its key. Raises RateLimited, BudgetSpent."""
        self._quotas.admit(progress.key)

    def priced(self, progress: Progress, usage: Usage | None) -> None:
        """The answer says what it took: to be known before the answer begins where that is possible."""
        if usage is not None:
            progress.usage, progress.cost_usd = usage, self._ledger.cost(progress.model, usage)

    def traced(self, head: Head, progress: Progress) -> Onward:
        """What its backend is to see of its headers, with this request's place in the trace where there is one."""
        return head.onward if self._tracing is None else onward(self._tracing.begin(head.headers, progress))

    def close(self, progress: Progress) -> None:
        """The request has ended, in whatever way. Runs on cancellation too."""
        if self._ended is not None:
            self._ended(progress)
        usage = progress.usage
        if usage is not None and progress.key is not None:
            self._quotas.charge(progress.key, usage.tokens, progress.cost_usd or NO_USD)
        progress.seconds = time.perf_counter() - progress.started
        if is_plain(progress):
            self._tally.add(progress)
            if is_told():
                tell(progress)
        else:
            self._count(progress)
            self._minutes.add(_seen(progress, self._charge(progress)))
            tell(progress)
        if self._tracing is not None:
            self._tracing.end(progress)

    def settle(self) -> None:
        """Whoever reads the books from now on sees every request that has ended."""
        self._tally.settle()

    def _book(self, kind: Kind, pile: Pile) -> None:
        """Counts many requests that went as they should."""
        metrics, count, model = self.metrics, len(pile.times), kind.model
        metrics.requests(model, kind.reason, str(OK)).inc(count)
        metrics.of_task(kind.task, model).inc(count)
        metrics.attempts(kind.backend, "ok").inc(count)
        metrics.duration.add((model,), [seconds for seconds, _ in pile.times])
        metrics.overhead.add((), [own_s for _, own_s in pile.times])
        spent = NOTHING
        if kind.has_usage:
            metrics.tokens(model, "input").inc(pile.input_tokens)
            metrics.tokens(model, "output").inc(pile.output_tokens)
        if kind.has_cost:
            metrics.cost_usd(model).inc(float(pile.usd))
            compared = self._baseline(kind.task)
            spent = self._ledger.charge(kind.key, kind.task, pile.usage, pile.usd, compared, count)
        self._minutes.add_many(kind.task, kind.backend, pile.times, float(spent.usd), float(spent.baseline_usd))

    def _count(self, progress: Progress) -> None:
        metrics, model = self.metrics, progress.model
        metrics.requests(model, reason_of(progress), str(status_of(progress))).inc()
        metrics.duration.add((model,), (progress.seconds,))
        if progress.status:
            metrics.overhead.add((), (progress.overhead_s,))
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
            spent = self._ledger.charge(progress.key, progress.task, usage, cost, self._baseline(progress.task))
        return spent


def _seen(progress: Progress, spent: Spent) -> Seen:
    return Seen(
        task=progress.task,
        backend=None if progress.backend == names.NONE else progress.backend,
        status=status_of(progress),
        broke=progress.broke is not None,
        seconds=progress.seconds,
        own_s=progress.overhead_s,
        usd=float(spent.usd),
        baseline_usd=float(spent.baseline_usd),
        faults=tuple(attempt.backend for attempt in progress.trail.attempts if attempt.fault is not None),
    )
