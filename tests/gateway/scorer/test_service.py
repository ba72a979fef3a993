"""The service that both deployments run: packs, retries, questions and their errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config import parse_config
from gateway.errors import StateError
from gateway.scorer.messages import (
    AddJudgedLabels,
    DryRun,
    ExplainTasks,
    ForgetTask,
    Inspect,
    JudgeCounts,
    JudgeVerdicts,
    MergeTasks,
    Observation,
    Question,
    RemoveJudgedLabels,
    ScoreSettings,
    SeedInputs,
    SetPolicy,
    SubmitFeedback,
    TaskPolicy,
)
from gateway.scorer.service import OpenPack, ScorerService, ServiceHooks, StoreRetry, open_pack, routing_settings
from gateway.state.sqlite import SqliteStore
from gateway.state.store import NO_SAMPLING_STATES, StateChange, TaskRecord
from gateway.tasks.resolved_config import resolve_config
from routing.calibration import RoutingSettings
from routing.manifest import Manifest
from routing.router import Router
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, saved_pack, small_pack
from tests.gateway.scorer.test_scorer import ALL, LETTERS, START, seen
from tests.gateway.serving import configuration

Change = Callable[[Mapping[str, TaskRecord]], Mapping[str, StateChange]]


class Busy(SqliteStore):
    """Refuses as many updates as it is told to."""

    refusals = 0
    error: type[StateError] = StateError

    def update_task(
        self,
        tasks: Sequence[str],
        change: Change,
        sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES,
        used_at: float | None = None,
        removed: Sequence[str] = (),
    ) -> None:
        self.refusals -= 1
        if self.refusals >= 0:
            raise self.error("database is locked")
        super().update_task(tasks, change, sampling_states, used_at, removed)


class Lost(StateError):
    pass


@pytest.fixture
def store(tmp_path: Path) -> Busy:
    return Busy(str(tmp_path / "state.db"))


def service(store: SqliteStore, **hooks: Any) -> ScorerService:
    pack = OpenPack(Router(small_pack(LETTERS)), LETTERS, {})
    return ScorerService(pack, store, START, ServiceHooks(**{"retry": StoreRetry(3, 0.001), **hooks}), lambda: 0.0)


def test_a_busy_store_is_tried_again_and_every_input_counts_once(store: Busy) -> None:
    made = service(store)
    texts = inputs("sums", 400)
    made.apply(seen("t", *texts[:300]))  # settled by now: a batch is cut where its rate is looked at again
    store.refusals = 2
    done = made.apply(seen("t", *texts[300:]))
    expected = SqliteStore(store._path + ".once")
    once = service(expected)
    for start in (0, 300):
        once.apply(seen("t", *texts[start : start + 300]))
    assert (done.received, done.counts.errors) == (100, 0)
    assert done.took_s > 0
    assert store.read_task("t") == expected.read_task("t")


def test_a_store_that_stays_busy_is_an_error_of_the_transport(store: Busy) -> None:
    made = service(store)
    store.refusals = 3
    with pytest.raises(StateError, match="locked"):
        made.apply(seen("t", "x"))
    store.refusals = 3
    reply = made.answer(SeedInputs(7, "t", ["x"])).reply
    assert (reply.id, reply.document, reply.error) == (7, None, "database is locked")


def test_a_fatal_error_is_neither_tried_again_nor_answered(store: Busy) -> None:
    made = service(store, fatal=(Lost,))
    store.refusals, store.error = 1, Lost
    with pytest.raises(Lost):
        made.answer(SeedInputs(1, "t", ["x"]))
    store.refusals = 1
    with pytest.raises(Lost):
        made.apply(seen("t", "x"))


def test_what_cannot_be_embedded_counts_as_errors_and_the_next_batch_goes_on(store: Busy) -> None:
    class Failing(Letters):
        def embed_texts(self, texts: Sequence[str]) -> Any:
            if "fail" in texts:
                raise ZeroDivisionError
            return super().embed_texts(texts)

    embedder = Failing()
    pack = OpenPack(Router(small_pack(embedder)), embedder, {})
    made = ScorerService(pack, store, START, clock=lambda: 0.0)
    assert made.apply([*seen("t", "fail"), Observation("t", b"nonsense")]).counts.errors == 2
    done = made.apply(seen("t", "What is 1 plus 2?"))
    assert (done.counts.errors, done.decisions[0].n) == (0, 1)
    reply = made.answer(SeedInputs(1, "t", ["fail"])).reply
    assert reply.error is not None
    assert "log" in reply.error


JUDGE = JudgeVerdicts("j", "score", JudgeCounts(50, 50))
STORING = MergeTasks | SeedInputs | AddJudgedLabels | RemoveJudgedLabels | SubmitFeedback | SetPolicy


def test_every_question_has_its_answer(store: Busy) -> None:
    policies: list[tuple[str, TaskPolicy]] = []
    made = service(store, on_policy=lambda *policy: policies.append(policy))
    few = TaskPolicy(("atlas", "broad"))
    asked: list[tuple[Question, str, Any]] = [
        (SeedInputs(1, "t", inputs("sums", 12)), "n", 12),
        (AddJudgedLabels(9, "t", ["x"], [{"calc": 1.0}], JUDGE), "judged", {"judge:j": 1}),
        (RemoveJudgedLabels(10, "t", "j"), "removed", 1),
        (SubmitFeedback(2, "t", []), "feedback", 0),
        (DryRun(3, inputs("sums", 12)), "n", 12),
        (SetPolicy(4, "t", few), "decided", 1),
        (Inspect(5, "evidence", "t"), "n", 12),
        (ExplainTasks(8, ["unknown"]), "explained", {}),
        (MergeTasks(9, "other", ["t"]), "moved", 12),
        (ForgetTask(6, "other"), "known", True),
        (ForgetTask(7, "t"), "known", False),
    ]
    assert {type(question) for question, _, _ in asked} == set(Question.__args__)
    for question, member, value in asked:
        answer = made.answer(question)
        assert answer.reply.document is not None, answer.reply
        assert (answer.reply.id, answer.reply.document[member]) == (question.id, value)
        assert bool(answer.decisions) == isinstance(question, STORING)
    assert policies == [("t", few)]


def test_a_refused_policy_is_not_passed_on(store: Busy) -> None:
    policies: list[str] = []
    older = replace(small_pack(LETTERS), training_data=None)
    hooks = ServiceHooks(on_policy=lambda task, policy: policies.append(task))
    made = ScorerService(OpenPack(Router(older), LETTERS, {}), store, START, hooks)
    reply = made.answer(SetPolicy(1, "t", TaskPolicy(ALL, score="auto"))).reply
    assert reply.error is not None
    assert "auto.npz" in reply.error
    assert policies == []


def test_an_embedder_is_kept_for_a_pack_that_needs_the_same_one(tmp_path: Path) -> None:
    loaded: list[str] = []

    def load(path: Path, manifest: Manifest) -> Letters:
        loaded.append(path.name)
        return Letters()

    first = open_pack(saved_pack(tmp_path / "one", Letters()), ScoreSettings(), None, load)
    second = open_pack(saved_pack(tmp_path / "two", Letters()), ScoreSettings(), first, load)
    assert loaded == ["one"]
    assert second.embedder is first.embedder


def test_every_routing_parameter_of_the_configuration_reaches_the_library(tmp_path: Path) -> None:
    """Each is another number than the library's own."""
    own = {"k": 3, "kappa": 7, "threshold": 0.75, "sigma": 0.2, "eta": 0.9}
    assert set(own) == {field.name for field in fields(RoutingSettings)}
    pack = saved_pack(tmp_path / "pack", Letters())
    text = configuration("http://127.0.0.1:1", ("good",), routing={"pack": str(pack), **own})
    plan = resolve_config(parse_config(text, "config.yaml", {}))
    assert plan.start is not None
    opened = open_pack(pack, plan.start.routing, None, lambda path, manifest: Letters())
    assert opened.router.settings == RoutingSettings(**own)  # type: ignore[arg-type]
    assert routing_settings(ScoreSettings()) == RoutingSettings()
