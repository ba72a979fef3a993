"""Which observation comes next, between keys and within a task."""

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from gateway.observability.metrics import ScorerStats
from gateway.scorer.fair_lanes import FairLanes
from gateway.scorer.messages import BATCH_SIZE, BatchCounts, Observation
from gateway.scorer.observation_queue import ObservationQueue

KEYS = st.sampled_from(["a", "b", "c", None])
PUTS = st.lists(st.tuples(KEYS, st.sampled_from(["t", "u", "v"]), st.integers(1, 5000)), max_size=60)


def queue(max_items: int = 10_000, max_bytes: int = 8_000_000) -> tuple[ObservationQueue, ScorerStats]:
    counts = ScorerStats(BatchCounts())
    return ObservationQueue(counts, max_items, max_bytes), counts


def number(item: Observation) -> int:
    return int(item.messages.split(b" ")[0])


@given(PUTS, st.lists(st.integers(1, 7)), st.integers(1, 20_000))
def test_a_tasks_order_is_the_order_of_arrival_whoever_sends_and_nothing_is_lost(
    puts: list[tuple[str | None, str, int]], pieces: list[int], max_bytes: int
) -> None:
    """Also where batches are taken in between, and several keys use one task."""
    lined, counts = queue()
    taken: list[Observation] = []
    for place, (key, task, size) in enumerate(puts):
        lined.put_observation(task, b"%d " % place + b"x" * size, key)
        if pieces and place % 5 == 4:
            taken += lined.take_batch(pieces[place % len(pieces)], max_bytes)
    assert counts.queued == len(puts) - len(taken)
    while more := lined.take_batch(3, max_bytes):
        taken += more
    assert sorted(map(number, taken)) == list(range(len(puts)))
    assert [(item.key, item.task) for item in taken] == [puts[number(item)][:2] for item in taken]
    by_task: dict[str, list[int]] = defaultdict(list)
    for item in taken:
        by_task[item.task].append(number(item))
    assert all(numbers == sorted(numbers) for numbers in by_task.values())
    assert (lined.has_pending, counts.queued, lined._bytes) == (False, 0, 0)


@given(st.integers(1, 9), st.integers(1, 200))
def test_another_keys_one_input_is_in_the_next_batch(others: int, size: int) -> None:
    lined, _ = queue()
    for place in range(5000):
        lined.put_observation(f"flood-{place % 3}", b"x" * size, f"flooder-{place % others}")
    lined.put_observation("one", b"x", "other")
    assert "one" in [item.task for item in lined.take_batch(BATCH_SIZE)]


def test_keys_share_by_bytes_where_inputs_differ_in_size() -> None:
    lanes = FairLanes()
    for _ in range(100):
        lanes.push(Observation("large", b"x" * 100_000, "a"))
    for _ in range(2000):
        lanes.push(Observation("small", b"x" * 1000, "b"))
    got: Counter[str] = Counter()
    for item in lanes.take(1000, 10**9, lambda item: True):
        got[item.task] += len(item.messages)
    assert 0.8 < got["large"] / got["small"] < 1.3


def test_a_key_that_was_idle_has_saved_nothing_up() -> None:
    lanes = FairLanes()
    for _ in range(500):
        lanes.push(Observation("early", b"x", "a"))
    assert len(list(lanes.take(250, 10**9, lambda item: True))) == 250
    for _ in range(500):
        lanes.push(Observation("late", b"x", "b"))
    got = Counter(item.task for item in lanes.take(100, 10**9, lambda item: True))
    assert got == {"early": 50, "late": 50}


def test_the_flooding_key_loses_its_own() -> None:
    lined, counts = queue(max_items=100)
    for place in range(10):
        lined.put_observation("quiet", b"%d" % place, "b")
    for place in range(1000):
        lined.put_observation("flood", b"%d" % place, "a")
    for place in range(10, 20):
        lined.put_observation("quiet", b"%d" % place, "b")
    taken = lined.take_batch(1000)
    assert [number(item) for item in taken if item.key == "b"] == list(range(20))
    assert [number(item) for item in taken if item.key == "a"] == list(range(920, 1000))
    assert (counts.dropped, counts.queued) == ({"queue_full": 920}, 0)


def test_the_key_with_the_most_bytes_loses_where_bytes_are_short() -> None:
    lined, counts = queue(max_bytes=1000)
    for _ in range(30):
        lined.put_observation("quiet", b"x" * 10, "b")
    for _ in range(9):
        lined.put_observation("large", b"x" * 300, "a")
    assert Counter(item.task for item in lined.take_batch(100)) == {"quiet": 30, "large": 2}
    assert counts.dropped == {"queue_full": 7}


def test_a_key_that_is_not_admitted_waits_and_the_others_go_on() -> None:
    lined, counts = queue()
    for place in range(6):
        lined.put_observation("a-task", b"%d" % place, "a")
        lined.put_observation("b-task", b"%d" % place, "b")
    window = Counter[str | None]()

    def admit(item: Observation) -> bool:
        window[item.key] += 1
        return item.key != "a" or window["a"] <= 2

    taken = lined.take_batch(100, admit=admit)
    assert Counter(item.key for item in taken) == {"a": 2, "b": 6}
    assert counts.queued == 4
    assert lined.take_batch(100, admit=lambda item: False) == []
    assert [number(item) for item in lined.take_batch(100)] == [2, 3, 4, 5]
