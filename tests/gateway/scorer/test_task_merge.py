"""Merging tasks: the target has the sums, labels and embeddings of all, as if all inputs had come there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import StateError
from gateway.scorer import serialization
from gateway.scorer.judged_labels import JudgedInputs, Judges
from gateway.scorer.messages import MergeTasks, ScoredResponse, SeedInputs, SubmitFeedback
from gateway.scorer.scorer import Scorer
from gateway.scorer.task_labels import TaskLabels
from gateway.scorer.task_reader import labels_of
from gateway.state.sqlite import SqliteStore
from gateway.state.store import RING_SIZE, Store
from routing.auto.judge_noise import LabelNoise
from routing.pack import Pack
from routing.task import TaskState
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, small_pack
from tests.gateway.scorer.test_scorer import MIXED, explanation_of, scorer, seen

MERGE = MergeTasks(1, "t", ["a", "b"])


@pytest.fixture(scope="module")
def pack() -> Pack:
    return small_pack(Letters())


def state_of(store: Store, task: str) -> TaskState:
    record = store.read_task(task)
    assert record.task is not None
    return serialization.state_from_bytes(record.task.sums, record.task.n)


def same_sums(found: TaskState, expected: TaskState) -> None:
    assert found.n == expected.n
    for name in ("g_sum", "g_bar_sum", "counts", "distance_sum", "embedding_sum", "wide_sum", "wide_counts"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12, atol=1e-12)


def filled(pack: Pack, folder: Path, **texts: list[str]) -> Scorer:
    made = scorer(pack, SqliteStore(str(folder / "state.db")))
    for task, some in texts.items():
        made.observe_batch(seen(task, *some))
    return made


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.sampled_from(["t", "a", "b"]), min_size=1, max_size=20))
def test_sums_of_merged_tasks_are_the_sums_of_all_inputs(
    pack: Pack, tmp_path_factory: pytest.TempPathFactory, places: list[str]
) -> None:
    texts = {task: [MIXED[at] for at, one in enumerate(places) if one == task] for task in ("t", "a", "b")}
    made = filled(pack, Path(tmp_path_factory.mktemp("merged")), **{task: some for task, some in texts.items() if some})
    together = [*texts["t"], *texts["a"], *texts["b"]]
    alone = filled(pack, Path(tmp_path_factory.mktemp("alone")), t=together)
    decisions, document = made.merge_tasks(MERGE)
    store = made._store
    assert document == {"moved": len(texts["a"]) + len(texts["b"])}
    assert store.task_names() == ["t"]
    same_sums(state_of(store, "t"), state_of(alone._store, "t"))
    assert store.recent_embeddings("t") == alone._store.recent_embeddings("t")
    stored = store.read_task("t").decision
    assert stored is not None
    assert (stored.n, *(one.n for one in decisions)) == (len(together), *([len(together)] if document["moved"] else []))
    assert explanation_of(made)["n"] == len(together)


def test_a_merge_made_again_moves_nothing_and_later_inputs_are_moved(pack: Pack, tmp_path: Path) -> None:
    made = filled(pack, tmp_path, t=inputs("sums", 3), a=inputs("capitals", 2))
    assert made.merge_tasks(MERGE)[1] == {"moved": 2}
    assert made.merge_tasks(MERGE) == ([], {"moved": 0})
    made.observe_batch(seen("b", *inputs("rivers", 1)))
    assert made.merge_tasks(MERGE)[1] == {"moved": 1}
    assert state_of(made._store, "t").n == 6


def test_the_ring_keeps_the_most_recent_of_both(pack: Pack, tmp_path: Path) -> None:
    made = filled(pack, tmp_path, t=inputs("sums", 200), a=inputs("capitals", 150))
    store = made._store
    expected = [*store.recent_embeddings("t"), *store.recent_embeddings("a")][-RING_SIZE:]
    made.merge_tasks(MergeTasks(1, "t", ["a"]))
    assert list(store.recent_embeddings("t")) == expected


def test_labels_and_feedback_are_moved_and_the_targets_own_count_where_both_have_one(
    pack: Pack, tmp_path: Path
) -> None:
    made = filled(pack, tmp_path, t=inputs("sums", 2))
    made.seed_task(SeedInputs(1, "t", ["one plus two"], [{"calc": 1.0}]))
    made.seed_task(SeedInputs(2, "a", ["one plus two", "the capital"], [{"calc": 0.0, "atlas": 0.5}, {"atlas": 1.0}]))
    for task, request in (("t", b"1"), ("a", b"2")):
        made.add_feedback(SubmitFeedback(3, task, [ScoredResponse(request, "calc", 1.0, None, "s", 1.0)]))
    made.merge_tasks(MERGE)
    labels = labels_of(made._store.read_task("t"))
    assert sorted(map(sorted, (one.items() for one in labels.outcomes.values()))) == [
        [("atlas", 0.5), ("calc", 1.0)],
        [("atlas", 1.0)],
    ]
    assert set(labels.ratings.by_request) == {b"1", b"2"}


def test_labels_of_judges_are_moved_judge_by_judge() -> None:
    noise = LabelNoise(1.0, 0.1, 0.1)

    def judged(method: str = "pairwise", **labels: float) -> JudgedInputs:
        return JudgedInputs(method, noise, {text.encode(): {"calc": score} for text, score in labels.items()})

    own = Judges({"judge:a": judged(x=1.0), "judge:b": judged("rubric", x=1.0)})
    other = Judges({"judge:a": judged(x=0.0, y=0.5), "judge:b": judged(y=0.5), "judge:c": judged(y=0.5)})
    merged = TaskLabels(judges=own).merge(TaskLabels(judges=other)).judges
    assert merged.counts == {"judge:a": 2, "judge:b": 1, "judge:c": 1}
    assert merged.by_source["judge:a"].outcomes[b"x"] == {"calc": 1.0}


def test_a_merge_that_fails_changes_nothing(pack: Pack, tmp_path: Path) -> None:
    made = filled(pack, tmp_path, t=inputs("sums", 2), a=inputs("capitals", 2))
    with made._store._file.transaction() as connection:  # type: ignore[attr-defined]  # a SQLite store
        connection.execute("UPDATE tasks SET packed = 0, sums = CAST('broken' AS BLOB) WHERE task = 'a'")
    with pytest.raises(StateError, match="sums cannot be read"):
        made.merge_tasks(MERGE)
    assert made._store.task_names() == ["a", "t"]
    assert state_of(made._store, "t").n == 2
