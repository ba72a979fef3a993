"""Metrics of the request log."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

DROP_REASONS = ("queue_full", "error", "shutdown")


class RequestLogCounts(Protocol):
    """Counts since the start: see gateway.request_log.writer.LogCounts."""

    @property
    def written(self) -> int:
        """Requests stored."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """Requests not stored, by reason."""

    @property
    def removed(self) -> int:
        """Requests removed by age or size."""


class RequestLogCollector(Collector):
    """Reads the counts at each scrape."""

    def __init__(self, counts: RequestLogCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        counts = self._counts
        yield CounterMetricFamily(
            "benchroute_request_log_written", "Requests written to the request log.", counts.written
        )
        yield CounterMetricFamily(
            "benchroute_request_log_removed", "Requests removed from the log by age or size.", counts.removed
        )
        dropped = CounterMetricFamily(
            "benchroute_request_log_dropped",
            "Requests missing in the request log, by reason. They were served and counted.",
            labels=["reason"],
        )
        for reason in DROP_REASONS:
            dropped.add_metric([reason], counts.dropped.get(reason, 0))
        yield dropped
