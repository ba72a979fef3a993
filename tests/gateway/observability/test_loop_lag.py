"""The event loop's lag, as it is measured."""

import asyncio
import time

from prometheus_client import CollectorRegistry

from gateway.observability.loop_lag import LoopLagSampler

NAME = "benchroute_event_loop_lag_seconds"
STALL_S = 0.3


async def late_samples(stalls: int) -> tuple[float, float]:
    """Hold the loop some times for STALL_S; return how many samples were that late, and the sum of all, in seconds."""
    registry = CollectorRegistry()
    with LoopLagSampler(registry, 0.01):
        for _ in range(stalls):
            await asyncio.sleep(0.03)
            time.sleep(STALL_S)  # noqa: ASYNC251 - the stall under test
            await asyncio.sleep(0.03)
    count = registry.get_sample_value(f"{NAME}_count") or 0.0
    below = registry.get_sample_value(f"{NAME}_bucket", {"le": "0.25"}) or 0.0
    return count - below, registry.get_sample_value(f"{NAME}_sum") or 0.0


def test_each_stall_is_a_late_sample() -> None:
    late, total_s = asyncio.run(late_samples(3))
    assert late >= 3  # more where the machine itself is that late
    assert total_s >= 3 * (STALL_S - 0.01)


async def count_after_stop() -> tuple[float, float]:
    """Return the number of samples when a sampler stops, and a while later."""
    registry = CollectorRegistry()
    with LoopLagSampler(registry, 0.01):
        await asyncio.sleep(0.05)
    stopped = registry.get_sample_value(f"{NAME}_count") or 0.0
    await asyncio.sleep(0.05)
    return stopped, registry.get_sample_value(f"{NAME}_count") or 0.0


def test_a_sampler_that_has_stopped_takes_no_more_samples() -> None:
    stopped, later = asyncio.run(count_after_stop())
    assert later == stopped > 0
