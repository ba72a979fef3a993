"""Decisions as they come."""

import asyncio

import pytest

from gateway.tasks.decision_feed import Happened, Recent
from gateway.tasks.decision_table import Choice


def choice(model: str, version: int = 1) -> Choice:
    return Choice(version, 5, model, "score", [model])


def every(_: Happened) -> bool:
    return True


def changes(happened: Happened) -> bool:
    return happened.is_change


async def numbers(recent: Recent, after: int = 0, wait_s: float = 0) -> list[int]:
    return [happened.number for happened in await recent.after(after, wait_s, every)]


@pytest.fixture
def recent() -> Recent:
    made = Recent(lambda: 12.5, kept=3)
    for place, model in enumerate("abcd", 1):
        made.saw(f"task-{model}", choice(model, place), None)
    return made


def test_the_last_ones_are_kept_and_numbers_show_what_was_missed(recent: Recent) -> None:
    assert asyncio.run(numbers(recent)) == [2, 3, 4]
    assert asyncio.run(numbers(recent, after=3)) == [4]
    assert asyncio.run(numbers(recent, after=4)) == []
    assert (recent.number, recent.reasons, recent.changes) == (4, {"score": 4}, 4)


def test_a_decision_for_the_same_model_is_no_change(recent: Recent) -> None:
    recent.saw("task-a", choice("a"), "a")
    recent.saw("task-a", choice("b"), "a")
    found = asyncio.run(recent.after(4, 0, changes))
    assert [(one.before, one.choice.model, one.at) for one in found] == [("a", "b", 12.5)]
    assert recent.changes == 5


def test_who_waits_gets_the_first_that_is_wanted(recent: Recent) -> None:
    async def waited() -> list[int]:
        waiting = asyncio.create_task(recent.after(4, 20, changes))
        await asyncio.sleep(0)
        recent.saw("task-a", choice("a"), "a")
        await asyncio.sleep(0)
        assert not waiting.done()
        recent.saw("task-a", choice("c"), "a")
        return [happened.number for happened in await waiting]

    assert asyncio.run(waited()) == [6]


def test_waiting_ends(recent: Recent) -> None:
    assert asyncio.run(numbers(recent, 4, 0.01)) == []
