import asyncio
from dataclasses import dataclass

from gateway.observability.metrics import ScorerStats
from gateway.scorer.messages import BatchCounts
from gateway.scorer.observation_queue import MAX_ITEM_BYTES, ObservationQueue


def tasks_of(queue: ObservationQueue) -> list[str]:
    return [one.task for one in queue.take_batch(100)]


def test_it_is_first_in_first_out_in_bounded_pieces() -> None:
    counts = ScorerStats(BatchCounts())
    queue = ObservationQueue(counts)
    for place in range(5):
        queue.put_observation(f"t{place}", b"x" * 10)
    pieces = [[one.task for one in queue.take_batch(3, 25)] for _ in range(3)]
    assert pieces == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    assert (counts.queued, queue.has_pending, queue.take_batch(3)) == (0, False, [])


def test_a_full_queue_drops_its_oldest_and_counts_them() -> None:
    counts = ScorerStats(BatchCounts())
    by_count = ObservationQueue(counts, max_items=2)
    for place in range(5):
        by_count.put_observation(f"t{place}", b"x")
    assert counts.queued == 2
    assert tasks_of(by_count) == ["t3", "t4"]
    assert counts.dropped == {"queue_full": 3}
    by_bytes = ObservationQueue(counts, max_bytes=10)
    for task, size in (("large", 8), ("small", 2), ("next", 3)):
        by_bytes.put_observation(task, b"x" * size)
    assert tasks_of(by_bytes) == ["small", "next"]
    assert counts.dropped == {"queue_full": 4}


def test_an_observation_that_is_too_large_is_dropped_alone() -> None:
    counts = ScorerStats(BatchCounts())
    queue = ObservationQueue(counts)
    queue.put_observation("before", b"x")
    queue.put_observation("large", b"x" * (MAX_ITEM_BYTES + 1))
    assert tasks_of(queue) == ["before"]
    assert counts.dropped == {"too_large": 1}


def test_one_larger_than_a_piece_is_taken_by_itself() -> None:
    queue = ObservationQueue(ScorerStats(BatchCounts()))
    queue.put_observation("large", b"x" * 10)
    queue.put_observation("next", b"x")
    assert [one.task for one in queue.take_batch(100, 1)] == ["large"]


@dataclass
class Counted:
    accepted: int = 0
    dropped: int = 0
    written: tuple[int, int] = (0, 0)

    def write_counts(self) -> None:
        self.written = self.accepted, self.dropped


def test_a_journal_is_written_with_every_observation() -> None:
    journal = Counted()
    queue = ObservationQueue(ScorerStats(BatchCounts()), max_items=2, journal=journal)
    for _ in range(3):
        queue.put_observation("t", b"x")
    queue.put_observation("t", b"x" * (MAX_ITEM_BYTES + 1))
    assert journal.written == (4, 2)


def test_the_taker_waits_for_something() -> None:
    async def run() -> list[str]:
        queue = ObservationQueue(ScorerStats(BatchCounts()))
        waiting = asyncio.create_task(queue.wait_filled())
        await asyncio.sleep(0)  # the task begins to wait
        assert not waiting.done()
        queue.put_observation("late", b"x")
        await waiting
        return tasks_of(queue)

    assert asyncio.run(run()) == ["late"]
