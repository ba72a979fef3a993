"""A fast scorer takes more at once; a slow one keeps questions waiting no longer than before."""

import socket

import pytest

from gateway.scorer.batch_size import MAX_BATCH_SIZE, MAX_IN_FLIGHT, BatchSize
from gateway.scorer.embedded.server import EmbeddedScorer
from gateway.scorer.messages import BATCH_SIZE, ForgetTask, Observation, Observations


@pytest.mark.parametrize(
    ("count", "took_s", "size"),
    [(64, 2.2, BATCH_SIZE), (64, 0.1, 160), (20, 0.01, MAX_BATCH_SIZE), (1, 0.002, 125), (1, 0.0, BATCH_SIZE)],
)
def test_a_batch_is_as_large_as_fits_into_its_time(count: int, took_s: float, size: int) -> None:
    batch = BatchSize()
    batch.record_batch(count, took_s)
    assert batch.size == size
    assert batch.in_flight == max(MAX_IN_FLIGHT, 2 * size)


def test_a_scorer_that_becomes_slow_takes_less_again() -> None:
    batch = BatchSize()
    batch.record_batch(64, 0.01)
    batch.record_batch(256, 4.0)
    assert batch.size == BATCH_SIZE


def test_the_scorer_takes_what_waits_up_to_that_size() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        scorer = EmbeddedScorer(theirs)
        for _ in range(10):
            scorer._received.put(Observations([Observation("t", b"[]")] * 50))
        assert len(scorer._collect_batch([Observation("t", b"[]")] * 50)[0]) == 100
        scorer._batch.record_batch(100, 0.05)
        assert len(scorer._collect_batch([Observation("t", b"[]")] * 50)[0]) == 300, "the first frame that fills it"
        scorer._received.put(ForgetTask(1, "t"))
        items, unread = scorer._collect_batch([Observation("t", b"[]")] * 50)
        assert (len(items), unread) == (250, ForgetTask(1, "t"))
