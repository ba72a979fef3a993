import asyncio

from gateway.scorer.observation_queue import MAX_ITEM_BYTES, ObservationQueue, ObservationStats


def test_it_is_first_in_first_out_in_bounded_pieces() -> None:
    counts = ObservationStats()

    async def run() -> list[list[str]]:
        queue = ObservationQueue(counts)
        for place in range(5):
            queue.put_observation(f"t{place}", b"x" * 10)
        return [[one.task for one in await queue.take_batch(3, 25)] for _ in range(3)]

    assert asyncio.run(run()) == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    assert counts.queued == 0


def test_what_finds_no_room_is_dropped_and_counted() -> None:
    counts = ObservationStats()

    async def run() -> None:
        by_count = ObservationQueue(counts, max_items=2)
        for _ in range(5):
            by_count.put_observation("t", b"x")
        assert len(await by_count.take_batch(100, 100)) == 2
        by_bytes = ObservationQueue(counts, max_bytes=10)
        by_bytes.put_observation("t", b"x" * 8)
        by_bytes.put_observation("t", b"x" * 3)
        by_bytes.put_observation("t", b"x" * 2)
        assert len(await by_bytes.take_batch(100, 100)) == 2
        by_bytes.put_observation("t", b"x" * 10)
        assert len(await by_bytes.take_batch(100, 1)) == 1
        by_bytes.put_observation("t", b"x" * (MAX_ITEM_BYTES + 1))

    asyncio.run(run())
    assert counts.dropped == {"queue_full": 4, "too_large": 1}


def test_whoever_takes_waits_for_something() -> None:
    async def run() -> str:
        queue = ObservationQueue(ObservationStats())
        taking = asyncio.create_task(queue.take_batch(10, 10))
        await asyncio.sleep(0)
        queue.put_observation("late", b"x")
        return (await taking)[0].task

    assert asyncio.run(run()) == "late"
