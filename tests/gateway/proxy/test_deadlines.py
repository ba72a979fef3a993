"""Deadlines of many, and the piles that requests are counted in."""

import asyncio
import time

from gateway.observability.metrics import BulkHistogram
from gateway.proxy.deadlines import DeadlineTimer
from tests.gateway.waiting import eventually_async


class Due:
    """Notes when it was told."""

    def __init__(self, in_s: float) -> None:
        self.due = time.monotonic() + in_s
        self.told = 0
        self.was_cut = False

    def on_deadline(self, now: float) -> None:
        assert now >= self.due
        self.told += 1
        self.due = float("inf")

    def abort(self) -> None:
        self.was_cut = True


def test_who_is_due_is_told_once_and_who_is_not_is_left_alone() -> None:
    soon, later, gone = Due(0.05), Due(60), Due(0.05)

    async def run() -> None:
        sweep = DeadlineTimer()
        for one in (soon, later, gone):
            sweep.watch(one)
        sweep.unwatch(gone)
        await eventually_async(lambda: soon.told)
        following = Due(0.05)
        sweep.watch(following)
        await eventually_async(lambda: following.told)

    asyncio.run(run())
    assert (soon.told, later.told, gone.told) == (1, 0, 0)


def test_whoever_is_still_there_can_be_cut() -> None:
    here, gone = Due(60), Due(60)

    async def run() -> None:
        sweep = DeadlineTimer()
        sweep.watch(here)
        sweep.watch(gone)
        sweep.unwatch(gone)
        assert sweep.abort_all() == 1

    asyncio.run(run())
    assert (here.was_cut, gone.was_cut) == (True, False)


def test_values_are_counted_in_the_class_that_they_do_not_exceed() -> None:
    spread = BulkHistogram("x", "About x.", ("model",), (0.1, 1.0))
    spread.add_values(("a",), (0.05, 0.1, 0.5))
    spread.add_values(("a",), (7.0,))
    (shown,) = spread.collect()
    values = {(sample.name, sample.labels.get("le")): sample.value for sample in shown.samples}
    assert values["x_bucket", "0.1"] == 2
    assert values["x_bucket", "1.0"] == 3
    assert values["x_bucket", "+Inf"] == values["x_count", None] == 4
    assert values["x_sum", None] == 7.65
