"""Event-loop lag: how much later than due the gateway's process gets to its work.

A timer samples it, as a request would find it that arrives at that moment: work that holds the loop for 50 ms makes
the samples late that were due in them. Cf. Node.js' monitorEventLoopDelay.
"""

import asyncio
import time
from types import TracebackType

from prometheus_client import CollectorRegistry

from gateway.observability.metrics import BulkHistogram

INTERVAL_S = 0.02

BOUNDS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Timers of libuv have a resolution of 1 ms: nothing below 2 ms is told apart."""


class LoopLagSampler:
    """Samples the lag of the running event loop during its block, from a callback: a task would take twice as long."""

    def __init__(self, registry: CollectorRegistry, interval_s: float = INTERVAL_S) -> None:
        """registry: gets the histogram."""
        self._interval_s = interval_s
        self._lag = BulkHistogram(
            "benchroute_event_loop_lag_seconds",
            "How much later than due the event loop ran a timer, in seconds, sampled every 20 ms.",
            (),
            BOUNDS_S,
        )
        registry.register(self._lag)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        """Sample from now on."""
        self._wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sample no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._due = time.monotonic() + self._interval_s
        self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._sample)

    def _sample(self) -> None:
        self._lag.add_values((), (max(0.0, time.monotonic() - self._due),))
        self._wait()
