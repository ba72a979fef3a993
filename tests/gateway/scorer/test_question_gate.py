"""Questions to a scorer that is busy: who is next, how many wait, and who is told to come back."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.errors import ScorerUnavailable
from gateway.observability.metrics import ScorerStats
from gateway.scorer.messages import BatchCounts
from gateway.scorer.question_gate import QuestionGate, QuestionLimits

FOREVER_S = 60.0


class Scorer:
    """Answers one question at a time, when it is told to."""

    def __init__(self, **limits: int) -> None:
        self.stats = ScorerStats(BatchCounts())
        self.gate = QuestionGate(self.stats, QuestionLimits(**{"in_flight": 1, **limits}))
        self.asked: list[str] = []
        self._answers = asyncio.Semaphore(0)

    async def ask(self, name: str, key: str | None, size: int = 0, timeout_s: float = FOREVER_S) -> None:
        async with self.gate.slot(key, size, timeout_s):
            self.asked.append(name)
            await self._answers.acquire()

    async def answer(self, count: int = 1) -> None:
        for _ in range(count):
            self._answers.release()
            await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def tasks(*asking: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.ensure_future(one) for one in asking]


def test_what_waits_can_be_refused_and_the_gate_goes_on() -> None:
    async def run() -> list[str]:
        scorer = Scorer()
        (first,) = tasks(scorer.ask("first", "a"))
        await settle()
        waiting = tasks(scorer.ask("a1", "a"), scorer.ask("b0", "b"), scorer.ask("gone", "b"))
        await settle()
        waiting.pop().cancel()
        scorer.gate.refuse_waiting("nobody answers")
        for refused in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(refused, ScorerUnavailable)
            assert refused.message == "nobody answers"
        (later,) = tasks(scorer.ask("later", "b"))
        await settle()
        assert scorer.asked == ["first"], "a refused question gives no slot away"
        await scorer.answer(2)
        await asyncio.gather(first, later)
        return scorer.asked

    assert asyncio.run(run()) == ["first", "later"]


def test_keys_take_turns_and_a_keys_own_questions_stay_in_order() -> None:
    async def run() -> list[str]:
        scorer = Scorer()
        begun = tasks(*(scorer.ask(f"a{place}", "a") for place in range(50)))
        await settle()
        begun += tasks(scorer.ask("b0", "b"), scorer.ask("b1", "b"), scorer.ask("none", None))
        await settle()
        await scorer.answer(len(begun))
        await asyncio.gather(*begun)
        return scorer.asked

    asked = asyncio.run(run())
    assert asked[:7] == ["a0", "a1", "b0", "none", "a2", "b1", "a3"]
    assert [name for name in asked if name[0] == "a"] == [f"a{place}" for place in range(50)]


@pytest.mark.parametrize(
    ("limits", "size", "keys"),
    [({"waiting": 3}, 0, "abcd"), ({"waiting_per_key": 3}, 0, "aaaa"), ({"waiting_bytes": 40}, 11, "abcd")],
)
def test_more_than_may_wait_are_refused_at_once_and_counted(limits: dict[str, int], size: int, keys: str) -> None:
    async def run() -> None:
        scorer = Scorer(**limits)
        begun = tasks(scorer.ask("first", "z"), *(scorer.ask(key, key, size) for key in keys[:3]))
        await settle()
        with pytest.raises(ScorerUnavailable, match="router is unavailable") as refused:
            await scorer.ask("more", keys[3], size)
        assert (refused.value.status, refused.value.code) == (503, "scorer_busy")
        assert scorer.stats.questions_dropped == {"queue_full": 1}
        await scorer.answer()
        begun += tasks(scorer.ask("later", keys[3], size))
        await scorer.answer(4)
        await asyncio.gather(*begun)
        assert "later" in scorer.asked

    asyncio.run(run())


def test_one_that_waits_too_long_is_told_and_leaves_its_place() -> None:
    async def run() -> None:
        scorer = Scorer(waiting=2)
        first, patient = tasks(scorer.ask("first", "a"), scorer.ask("patient", "b"))
        await settle()
        with pytest.raises(ScorerUnavailable, match="no turn within"):
            await scorer.ask("hasty", "a", 5, timeout_s=0.01)
        assert scorer.stats.questions_dropped == {"not_answered": 1}
        await scorer.answer(2)
        await asyncio.gather(first, patient)
        assert scorer.asked == ["first", "patient"]
        assert (scorer.gate._count, scorer.gate._bytes, scorer.gate._in_flight, scorer.gate._waiting) == (0, 0, 0, {})

    asyncio.run(run())


@pytest.mark.parametrize("steps", range(5))
def test_clients_that_leave_take_no_slot_with_them(steps: int) -> None:
    """Also one that leaves between getting its turn and noticing."""

    async def run() -> None:
        scorer = Scorer()
        names = ("first", "leaving", "called", "last")
        first, leaving, called, last = tasks(*(scorer.ask(name, name) for name in names))
        await settle()
        leaving.cancel()
        scorer._answers.release()
        for _ in range(steps):
            await asyncio.sleep(0)
        called.cancel()
        await settle()
        await scorer.answer(2)
        await asyncio.wait_for(last, 1)
        assert (scorer.gate._count, scorer.gate._in_flight, scorer.gate._waiting) == (0, 0, {})
        await asyncio.gather(first, leaving, called, return_exceptions=True)

    asyncio.run(run())
