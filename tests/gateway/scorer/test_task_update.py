"""Decisions of many tasks in one batch: together they are what each is alone."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.scorer.messages import Configure, Observation, ScoreSettings, SeedInputs, TaskPolicy
from gateway.scorer.scorer import Scorer
from gateway.scorer.task_reader import TaskReader
from gateway.state.sqlite import SqliteStore
from gateway.vocabulary import ScoreSetting
from routing.pack import Pack
from routing.router import Router
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, small_pack
from tests.gateway.scorer.test_scorer import ALL, LETTERS, START, seen

TASKS = ("sums", "capitals", "few", "declared", "labelled", "strange")
POLICIES = {
    "few": TaskPolicy(("atlas", "broad")),
    "declared": TaskPolicy(ALL, dataset="rivers"),
    "strange": TaskPolicy(("new",)),
}


@pytest.fixture(scope="module")
def pack() -> Pack:
    return small_pack(LETTERS)


def started(score: ScoreSetting) -> Configure:
    return msgspec.structs.replace(START, routing=ScoreSettings(score=score), tasks=POLICIES)


def stored_after(pack: Pack, folder: Path, score: ScoreSetting, size: int) -> list[Any]:
    """What is stored of all tasks after the same inputs, in batches of a size."""
    folder.mkdir()
    store = SqliteStore(str(folder / "state.db"))
    scorer = Scorer(TaskReader(Router(pack), store, started(score), lambda: 0.0), Letters())
    scorer.seed_task(SeedInputs(1, "labelled", inputs("sums", 3), [{"calc": 0.0, "atlas": 1.0}] * 3))
    observed: list[Observation] = []
    for place in range(45):
        kind = ("sums", "capitals", "rivers")[place % 3 if place > 20 else 0]
        observed += [one for task in TASKS for one in seen(task, inputs(kind, place + 1)[-1])]
    for start in range(0, len(observed), size):
        scorer.observe_batch(observed[start : start + size])
    records = [(store.read_task(task), store.decision_changes(task)) for task in TASKS]
    store.close()
    return [(one.task, one.decision, one.sampling_state, one.explanation.json, changes) for one, changes in records]


@pytest.mark.parametrize("score", ["s3", "auto"])
def test_tasks_decided_together_are_stored_as_each_alone(pack: Pack, tmp_path: Path, score: ScoreSetting) -> None:
    """To the last bit: candidates, declared datasets and labels differ, and one task has no candidate."""
    alone = stored_after(pack, tmp_path / "alone", score, 1)
    assert [None if one[1] is None else one[1].n for one in alone] == [45, 45, 45, 45, 48, None]
    assert any(len(one[4]) > 1 for one in alone), "a decision that never changes shows little"
    for size in (4, 19, 200):
        assert stored_after(pack, tmp_path / str(size), score, size) == alone
