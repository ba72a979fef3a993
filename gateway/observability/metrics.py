"""What is counted, for /metrics (Prometheus text format).

No label takes a value that a client can make up, but for the first so many tasks: the others count as one.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

DURATIONS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
OVERHEADS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)


OTHER = "other"


class TaskLabels:
    """Which tasks are told apart in labels: those of the configuration, then the first that come, up to a number."""

    def __init__(self, most: int, configured: Iterable[str] = ()) -> None:
        self._most = most
        self._known: set[str] = set()
        for task in configured:
            self.label_of(task)

    def label_of(self, task: str) -> str:
        """The task, or `other`."""
        if task in self._known:
            return task
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(task)
        return task


class BulkHistogram(Collector):
    """A histogram that takes many values at a time, at a fraction of what prometheus_client's takes for each."""

    def __init__(self, name: str, about: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        """bounds: rising; the last class, above them all, is not named."""
        self._name, self._about, self._labels, self._bounds = name, about, tuple(labels), tuple(bounds)
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        if not labels:
            self.add_values((), ())

    def add_values(self, labels: tuple[str, ...], values: Sequence[float]) -> None:
        """More values."""
        counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
        for value in values:
            counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + sum(values)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        shown = HistogramMetricFamily(self._name, self._about, labels=self._labels)
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, counts in self._counts.items():
            shown.add_metric(labels, list(zip(names, accumulate(counts), strict=True)), self._sums[labels])
        yield shown


class Metrics:
    """The request path's figures."""

    def __init__(self, tasks: TaskLabels | None = None) -> None:
        """tasks: those told apart; none by default."""
        self.tasks = tasks or TaskLabels(0)
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "benchroute_requests",
            "Requests answered, by the model that answered, why it was chosen, and the status the client got.",
            ["model", "reason", "status"],
            registry=self.registry,
        )
        self._attempts = Counter(
            "benchroute_upstream_attempts",
            "Backends asked, by backend and what came of it.",
            ["backend", "outcome"],
            registry=self.registry,
        )
        self.duration = BulkHistogram(
            "benchroute_request_seconds",
            "From a request's first byte to its answer's last, by model.",
            ("model",),
            DURATIONS_S,
        )
        self.overhead = BulkHistogram(
            "benchroute_overhead_seconds",
            "From a request's last byte to its answer's first, without waiting for backends.",
            (),
            OVERHEADS_S,
        )
        self.registry.register(self.duration)
        self.registry.register(self.overhead)
        self.in_flight = 0
        """Requests being answered now."""
        shown = Gauge("benchroute_requests_in_flight", "Requests being answered now.", registry=self.registry)
        shown.set_function(lambda: self.in_flight)
        self._tokens = Counter(
            "benchroute_tokens",
            "Tokens that answers said they took, by model and direction.",
            ["model", "direction"],
            registry=self.registry,
        )
        self._cost_usd = Counter(
            "benchroute_cost_usd", "US dollars that answers cost, by model.", ["model"], registry=self.registry
        )
        self._shadow = Counter(
            "benchroute_shadow_requests",
            "Requests of tasks in the shadow, by the model that answered and the one the evidence would have chosen.",
            ["model", "would"],
            registry=self.registry,
        )
        self._kept = Counter(
            "benchroute_cache_hits", "Answers that were kept, by model.", ["model"], registry=self.registry
        )
        self._feedback = Counter(
            "benchroute_feedback", "Scores of answers, by the model that gave them.", ["model"], registry=self.registry
        )
        self._of_tasks = Counter(
            "benchroute_task_requests",
            "Requests answered, by task, the first metrics.max_tasks of them, and the model that answered.",
            ["task", "model"],
            registry=self.registry,
        )
        self.retries = Counter(
            "benchroute_retries", "Backends asked after the first one of their request.", registry=self.registry
        )
        # Looking a label up takes longer than counting; models, reasons and statuses are few.
        self.requests = cache(lambda model, reason, status: self._requests.labels(model, reason, status))
        self.attempts = cache(lambda backend, outcome: self._attempts.labels(backend, outcome))
        self.shadow = cache(lambda model, would: self._shadow.labels(model, would))
        self.kept = cache(lambda model: self._kept.labels(model))
        self.feedback = cache(lambda model: self._feedback.labels(model))
        self.tokens = cache(lambda model, direction: self._tokens.labels(model, direction))
        self.cost_usd = cache(lambda model: self._cost_usd.labels(model))
        self._of_task = cache(lambda task, model: self._of_tasks.labels(task, model))

    def task_requests(self, task: str, model: str) -> Counter:
        """The counter of a task's requests."""
        counter: Counter = self._of_task(self.tasks.label_of(task), model)
        return counter

    def render_text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


@dataclass(frozen=True, slots=True)
class ScorerStats:
    """The scorer's figures at one moment. dropped: observations by reason."""

    is_ready: bool
    observed: int
    dropped: Mapping[str, int]
    errors: int
    queued: int
    restarts: int
    scoring_s: float
    backlog: int = 0
    skipped: int = 0


class BreakerCollector(Collector):
    """Reads the backends' breakers when they are asked for."""

    def __init__(self, states: Callable[[], Mapping[str, str]]) -> None:
        """states: backend -> closed, open or half-open."""
        self._states = states

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        shown = GaugeMetricFamily(
            "benchroute_breaker_open", "1 while a backend is left alone, 0.5 while it is tried.", labels=["backend"]
        )
        values = {"closed": 0.0, "half-open": 0.5, "open": 1.0}
        for backend, state in self._states().items():
            shown.add_metric([backend], values[state])
        yield shown


class ScorerCollector(Collector):
    """Reads the scorer's figures when they are asked for."""

    def __init__(self, figures: Callable[[], ScorerStats]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        figures = self._figures()
        yield GaugeMetricFamily("benchroute_scorer_ready", "Whether inputs are scored now.", figures.is_ready)
        yield GaugeMetricFamily("benchroute_observations_queued", "Inputs waiting to be scored.", figures.queued)
        yield GaugeMetricFamily(
            "benchroute_observations_backlog",
            "Inputs of all gateways that wait in a fleet's streams.",
            figures.backlog,
        )
        yield CounterMetricFamily("benchroute_observations", "Inputs scored and stored.", figures.observed)
        yield CounterMetricFamily(
            "benchroute_observations_skipped", "Of those, not embedded: their tasks are settled.", figures.skipped
        )
        yield CounterMetricFamily("benchroute_observation_errors", "Inputs that could not be scored.", figures.errors)
        yield CounterMetricFamily(
            "benchroute_scoring_seconds", "Seconds spent on embedding and scoring inputs.", figures.scoring_s
        )
        yield CounterMetricFamily("benchroute_scorer_restarts", "Times the scorer was started again.", figures.restarts)
        dropped = CounterMetricFamily(
            "benchroute_observations_dropped",
            "Inputs not scored, by reason; their requests went on.",
            labels=["reason"],
        )
        for reason, count in figures.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped


@dataclass(frozen=True, slots=True)
class RoutingStats:
    """What is routed by at one moment. version: the program's. pack: its labels, None without one.

    config: the number of the configuration in force. decisions: made since the start, by reason; changes: those after
    which a task's requests went to another model.
    """

    version: str
    pack: Mapping[str, str] | None
    config: int
    decisions: Mapping[str, int]
    changes: int
    baseline_cost_usd: float


class RoutingCollector(Collector):
    """Reads what is routed by when it is asked for."""

    def __init__(self, figures: Callable[[], RoutingStats]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        figures = self._figures()
        yield _info("benchroute_build_info", "1, with the program's version.", {"version": figures.version})
        if figures.pack is not None:
            yield _info("benchroute_pack_info", "1, with the pack in use: its name, hash and embedder.", figures.pack)
        yield GaugeMetricFamily("benchroute_config_version", "Number of the configuration in force.", figures.config)
        decisions = CounterMetricFamily("benchroute_decisions", "Decisions made, by reason.", labels=["reason"])
        for reason, count in figures.decisions.items():
            decisions.add_metric([reason], count)
        yield decisions
        yield CounterMetricFamily(
            "benchroute_decision_changes", "Decisions that moved a task to another model.", figures.changes
        )
        yield CounterMetricFamily(
            "benchroute_baseline_cost_usd",
            "US dollars that the answers would have cost at the best model on average.",
            figures.baseline_cost_usd,
        )


def _info(name: str, documentation: str, labels: Mapping[str, str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family
