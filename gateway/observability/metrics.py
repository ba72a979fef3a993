"""Prometheus metrics for /metrics, in text format.

Clients cannot create label values, except task IDs up to `metrics.max_tasks`: see gateway.observability.task_labels.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter as PlainCounter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, groupby, islice
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gateway.observability.task_labels import MetricTasks

DURATIONS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
MAX_SAMPLES = 100
"""Samples encoded at once, in a millisecond."""

Family = TypeVar("Family", bound=Metric)
Row = TypeVar("Row")

OVERHEADS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)


def split_family(
    make: Callable[[], Family], rows: Sequence[Row], add: Callable[[Family, Row], None], size: int = MAX_SAMPLES
) -> Iterator[Family]:
    """Yield a family in parts of at most so many rows, one without any: see `Metrics.render_parts`."""
    for start in range(0, max(1, len(rows)), size):
        part = make()
        for row in rows[start : start + size]:
            add(part, row)
        yield part


class SplitCounter(Counter):
    """A counter that is read in parts: one of 1,000 models has 10,000 samples."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, in families of at most MAX_SAMPLES."""
        samples = iter(self._samples())
        part = list(islice(samples, MAX_SAMPLES))
        while True:
            family = self._get_metric()  # type: ignore[no-untyped-call]  # prometheus_client has no type for it
            for suffix, *rest in part:
                family.add_sample(self._name + suffix, *rest)
            yield family
            if not (part := list(islice(samples, MAX_SAMPLES))):
                return


class BulkHistogram(Collector):
    """A histogram that adds many values at once, at a fraction of the CPU time of prometheus_client's."""

    def __init__(self, name: str, about: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        """about: the help text. bounds: upper bounds of the buckets, ascending, without +Inf."""
        self._name, self._about, self._labels, self._bounds = name, about, tuple(labels), tuple(bounds)
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        if not labels:
            self.add_values((), ())

    def add_values(self, labels: tuple[str, ...], values: Sequence[float], total: float | None = None) -> None:
        """Add values with these labels. total: their sum, where it is known."""
        counts, bounds = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1)), self._bounds
        if len(values) <= len(bounds):
            for value in values:
                counts[bisect_left(bounds, value)] += 1
        else:
            # A bucket's values lie between its bounds: to look these up takes less than to look up every value.
            ordered, place = sorted(values), 0
            for bucket, bound in enumerate(bounds):
                end = bisect_right(ordered, bound, place)
                counts[bucket] += end - place
                place = end
            counts[-1] += len(ordered) - place
        self._sums[labels] = self._sums.get(labels, 0.0) + (sum(values) if total is None else total)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]

        def add(shown: HistogramMetricFamily, labels: tuple[str, ...]) -> None:
            counts = accumulate(self._counts[labels])
            shown.add_metric(labels, list(zip(names, counts, strict=True)), self._sums[labels])

        most = MAX_SAMPLES // (len(names) + 2)
        yield from split_family(
            lambda: HistogramMetricFamily(self._name, self._about, labels=self._labels), list(self._counts), add, most
        )


class Metrics:
    """Metrics of the request path."""

    def __init__(self, tasks: MetricTasks | None = None) -> None:
        """tasks: the labels of tasks; by default all tasks are labelled `other`."""
        self.tasks = tasks or MetricTasks(0)
        self.registry = CollectorRegistry()
        self._requests = SplitCounter(
            "benchroute_requests",
            "Requests served, by model, reason for its choice, and status sent to the client.",
            ["model", "reason", "status"],
            registry=self.registry,
        )
        self._attempts = SplitCounter(
            "benchroute_upstream_attempts",
            "Backend attempts, by backend and outcome.",
            ["backend", "outcome"],
            registry=self.registry,
        )
        self.duration = BulkHistogram(
            "benchroute_request_seconds",
            "Response time in seconds, from the request's first byte to the response's last, by model.",
            ("model",),
            DURATIONS_S,
        )
        self.overhead = BulkHistogram(
            "benchroute_overhead_seconds",
            "Gateway overhead in seconds, from the request's last byte to the response's first, without backend time.",
            (),
            OVERHEADS_S,
        )
        self.registry.register(self.duration)
        self.registry.register(self.overhead)
        self.in_flight = 0
        """Number of requests in flight."""
        in_flight = Gauge("benchroute_requests_in_flight", "Requests in flight.", registry=self.registry)
        in_flight.set_function(lambda: self.in_flight)
        self._tokens = SplitCounter(
            "benchroute_tokens",
            "Tokens as reported by responses, by model and direction.",
            ["model", "direction"],
            registry=self.registry,
        )
        self._estimated_usage = SplitCounter(
            "benchroute_estimated_usage",
            "Responses whose tokens were estimated because the backend reported none, by model.",
            ["model"],
            registry=self.registry,
        )
        self._cost_usd = SplitCounter(
            "benchroute_cost_usd", "Cost of responses in US dollars, by model.", ["model"], registry=self.registry
        )
        self._shadow = SplitCounter(
            "benchroute_shadow_requests",
            "Requests in shadow mode, by the model that answered and the model routing would have chosen.",
            ["model", "shadow_model"],
            registry=self.registry,
        )
        self._cache_hits = SplitCounter(
            "benchroute_cache_hits",
            "Responses served from the response cache, by model.",
            ["model"],
            registry=self.registry,
        )
        self._feedback = SplitCounter(
            "benchroute_feedback",
            "Feedback scores received, by the response's model.",
            ["model"],
            registry=self.registry,
        )
        self.registry.register(TaskRequestCollector(self.tasks))
        self.retries = Counter(
            "benchroute_retries", "Backend attempts after the first of each request.", registry=self.registry
        )
        # Looking a labelled counter up takes longer than counting; there are few models, reasons and statuses.
        self.requests = cache(lambda model, reason, status: self._requests.labels(model, reason, status))
        self.attempts = cache(lambda backend, outcome: self._attempts.labels(backend, outcome))
        self.shadow = cache(lambda model, shadow_model: self._shadow.labels(model, shadow_model))
        self.cache_hits = cache(lambda model: self._cache_hits.labels(model))
        self.feedback = cache(lambda model: self._feedback.labels(model))
        self.tokens = cache(lambda model, direction: self._tokens.labels(model, direction))
        self.cost_usd = cache(lambda model: self._cost_usd.labels(model))
        self.estimated_usage = cache(lambda model: self._estimated_usage.labels(model))

    def render_parts(self) -> Iterator[bytes]:
        """Yield all metrics in Prometheus text format, in parts of about MAX_SAMPLES: other requests come between."""
        for _, parts in groupby(self.registry.collect(), key=lambda family: family.name):
            # The comments of a family come once, before its samples; the times of counters' start behind all of them.
            shown, started = set[bytes](), list[bytes]()
            for part in parts:
                lines, *times = re.split(rb"^(?=# HELP )", generate_latest(_OneFamily(part)), flags=re.MULTILINE)[1:]
                yield _without_comments(lines, shown)
                started += [_without_comments(one, shown) for one in times]
            yield from started

    def render_text(self) -> bytes:
        """Return all metrics in Prometheus text format."""
        return b"".join(self.render_parts())


def _without_comments(text: bytes, shown: set[bytes]) -> bytes:
    """Return lines without the comments that were shown before."""
    lines = text.splitlines(keepends=True)
    left = b"".join([line for line in lines if line not in shown])
    shown.update(line for line in lines if line.startswith(b"#"))
    return left


@dataclass(frozen=True, slots=True)
class _OneFamily(Collector):
    """A registry of one family, for prometheus_client's encoder."""

    family: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.family


@dataclass(slots=True)
class ScorerStats:
    """Statistics of the scorer, since the start unless noted. The scorer's client counts, metrics read.

    Attributes:
        scored: a gateway.scorer.messages.BatchCounts.
        restarts: of the scorer process.
        queued: inputs waiting in this gateway now.
        backlog: inputs of all gateways waiting in Redis now, or of all workers at their parent.
        scoring_s: seconds spent on embedding and scoring.
        dropped: inputs not scored, by reason.
        questions_dropped: questions without a reply, by reason.
    """

    scored: Any
    restarts: int = 0
    queued: int = 0
    backlog: int = 0
    scoring_s: float = 0.0
    dropped: PlainCounter[str] = field(default_factory=PlainCounter)
    questions_dropped: PlainCounter[str] = field(default_factory=PlainCounter)


class TaskRequestCollector(Collector):
    """Reads the requests by task and model at each scrape."""

    def __init__(self, tasks: MetricTasks) -> None:
        self._tasks = tasks

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, in families of at most MAX_SAMPLES."""
        yield from split_family(
            lambda: CounterMetricFamily(
                "benchroute_task_requests",
                "Requests served, by task and model. The busiest tasks have labels of their own, up to "
                "metrics.max_tasks; all others are labelled other.",
                labels=["task", "model"],
            ),
            list(self._tasks.counts()),
            lambda requests, row: requests.add_metric(*row),
        )


class BreakerCollector(Collector):
    """Reads the states of the circuit breakers at each scrape."""

    def __init__(self, states: Callable[[], Mapping[str, str]]) -> None:
        """states: returns closed, half-open or open by backend."""
        self._states = states

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, in families of at most MAX_SAMPLES."""
        values = {"closed": 0.0, "half-open": 0.5, "open": 1.0}
        yield from split_family(
            lambda: GaugeMetricFamily(
                "benchroute_breaker_open", "Circuit breaker state: 0 closed, 0.5 half-open, 1 open.", labels=["backend"]
            ),
            list(self._states().items()),
            lambda gauge, row: gauge.add_metric([row[0]], values[row[1]]),
        )


class ScorerCollector(Collector):
    """Reads the scorer's statistics at each scrape."""

    def __init__(self, stats: ScorerStats, is_ready: Callable[[], bool]) -> None:
        self._stats = stats
        self._is_ready = is_ready

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        stats, scored = self._stats, self._stats.scored
        yield GaugeMetricFamily("benchroute_scorer_ready", "1 if the scorer is ready, else 0.", self._is_ready())
        yield GaugeMetricFamily("benchroute_observations_queued", "Inputs waiting to be scored.", stats.queued)
        yield GaugeMetricFamily(
            "benchroute_observations_backlog",
            "Inputs of all gateways waiting in Redis streams, or of all workers waiting at their parent.",
            stats.backlog,
        )
        yield CounterMetricFamily("benchroute_observations", "Inputs scored and stored.", scored.observed)
        yield CounterMetricFamily(
            "benchroute_observations_skipped",
            "Inputs counted without embedding them, by adaptive sampling of settled tasks.",
            scored.skipped,
        )
        yield CounterMetricFamily("benchroute_observation_errors", "Inputs whose scoring failed.", scored.errors)
        yield CounterMetricFamily(
            "benchroute_scoring_seconds", "Seconds spent on embedding and scoring inputs.", stats.scoring_s
        )
        yield CounterMetricFamily("benchroute_scorer_restarts", "Scorer restarts.", stats.restarts)
        dropped = CounterMetricFamily(
            "benchroute_observations_dropped",
            "Inputs dropped without scoring, by reason. Their requests are not affected.",
            labels=["reason"],
        )
        for reason, count in stats.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        questions = CounterMetricFamily(
            "benchroute_scorer_questions_dropped",
            "Requests that the scorer did not answer, by reason: too many waited, or no reply came in time.",
            labels=["reason"],
        )
        for reason, count in stats.questions_dropped.items():
            questions.add_metric([reason], count)
        yield questions


@dataclass(frozen=True, slots=True)
class RoutingStats:
    """Statistics of routing.

    Attributes:
        version: of the program.
        pack: labels of the active pack, None without one.
        config: number of the active configuration version.
        decisions: made since the start, by reason.
        changes: decisions that moved a task to another model.
        routed_cost_usd: cost of the responses whose model routing chose, where it can be compared.
        baseline_cost_usd: cost of these at the best-on-average model.
        tasks: with a decision.
        evicted: tasks evicted since the start, by reason.
    """

    version: str
    pack: Mapping[str, str] | None
    config: int
    decisions: Mapping[str, int]
    changes: int
    routed_cost_usd: float
    baseline_cost_usd: float
    tasks: int = 0
    evicted: Mapping[str, int] = field(default_factory=dict)


class RoutingCollector(Collector):
    """Reads the statistics of routing at each scrape."""

    def __init__(self, figures: Callable[[], RoutingStats]) -> None:
        self._stats = figures

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        stats = self._stats()
        yield _info("benchroute_build_info", "1, labelled with the program's version.", {"version": stats.version})
        if stats.pack is not None:
            yield _info(
                "benchroute_pack_info", "1, labelled with the active pack's name, hash and embedder.", stats.pack
            )
        yield GaugeMetricFamily("benchroute_config_version", "Active configuration version.", stats.config)
        decisions = CounterMetricFamily("benchroute_decisions", "Decisions made, by reason.", labels=["reason"])
        for reason, count in stats.decisions.items():
            decisions.add_metric([reason], count)
        yield decisions
        yield CounterMetricFamily(
            "benchroute_decision_changes", "Decisions that moved a task to another model.", stats.changes
        )
        yield CounterMetricFamily(
            "benchroute_routed_cost_usd",
            "Cost of responses whose model routing chose, in US dollars; those that named their model are left out.",
            stats.routed_cost_usd,
        )
        yield CounterMetricFamily(
            "benchroute_baseline_cost_usd",
            "Cost of the same responses in US dollars, had the best-on-average model served them.",
            stats.baseline_cost_usd,
        )
        yield GaugeMetricFamily("benchroute_tasks", "Tasks with a decision.", stats.tasks)
        evicted = CounterMetricFamily(
            "benchroute_tasks_evicted",
            "Tasks evicted, by the setting that limits them: max_tasks or idle_days.",
            labels=["reason"],
        )
        for reason, count in stats.evicted.items():
            evicted.add_metric([reason], count)
        yield evicted


def _info(name: str, documentation: str, labels: Mapping[str, str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family
