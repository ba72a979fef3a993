"""The scorer without its process: an embedder that counts letters, a real pack, a real store."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.decision import Explanation
from gateway.errors import StateError
from gateway.scorer import serialization
from gateway.scorer.messages import (
    Configure,
    DryRun,
    ExplainTasks,
    Observation,
    ScoredResponse,
    ScoreSettings,
    SeedInputs,
    SetPolicy,
    SubmitFeedback,
    TaskPolicy,
)
from gateway.scorer.queries import ScorerQueries
from gateway.scorer.score_choice import ScoreChoice
from gateway.scorer.scorer import Scorer
from gateway.scorer.task_labels import MAX_PER_CONTEXT, MAX_RATINGS, TaskLabels, text_digest
from gateway.scorer.task_reader import ENOUGH_REQUESTS, TaskReader
from gateway.scorer.task_update import EXPLANATION_INTERVAL, build_explanation
from gateway.state.sqlite import SqliteStore
from gateway.state.store import StateChange
from gateway.usage.ledger import UsageTotals
from routing.calibration import RoutingSettings
from routing.counterfactual import labels_needed
from routing.decision import RoutingDecision
from routing.errors import PackMismatch
from routing.pack import Pack
from routing.router import Router
from routing.scores import ScoreKind, TaskScores
from routing.task import TaskState
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, small_pack

ALL = ("calc", "atlas", "broad")
POLICY = TaskPolicy(ALL)
START = Configure(
    pack="",
    state_url="",
    routing=ScoreSettings(score="s3"),
    policy=POLICY,
    tasks={"few": TaskPolicy(("atlas", "broad")), "strange": TaskPolicy(("new",)), "talk": TaskPolicy(ALL, "all_user")},
)
LETTERS = Letters()
MIXED = [*inputs("capitals", 4), *inputs("sums", 12), *inputs("rivers", 4)]


@pytest.fixture(scope="module")
def pack() -> Pack:
    return small_pack(LETTERS)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(str(tmp_path / "state.db"))


def scorer(pack: Pack, store: SqliteStore, about: RoutingSettings | None = None) -> Scorer:
    return Scorer(TaskReader(Router(pack, about), store, START, itertools.count(100).__next__), LETTERS)


def queries(made: Scorer) -> ScorerQueries:
    return ScorerQueries(made._tasks, made._embedder)


def explanation_of(made: Scorer, task: str = "t") -> dict[str, Any]:
    """As the API shows it: derived where the stored one is of earlier inputs."""
    (one,) = queries(made).explain_tasks(ExplainTasks(1, [task]))["explained"].values()
    found: dict[str, Any] = json.loads(one["explanation"])
    return found


def seen(task: str, *texts: str) -> list[Observation]:
    return [Observation(task, json.dumps([{"role": "user", "content": text}]).encode()) for text in texts]


def library_fold(pack: Pack, texts: Sequence[str]) -> tuple[TaskState, TaskScores, RoutingDecision, list[str]]:
    """What the library says, input by input; the last is every model in turn."""
    router = Router(pack)
    state, turns = router.empty_state(), list[str]()
    for text in texts:
        state = state + TaskState.from_evidence(router.find_evidence(LETTERS.embed_texts([text])))
        scores = router.score_task(state, router.select_candidates())
        made = router.make_decision(scores, turns[-1] if turns else None)
        if not turns or made.model != turns[-1]:
            turns.append(made.model)
    return state, scores, made, turns


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 7), min_size=1, max_size=20), others=st.lists(st.integers(0, 19), max_size=10))
def test_however_inputs_are_cut_the_result_is_the_librarys(
    pack: Pack, tmp_path_factory: pytest.TempPathFactory, cuts: list[int], others: list[int]
) -> None:
    """Batches of any size, with another task's inputs between them."""
    store = SqliteStore(str(tmp_path_factory.mktemp("fold") / "state.db"))
    made, waiting, sizes = scorer(pack, store), list(MIXED), itertools.cycle(cuts)
    while waiting:
        size = next(sizes)
        batch = [*seen("t", *waiting[:size]), *seen("other", *(MIXED[place] for place in others[:size]))]
        made.observe_batch(batch)
        del waiting[:size]
    state, scores, decision, turns = library_fold(pack, MIXED)
    stored = store.read_task("t").decision
    assert stored is not None
    assert (stored.model, stored.reason, stored.ranking, stored.n) == (
        decision.model,
        decision.reason.value,
        decision.ranking,
        len(MIXED),
    )
    shown = {one["model"]: one for one in explanation_of(made)["scores"]}
    for place, model in enumerate(scores.models):
        assert shown[model]["s1"] == pytest.approx(scores.s1[place], abs=1e-12)
        assert shown[model]["s2"] == pytest.approx(scores.s2[place], abs=1e-12)
        assert shown[model]["s3"] == pytest.approx(scores.s3[place], abs=1e-9)
    assert explanation_of(made)["u"] == pytest.approx(state.mean_distance, abs=1e-9)
    history = store.decision_changes("t")
    assert [turn.model for turn in history] == turns
    assert [turn.version for turn in history] == list(range(1, len(turns) + 1))
    store.close()


def test_the_version_rises_when_the_model_changes_and_only_then(pack: Pack, store: SqliteStore) -> None:
    made = scorer(pack, store)
    told = [made.observe_batch(seen("t", text)).decisions[0] for text in inputs("sums", 15)]
    assert told[-1].model == "calc"
    for before, after in itertools.pairwise(told):
        assert after.version - before.version == (after.model != before.model)
        assert after.n == before.n + 1


def test_candidates_limit_the_choice_and_strangers_leave_none(pack: Pack, store: SqliteStore) -> None:
    made = scorer(pack, store)
    decided = {one.task: one for one in made.observe_batch(seen("few", *MIXED) + seen("strange", *MIXED)).decisions}
    assert set(decided) == {"few"}
    assert set(decided["few"].ranking) == {"atlas", "broad"}
    stored = store.read_task("strange")
    assert stored.task is not None
    assert (stored.task.n, stored.decision) == (len(MIXED), None)


def test_no_text_is_not_counted_and_nonsense_is_a_fault(pack: Pack, store: SqliteStore) -> None:
    made = scorer(pack, store)
    image = Observation("t", b'[{"role":"user","content":[{"type":"image_url"}]}]')
    done = made.observe_batch([image, Observation("t", b"nonsense"), *seen("t", "What is 1 plus 2?")])
    assert (done.received, done.counts.errors, done.decisions[0].n) == (3, 1, 1)
    assert made.observe_batch([image]).decisions == []


def test_a_task_says_which_messages_are_its_input(pack: Pack, store: SqliteStore) -> None:
    talk = json.dumps([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]).encode()
    made = scorer(pack, store)
    made.observe_batch([Observation("talk", talk), Observation("plain", talk)])
    expected = {"talk": LETTERS.embed_texts(["a\nb"]), "plain": LETTERS.embed_texts(["b"])}
    for task, vector in expected.items():
        assert np.frombuffer(store.recent_embeddings(task)[0], dtype="<f2") == pytest.approx(vector[0], abs=1e-3)


def test_a_seed_counts_as_inputs(pack: Pack, store: SqliteStore) -> None:
    decisions, told = scorer(pack, store).seed_task(SeedInputs(1, "t", inputs("sums", 12)))
    assert (told["n"], told["added"], told["decision"]["model"]) == (12, 12, "calc")
    assert decisions[0].model == "calc"
    assert json.loads(json.dumps(told)) == told
    strange = scorer(pack, store).seed_task(SeedInputs(1, "strange", ["x"]))[1]
    assert (strange["n"], strange["decision"]) == (1, None)


def test_a_dry_run_is_equation_six_once_and_leaves_no_trace(pack: Pack, store: SqliteStore) -> None:
    made, router = scorer(pack, store), Router(pack)
    told = queries(made).dry_run(DryRun(1, MIXED))
    state = TaskState.from_evidence(router.find_evidence(LETTERS.embed_texts(MIXED)))
    expected = router.make_decision(router.score_task(state, router.select_candidates()))
    assert (told["decision"]["model"], told["decision"]["p_better"]) == (expected.model, expected.p_better)
    assert told["decision"]["ranking"] == list(expected.ranking)
    assert store.task_names() == []
    assert queries(made).dry_run(DryRun(1, MIXED, "few"))["decision"]["model"] in {"atlas", "broad"}
    assert queries(made).dry_run(DryRun(1, MIXED, None, ["broad"]))["decision"]["ranking"] == ["broad"]
    with pytest.raises(ValueError, match="none of the candidates"):
        queries(made).dry_run(DryRun(1, MIXED, "strange"))


def test_a_forgotten_task_begins_again(pack: Pack, store: SqliteStore) -> None:
    made = scorer(pack, store)
    made.observe_batch(seen("t", *inputs("sums", 12)))
    assert store.forget_task("t")
    assert not store.forget_task("t")
    assert made.observe_batch(seen("t", "What is 1 plus 1?")).decisions[0].version == 1


def test_another_pack_scores_live_tasks_again_from_their_embeddings(pack: Pack, store: SqliteStore) -> None:
    scorer(pack, store).observe_batch(seen("t", *inputs("sums", 12)) + seen("strange", "x"))
    swapped = replace(pack, outcomes=pack.outcomes[:, [1, 0, 2]])
    swapped = replace(swapped, manifest=replace(pack.manifest, name="swapped").with_content_hash())
    made = scorer(swapped, store)
    told = {one.task: one for one in made.rescore_stale()}
    assert set(told) == {"t"}
    assert (told["t"].model, told["t"].n) == ("atlas", 12)
    assert store.decision_changes("t")[-1].model == "atlas"
    assert made.rescore_stale() == []
    assert made.observe_batch(seen("t", "What is 1 plus 1?")).decisions[0].n == 13


def test_other_settings_that_g_depends_on_count_as_another_pack(pack: Pack, store: SqliteStore) -> None:
    scorer(pack, store).observe_batch(seen("t", *MIXED))
    assert scorer(pack, store).rescore_stale() == []
    assert scorer(pack, store, RoutingSettings(sigma=0.2)).rescore_stale() == []
    assert len(scorer(pack, store, RoutingSettings(k=1)).rescore_stale()) == 1


def test_embeddings_of_another_length_begin_again(store: SqliteStore, pack: Pack) -> None:
    scorer(pack, store).observe_batch(seen("t", *MIXED))
    shorter = Letters(dim=20)
    made = Scorer(TaskReader(Router(small_pack(shorter)), store, START, lambda: 0.0), shorter)
    assert [(one.n, one.reason) for one in made.rescore_stale()] == [(0, "cold-start")]
    assert made.observe_batch(seen("t", "What is 1 plus 1?")).decisions[0].n == 1


def test_a_task_scored_by_auto_says_how_it_came_to_that(pack: Pack, store: SqliteStore) -> None:
    start = msgspec.structs.replace(START, routing=ScoreSettings(score="auto"))
    made = Scorer(TaskReader(Router(pack), store, start, itertools.count(100).__next__), LETTERS)
    made.observe_batch(seen("t", *inputs("sums", 6)))
    decision = store.read_task("t").decision
    assert decision is not None
    assert explanation_of(made)["decision"]["score"] == "auto"
    assert {"views", "prior", "expected", "lead", "deviation"} <= set(explanation_of(made)["auto"])
    assert all("auto" in row for row in explanation_of(made)["scores"])


def test_a_pack_that_auto_cannot_use_is_refused(pack: Pack, store: SqliteStore) -> None:
    older, start = (
        replace(pack, training_data=None),
        msgspec.structs.replace(START, routing=ScoreSettings(score="auto")),
    )
    with pytest.raises(PackMismatch, match=r"auto\.npz"):
        Scorer(TaskReader(Router(older), store, start, itertools.count(100).__next__), LETTERS)
    with pytest.raises(PackMismatch, match=r"auto\.npz"):
        Scorer(TaskReader(Router(older), store, START, itertools.count(100).__next__), LETTERS).set_policy(
            SetPolicy(1, "t", TaskPolicy(ALL, score="auto"))
        )


def test_labels_turn_a_task_scored_by_auto(pack: Pack, store: SqliteStore) -> None:
    """They outlive further inputs, and another pack; the same input labelled again counts once."""
    start = msgspec.structs.replace(START, routing=ScoreSettings(score="auto"))
    made = Scorer(TaskReader(Router(pack), store, start, itertools.count(100).__next__), LETTERS)
    texts = inputs("sums", 40)
    made.observe_batch(seen("t", *texts[:4]))
    before = store.read_task("t").decision
    assert before is not None
    worst = before.ranking[-1]
    outcomes = [{name: float(name == worst) for name in ALL} for _ in texts]
    _, told = made.seed_task(SeedInputs(1, "t", texts, outcomes))
    assert (told["labels"], told["decision"]["model"]) == (40, worst)
    n = told["n"]
    _, again = made.seed_task(SeedInputs(2, "t", texts, outcomes))
    assert (again["labels"], again["n"]) == (40, n)
    made.observe_batch(seen("t", *texts[:3]))
    other = Scorer(TaskReader(Router(pack, RoutingSettings(k=4)), store, start, itertools.count(100).__next__), LETTERS)
    assert [decision.model for decision in other.rescore_stale()] == [worst]
    after = store.read_task("t").decision
    assert after is not None
    assert explanation_of(other)["auto"]["labels"] == 40
    assert "40 labelled" in explanation_of(other)["decision"]["why"]


def test_labels_that_cannot_be_read_are_refused() -> None:
    data = serialization.state_to_bytes(TaskState.empty_state(2, 3), TaskLabels().with_labels(["x"], [{"calc": 1.0}]))
    assert serialization.labels_from_bytes(data).outcomes.keys() == {text_digest("x")}
    with pytest.raises(StateError, match="labels"):
        serialization.labels_from_bytes(data[:-1])
    with pytest.raises(StateError, match="sums"):
        serialization.labels_from_bytes(b"x")


def rated(number: int, model: str, score: float, chance: float | None = 0.5, stratum: str = "1/a") -> ScoredResponse:
    return ScoredResponse(number.to_bytes(8), model, score, chance, stratum, float(number))


AUTO = msgspec.structs.replace(START, routing=ScoreSettings(score="auto"))


def test_scored_answers_turn_a_task_scored_by_auto(pack: Pack, store: SqliteStore) -> None:
    """They outlive further inputs and another pack, and stand beside labels."""
    made = Scorer(TaskReader(Router(pack), store, AUTO, itertools.count(100).__next__), LETTERS)
    made.observe_batch(seen("t", *inputs("sums", 4)))
    before = store.read_task("t").decision
    assert before is not None
    best, worst = before.ranking[0], before.ranking[-1]
    answers = [rated(n, (best, worst)[n % 2], float(n % 2)) for n in range(400)]
    _, told = made.add_feedback(SubmitFeedback(1, "t", answers))
    assert (told["feedback"], told["decision"]["model"]) == (400, worst)
    assert "and 400 feedback scores" in told["decision"]["why"]
    made.seed_task(SeedInputs(2, "t", ["x"], [{"calc": 1.0}]))
    made.observe_batch(seen("t", *inputs("sums", 3)))
    other = Scorer(TaskReader(Router(pack, RoutingSettings(k=4)), store, AUTO, itertools.count(100).__next__), LETTERS)
    assert [decision.model for decision in other.rescore_stale()] == [worst]
    after = store.read_task("t").decision
    assert after is not None
    told = explanation_of(other)["auto"]
    assert (told["labels"], told["feedback"]["n"]) == (1, 400)
    assert told["feedback"]["leader"] == {"n": 200, "mean": 1.0}


def test_an_answer_to_a_task_without_inputs_waits_for_them(pack: Pack, store: SqliteStore) -> None:
    made = Scorer(TaskReader(Router(pack), store, AUTO, itertools.count(100).__next__), LETTERS)
    _, told = made.add_feedback(SubmitFeedback(1, "t", [rated(1, "calc", 1.0), rated(2, "nobody's", 1.0)]))
    assert (told["feedback"], told["decision"]["reason"]) == (2, "cold-start")
    made.observe_batch(seen("t", "What is 1 plus 2?"))
    after = store.read_task("t").decision
    assert after is not None
    assert explanation_of(made)["auto"]["feedback"]["n"] == 1, (
        "a model that the pack does not know waits for one that does"
    )


told_answers = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(ALL), st.sampled_from([None, 1.0, 0.25]), st.sampled_from("ab")),
    unique_by=lambda answer: answer[0],
    max_size=20,
)


@given(told_answers, st.randoms(), st.lists(st.integers(0, 19), max_size=10))
def test_scores_count_once_and_in_any_order(
    answers: list[tuple[int, str, float | None, str]], random: Random, again: list[int]
) -> None:
    some = [rated(n, model, n / 30, chance, stratum) for n, model, chance, stratum in answers]
    other = some + [some[place] for place in again if place < len(some)]
    random.shuffle(other)
    here, there = TaskLabels().with_feedback(some), TaskLabels()
    for one in other:
        there = TaskLabels.from_bytes(there.with_feedback([one]).to_bytes())
    assert here.ratings.by_request == there.ratings.by_request
    mine, theirs = here.ratings.to_feedback(ALL), there.ratings.to_feedback(ALL)
    assert (mine is None) == (theirs is None)
    if mine is not None and theirs is not None:
        np.testing.assert_array_equal(mine.to_likelihood(3).precision, theirs.to_likelihood(3).precision)
        np.testing.assert_array_equal(mine.to_likelihood(3).shift, theirs.to_likelihood(3).shift)


def test_the_last_word_on_an_answer_holds() -> None:
    kept = TaskLabels().with_feedback([rated(1, "calc", 1.0)]).with_feedback([rated(1, "calc", 0.25)]).ratings
    assert [one.score for one in kept.by_request.values()] == [0.25]


def test_the_newest_answers_are_kept_and_rare_models_are_not_crowded_out() -> None:
    many = [rated(n, "calc", 1.0) for n in range(3000)]
    kept = TaskLabels().with_feedback([rated(1, "broad", 0.0), *many[2:]]).ratings
    assert len(kept.by_request) == MAX_PER_CONTEXT + 1
    assert (2999).to_bytes(8) in kept.by_request
    spread = [rated(n, "calc", 1.0, stratum=str(n // 100)) for n in range(5000)]
    assert len(TaskLabels().with_feedback(spread).ratings.by_request) == MAX_RATINGS


def test_costs_are_weighted_by_a_tasks_own_tokens_once_there_are_enough(pack: Pack, store: SqliteStore) -> None:
    """`calc` is dear to ask and `atlas` dear to hear: which is cheaper depends on what the task's answers are like."""
    prices = {"calc": (10.0, 1.0), "atlas": (1.0, 10.0), "broad": (9.0, 9.0)}
    policy = TaskPolicy(
        ALL, score="auto", objective=(1.0, 100.0), costs={"calc": 5.5, "atlas": 5.6, "broad": 9.0}, prices=prices
    )
    start = msgspec.structs.replace(START, policy=policy)
    made = Scorer(TaskReader(Router(pack), store, start, itertools.count(100).__next__), LETTERS)

    def told() -> tuple[str, dict[str, Any]]:
        made.observe_batch(seen("t", MIXED[0]))
        decision = store.read_task("t").decision
        assert decision is not None
        return decision.model, explanation_of(made)["decision"]["thrift"]

    model, thrift = told()
    assert (model, thrift["tokens"], thrift["price"]) == ("calc", None, 100.0)
    store.add_usage({("task", "t", "2026-01-01"): UsageTotals(ENOUGH_REQUESTS - 1, 900, 100)})
    assert told()[1]["tokens"] is None
    store.add_usage(
        {("task", "t", "2026-01-02"): UsageTotals(1, 0, 0), ("task", "other", "2026-01-02"): UsageTotals(99, 0, 9999)}
    )
    model, thrift = told()
    assert (model, thrift["tokens"]) == ("atlas", {"input": 900, "output": 100})
    costs = {one["model"]: one for one in thrift["costs"]}
    assert costs["atlas"]["cost"] == pytest.approx(0.9 * 1 + 0.1 * 10)
    assert costs["calc"]["share"] == pytest.approx((0.9 * 10 + 0.1 * 1) / 9.1)
    decision = store.read_task("t").decision
    assert decision is not None
    expected = {one["model"]: one["auto"] for one in explanation_of(made)["scores"]}
    worth = {name: expected[name] - 100 * costs[name]["share"] for name in ALL}
    assert max(worth, key=lambda name: worth[name]) == model
    assert f"= {worth[model]:.3f}" in explanation_of(made)["decision"]["why"]


def test_max_regret_goes_by_the_tasks_tokens_too(pack: Pack, store: SqliteStore) -> None:
    prices = {"calc": (10.0, 1.0), "atlas": (1.0, 10.0), "broad": (9.0, 9.0)}
    policy = TaskPolicy(ALL, score="auto", max_regret=1.0, costs={"calc": 5.5, "atlas": 5.6}, prices=prices)
    store.add_usage({("task", "t", "2026-01-01"): UsageTotals(ENOUGH_REQUESTS, 900, 100)})
    made = Scorer(TaskReader(Router(pack), store, msgspec.structs.replace(START, policy=policy), lambda: 1.0), LETTERS)
    made.observe_batch(seen("t", MIXED[0]))
    made.observe_batch(seen("new", MIXED[0]))
    models = [decision.model for name in ("t", "new") if (decision := store.read_task(name).decision)]
    assert models == ["atlas", "calc"]


def test_what_would_change_a_decision_is_told_with_its_numbers(pack: Pack, store: SqliteStore) -> None:
    """By auto from expected accuracies that are shown; by S3 with p and n that are."""
    made = Scorer(TaskReader(Router(pack), store, AUTO, itertools.count(100).__next__), LETTERS)
    made.observe_batch(seen("t", *inputs("sums", 6)))
    by_auto = store.read_task("t").decision
    assert by_auto is not None
    told, shown = explanation_of(made)["decision"]["would_change"], expectations(explanation_of(made))
    assert told["lead"] == pytest.approx(shown[told["model"]] - shown[by_auto.model])
    for row in explanation_of(made)["scores"]:
        assert 0 <= row["auto_low"] < row["auto"] < row["auto_high"] <= 1
        below, above = row["auto"] - row["auto_low"], row["auto_high"] - row["auto"]
        # Symmetric, but for an end that is cut at 0 or 1.
        assert below == pytest.approx(above) if row["auto_low"] > 0 and row["auto_high"] < 1 else below != above
    assert told["score"] == pytest.approx(shown[by_auto.model] + told["needed"])
    assert told["labels"] == labels_needed(told["lead"], told["deviation"], told["noise"], 0.0)
    scored = scorer(pack, store)
    scored.observe_batch(seen("s3", *MIXED))
    by_s3 = store.read_task("s3").decision
    assert by_s3 is not None
    told = explanation_of(scored, "s3")["decision"]["would_change"]
    assert told["text"] == f"{told['model']} would be selected at an S3 of {told['score']:.3f} (now {told['has']:.3f})."


def expectations(explanation: dict[str, Any]) -> dict[str, float]:
    return {row["model"]: row["auto"] for row in explanation["scores"]}


def test_an_explanation_is_stored_when_a_decision_changes_and_every_few_inputs(pack: Pack, store: SqliteStore) -> None:
    """In between it is derived for who asks, the same as if it had been stored."""
    made, texts = scorer(pack, store), inputs("sums", 60)
    dated = []
    for n, text in enumerate(texts, 1):
        made.observe_batch(seen("t", text))
        record = store.read_task("t")
        assert record.decision is not None
        stored, derived = record.explanation.to_dict(), explanation_of(made)
        assert derived["n"] == n
        assert derived["skipped"] == 0
        assert derived["decision"]["why"] == every_input_explained(pack, texts[:n])["decision"]["why"]
        if record.explanation.describes(record.decision):
            assert stored == derived
            dated.append(n)
        assert 0 <= n - stored["n"] < EXPLANATION_INTERVAL
    changes = {change.n for change in store.decision_changes("t")}
    assert changes <= set(dated)
    assert {16, 32, 48} <= set(dated)
    assert len(dated) < 15


def every_input_explained(pack: Pack, texts: Sequence[str]) -> dict[str, Any]:
    """What the library says behind the last of these, decided one by one."""
    router, current = Router(pack), None
    state = router.empty_state()
    for text in texts:
        state = state + TaskState.from_evidence(router.find_evidence(LETTERS.embed_texts([text])))
        scores = router.score_task(state, router.select_candidates())
        made = router.make_decision(scores, current)
        current = made.model
    return build_explanation(router, state, made, scores, ScoreChoice(ScoreKind.S3, "s3", "it is configured"))


def test_an_explanation_of_an_earlier_version_is_replaced_with_the_next_input(pack: Pack, store: SqliteStore) -> None:
    """It does not say which inputs it was derived from, and so could not be told from a current one."""
    made = scorer(pack, store)
    made.observe_batch(seen("t", *inputs("sums", 20)))
    record = store.read_task("t")
    assert record.task is not None
    document = {name: value for name, value in record.explanation.to_dict().items() if name != "n"} | {"skipped": 7}
    undated = StateChange(record.task, [], record.decision, (), explanation=Explanation.from_dict(document))
    store.update_task(["t"], lambda _: {"t": undated})
    assert explanation_of(made) == document
    made.observe_batch(seen("t", "What is 1 plus 2?"))
    assert (explanation_of(made)["n"], store.read_task("t").explanation.skipped) == (21, 7)


def test_a_policy_of_a_later_configuration_does_not_explain_an_earlier_decision(pack: Pack, store: SqliteStore) -> None:
    scorer(pack, store).observe_batch(seen("t", *inputs("sums", 21)))
    stored = store.read_task("t").explanation.to_dict()
    changed = msgspec.structs.replace(START, policy=TaskPolicy(("atlas", "broad")))
    other = Scorer(TaskReader(Router(pack), store, changed, lambda: 0.0), LETTERS)
    assert explanation_of(other) == stored
