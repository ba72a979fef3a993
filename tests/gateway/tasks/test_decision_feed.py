"""Decisions as they come."""

import asyncio

import pytest

from gateway.decision import Decision
from gateway.tasks.decision_feed import DecisionEvent, DecisionFeed


def choice(model: str, version: int = 1, task: str = "task-a") -> Decision:
    return Decision(task, version, 5, model, "score", (model,))


def every(_: DecisionEvent) -> bool:
    return True


def changes(happened: DecisionEvent) -> bool:
    return happened.is_change


async def numbers(recent: DecisionFeed, after: int = 0, wait_s: float = 0) -> list[int]:
    return [happened.number for happened in await recent.wait_for(after, wait_s, every)]


@pytest.fixture
def recent() -> DecisionFeed:
    made = DecisionFeed(lambda: 12.5, max_events=3)
    for place, model in enumerate("abcd", 1):
        made.publish(choice(model, place, f"task-{model}"), None)
    return made


def test_the_last_ones_are_kept_and_numbers_show_what_was_missed(recent: DecisionFeed) -> None:
    assert asyncio.run(numbers(recent)) == [2, 3, 4]
    assert asyncio.run(numbers(recent, after=3)) == [4]
    assert asyncio.run(numbers(recent, after=4)) == []
    assert (recent.last_number, recent.reasons, recent.changes) == (4, {"score": 4}, 4)


def test_a_decision_for_the_same_model_is_no_change(recent: DecisionFeed) -> None:
    recent.publish(choice("a"), "a")
    recent.publish(choice("b"), "a")
    found = asyncio.run(recent.wait_for(4, 0, changes))
    assert [(one.before, one.decision.model, one.at) for one in found] == [("a", "b", 12.5)]
    assert recent.changes == 5


def test_who_waits_gets_the_first_that_is_wanted(recent: DecisionFeed) -> None:
    async def waited() -> list[int]:
        waiting = asyncio.create_task(recent.wait_for(4, 20, changes))
        await asyncio.sleep(0)  # the task begins to wait
        recent.publish(choice("a"), "a")
        await asyncio.sleep(0)  # the task has its turn
        assert not waiting.done()
        recent.publish(choice("c"), "a")
        return [happened.number for happened in await waiting]

    assert asyncio.run(waited()) == [6]


def test_waiting_ends(recent: DecisionFeed) -> None:
    assert asyncio.run(numbers(recent, 4, 0.01)) == []
