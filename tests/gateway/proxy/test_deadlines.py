"""Deadlines of many requests, by a clock that is set, and the histogram that takes many values at a time."""

import asyncio
from dataclasses import dataclass

from gateway.observability.metrics import BulkHistogram
from gateway.proxy.deadlines import CHECK_INTERVAL_S, SLICE_S, DeadlineTimer


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Due:
    """Notes when it was called."""

    due: float
    called_at: tuple[float, ...] = ()
    aborted: int = 0
    next_due: float = float("inf")

    def on_deadline(self, now: float) -> None:
        assert now >= self.due
        self.called_at += (now,)
        self.due = self.next_due

    def abort(self) -> None:
        self.aborted += 1


def test_those_whose_deadline_has_passed_are_called_and_no_others() -> None:
    soon, later, gone, again = Due(101), Due(160), Due(101), Due(101, next_due=102)

    async def run() -> None:
        clock = Clock()
        timer = DeadlineTimer(clock)
        for one in (soon, later, gone, again):
            timer.watch(one)
        timer.unwatch(gone)
        for clock.now in (100.5, 101.0, 101.5, 102.5):
            timer.check_deadlines()

    asyncio.run(run())
    assert (soon.called_at, later.called_at, gone.called_at, again.called_at) == ((101.0,), (), (), (101.0, 102.5))


def test_many_that_are_due_at_once_are_called_in_slices_each_once() -> None:
    clock = Clock()

    class Slow(Due):
        def on_deadline(self, now: float) -> None:
            super().on_deadline(now)
            clock.now += 0.3 * SLICE_S
            self.due = now  # still due: the others have their turn first

    all_due, left = [Slow(100) for _ in range(10)], []

    async def run() -> None:
        timer = DeadlineTimer(clock)
        for one in all_due:
            timer.watch(one)
        while timer.check_deadlines():
            left.append(sum(not one.called_at for one in all_due))

    asyncio.run(run())
    assert left == [6, 2]
    assert [len(one.called_at) for one in all_due] == [1] * 10


def test_a_deadline_may_end_another_request_and_begin_one() -> None:
    class Ending(Due):
        def on_deadline(self, now: float) -> None:
            super().on_deadline(now)
            timer.unwatch(self)
            timer.watch(fresh)

    clock = Clock()
    timer, fresh = DeadlineTimer(clock), Due(200)

    async def run() -> None:
        ending = Ending(100)
        timer.watch(ending)
        timer.check_deadlines()
        assert ending.called_at == (100.0,)
        assert timer.abort_all() == 1

    asyncio.run(run())
    assert fresh.aborted == 1


def test_the_event_loop_drives_it_while_there_is_something_to_watch() -> None:
    class Telling(Due):
        def on_deadline(self, now: float) -> None:
            super().on_deadline(now)
            called.set()

    called = asyncio.Event()

    async def run() -> None:
        timer, one = DeadlineTimer(Clock()), Telling(100)
        for _ in range(2):  # it stops when nothing is left, and begins again
            one.due = 100
            timer.watch(one)
            async with asyncio.timeout(5):
                await called.wait()
            called.clear()
            timer.unwatch(one)
            await asyncio.sleep(2 * CHECK_INTERVAL_S)

    asyncio.run(run())


def test_all_that_are_watched_can_be_aborted() -> None:
    here, gone = Due(160), Due(160)

    async def run() -> None:
        timer = DeadlineTimer(Clock())
        timer.watch(here)
        timer.watch(gone)
        timer.unwatch(gone)
        assert timer.abort_all() == 1

    asyncio.run(run())
    assert (here.aborted, gone.aborted) == (1, 0)


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
