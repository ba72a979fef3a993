"""Event-loop lag: how much later than due the gateway's process gets to its work.

A timer samples it, as a request would find it that arrives at that moment: work that holds the loop for 50 ms makes
the samples late that were due in them. Cf. Node.js' monitorEventLoopDelay.
"""

import asyncio
import time

from prometheus_client import CollectorRegistry

from gateway.observability.metrics import BulkHistogram

INTERVAL_S = 0.02

BOUNDS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Timers of libuv have a resolution of 1 ms: nothing below 2 ms is told apart."""


async def sample_loop_lag(registry: CollectorRegistry, interval_s: float = INTERVAL_S) -> None:
    """Sample the lag of the running event loop into a histogram of this registry, until cancelled."""
    lag = BulkHistogram(
        "benchroute_event_loop_lag_seconds",
        "How much later than due the event loop ran a timer, in seconds, sampled every 20 ms.",
        (),
        BOUNDS_S,
    )
    registry.register(lag)
    while True:
        due = time.monotonic() + interval_s
        await asyncio.sleep(interval_s)
        lag.add_values((), (max(0.0, time.monotonic() - due),))
