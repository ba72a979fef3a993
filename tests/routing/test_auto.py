"""The score auto: laws that hold whatever is learnt, and what it learns where the answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.arrays import Embeddings, Floats
from routing.auto.fit import MIN_DATASETS_CHECKED, fit_auto
from routing.auto.posterior import AccuracyPosterior, LabelGroups
from routing.auto.training_data import TrainingData, build_training_data
from routing.auto.views import VIEWS, NearnessKind, ViewEvaluator
from routing.benchmark import Benchmark
from routing.build import build_pack
from routing.calibration import CalibrationSettings, hold_out_datasets
from routing.decision import SETTLED_INPUTS, CostPreference, DecisionReason, explain_decision
from routing.errors import PackMismatch
from routing.manifest import EmbedderId
from routing.pack import Pack, open_pack, save_pack
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState
from tests.routing.conftest import DIM, MODELS, clustered

EVERY = list(range(len(MODELS)))


@pytest.fixture(scope="module")
def ground(benchmark_: Benchmark, vectors: Embeddings) -> TrainingData:
    found = list(hold_out_datasets(vectors, benchmark_.dataset_ids, 4, 19))
    return build_training_data(benchmark_.outcomes, vectors, benchmark_.dataset_ids, found, 19)


@pytest.fixture(scope="module")
def pack(benchmark_: Benchmark, vectors: Embeddings) -> Pack:
    quick = CalibrationSettings(alphas=(0.0,), repeats=1)
    return build_pack(benchmark_, vectors, EmbedderId("made-up", "1", DIM), calibration=quick)


def posterior(seed: int, n: int = 4) -> AccuracyPosterior:
    generator = np.random.default_rng(seed)
    spread = generator.normal(size=(n, n))
    noise = generator.normal(size=(n, n))
    return AccuracyPosterior(generator.random(n), spread @ spread.T / 50 + 1e-3 * np.eye(n), noise @ noise.T / 10)


@given(st.integers(0, 2**32 - 1))
def test_who_is_better_adds_up_to_one(seed: int) -> None:
    told = posterior(seed)
    assert told.probability_better(0, 1) + told.probability_better(1, 0) == pytest.approx(1)
    assert (told.probability_better(0, 1) > 0.5) == (told.mean[0] > told.mean[1])


@given(st.integers(0, 2**32 - 1), st.floats(-0.3, 0.3))
def test_what_moves_all_models_alike_moves_no_difference(seed: int, hard: float) -> None:
    """Harder labelled inputs say nothing about who is better."""
    told, generator = posterior(seed), np.random.default_rng(seed)
    outcomes = generator.random((6, 4))
    here, there = (
        told.condition_on(LabelGroups.from_matrix(outcomes)).mean,
        told.condition_on(LabelGroups.from_matrix(outcomes + hard)).mean,
    )
    np.testing.assert_allclose(here - here[0], there - there[0], atol=1e-3)


@given(st.integers(0, 2**32 - 1))
def test_a_difference_stays_within_what_the_cases_allow(seed: int) -> None:
    told, generator = posterior(seed), np.random.default_rng(seed)
    after = told.condition_on(LabelGroups.from_matrix(generator.random((30, 4))))
    assert after.n_labels == 30
    assert (
        after.standard_deviation(0, 1) ** 2 <= 4 * told.standard_deviation(0, 1) ** 2 + 2 * 0.04 + 1
    )  # the widest case, and its mean


def test_many_labels_are_believed_over_the_benchmark() -> None:
    told = AccuracyPosterior(np.array([0.9, 0.1]), 0.02 * np.eye(2), 0.1 * np.eye(2))
    outcomes = np.tile([0.0, 1.0], (500, 1))
    assert told.condition_on(LabelGroups.from_matrix(outcomes)).probability_better(1, 0) > 0.99
    assert told.condition_on(LabelGroups.from_matrix(outcomes[:0])) is told


def test_a_model_alone_on_its_inputs_says_nothing_about_the_others() -> None:
    """How hard those inputs were is not known: only models asked the same can be compared."""
    told = AccuracyPosterior(np.array([0.5, 0.5]), 0.02 * np.eye(2), 0.1 * np.eye(2))
    after = told.condition_on(LabelGroups.from_matrix(np.array([[0.0, np.nan]] * 50)))
    assert after.mean[0] - after.mean[1] == pytest.approx(0, abs=1e-3)


def test_weights_are_shares_and_leave_the_dataset_itself_out(ground: TrainingData) -> None:
    sight = ViewEvaluator(ground.centres)
    for view in VIEWS:
        if view.nearness is not NearnessKind.NEIGHBOURS:
            within = sight.within_benchmark(view)
            np.testing.assert_allclose(within.sum(axis=1), 1)
            assert (np.diag(within) == 0).all()
            assert sight.for_task(ground.centres[0], view).sum() == pytest.approx(1)


def test_a_task_gets_the_model_of_the_datasets_it_lies_near(ground: TrainingData) -> None:
    best_first = [2, 0, 1, 3]
    learnt = fit_auto(ground, best_first)
    unknown = np.full(4, np.nan)
    near_a, near_b = clustered(50, 0, 30).mean(axis=0), clustered(51, 1, 30).mean(axis=0)
    assert int(learnt.prior_accuracy(near_a, unknown).mean.argmax()) == best_first.index(0)
    assert int(learnt.prior_accuracy(near_b, unknown).mean.argmax()) == best_first.index(1)


def test_permuting_models_permutes_what_is_expected(ground: TrainingData) -> None:
    centre, near = ground.centres[1], ground.near[1]
    here = fit_auto(ground, [0, 1, 2, 3]).prior_accuracy(centre, near).mean
    there = fit_auto(ground, [2, 0, 3, 1]).prior_accuracy(centre, near[[2, 0, 3, 1]]).mean
    np.testing.assert_allclose(here[[2, 0, 3, 1]], there, atol=1e-12)


def test_without_anything_to_learn_it_is_the_best_on_average(ground: TrainingData) -> None:
    """Outcomes that have nothing to do with where a dataset lies."""
    generator = np.random.default_rng(3)
    chance = np.clip(np.array([0.8, 0.7, 0.6, 0.3]) + 0.1 * generator.normal(size=(12, 4)), 0, 1)
    centres = np.array([clustered(seed, seed, 20).mean(axis=0) for seed in range(12)])
    blind = TrainingData(chance, centres, np.full((12, 4), np.nan), ground.within, ground.sampling)
    order = [int(column) for column in np.argsort(-chance.mean(axis=0))]
    learnt = fit_auto(blind, order)
    chosen = [
        int(learnt.prior_accuracy(clustered(90 + n, n, 20).mean(axis=0), np.full(4, np.nan)).mean.argmax())
        for n in range(12)
    ]
    assert chosen.count(0) >= 9, "a gain that could be luck counts for next to nothing"
    one = fit_auto(TrainingData(chance[:1], centres[:1], blind.near[:1], ground.within, ground.sampling), order)
    assert not one.strengths.any(), "a single dataset has no other that could be nearer"
    few = fit_auto(TrainingData(chance[:2], centres[:2], blind.near[:2], ground.within, ground.sampling), order)
    assert few.strengths.sum() == pytest.approx(0.5, abs=0.1), "two teach nothing: what other benchmarks say remains"


def test_a_model_with_gaps_never_counts_as_best_on_average(ground: TrainingData) -> None:
    averages = ground.averages.copy()
    averages[1:, 3] = np.nan
    averages[0, 3] = 1.0
    learnt = fit_auto(replace(ground, averages=averages), [2, 0, 1, 3])
    assert learnt.average[3] <= learnt.average[0] + 1e-12


def test_a_pack_keeps_what_auto_learns_from(pack: Pack, tmp_path: Path) -> None:
    save_pack(pack, tmp_path / "pack")
    again = open_pack(tmp_path / "pack")
    assert again.training_data is not None
    assert pack.training_data is not None
    for name in TrainingData.__slots__:
        if name != "membership":
            np.testing.assert_array_equal(getattr(again.training_data, name), getattr(pack.training_data, name))
    here, there = again.training_data.membership, pack.training_data.membership
    assert here is not None
    assert there is not None
    np.testing.assert_array_equal(here.find_features(clustered(65, 0, 5)), there.find_features(clustered(65, 0, 5)))
    assert pack.report["accuracy"]["auto"] >= pack.report["accuracy"]["best_on_average"]


def test_a_pack_without_it_is_refused_for_auto_alone(pack: Pack, tmp_path: Path) -> None:
    save_pack(replace(pack, training_data=None), tmp_path / "older")
    older = Router(open_pack(tmp_path / "older"))
    state = TaskState.from_evidence(older.find_evidence(clustered(60, 0, 5)))
    assert older.score_task(state, older.select_candidates()).posterior is None
    with pytest.raises(PackMismatch, match=r"auto\.npz"):
        older.score_task(state, older.select_candidates(), ScoreKind.AUTO)


def decided(
    pack: Pack, state: TaskState, current: str | None = None, labels: Floats | None = None
) -> tuple[str, DecisionReason]:
    router = Router(pack)
    made = router.make_decision(
        router.score_task(state, router.select_candidates(), ScoreKind.AUTO, labels), current, ScoreKind.AUTO
    )
    return made.model, made.reason


def test_a_live_task_is_decided_by_its_posterior(pack: Pack) -> None:
    router = Router(pack)
    few, many = (TaskState.from_evidence(router.find_evidence(clustered(61, 0, n))) for n in (3, SETTLED_INPUTS + 20))
    assert decided(pack, router.empty_state()) == ("broad", DecisionReason.COLD_START)
    assert decided(pack, few) == ("left", DecisionReason.SCORE)
    assert decided(pack, few, "right") == ("left", DecisionReason.SCORE), (
        "before it has settled, a task is decided anew"
    )
    assert decided(pack, many, "right") == ("left", DecisionReason.SCORE), "the lead is sure"
    assert decided(pack, many, "broad") in (("left", DecisionReason.SCORE), ("broad", DecisionReason.BEST_ON_AVERAGE))


def test_labels_can_turn_a_decision(pack: Pack) -> None:
    router = Router(pack)
    state = TaskState.from_evidence(router.find_evidence(clustered(62, 0, 10)))
    order = [pack.manifest.model_names.index(name) for name in MODELS]
    labels = np.tile(np.array([0.0, 0.0, 0.0, 1.0]), (60, 1))[:, order]
    assert decided(pack, state, labels=labels)[0] == "poor"


def test_the_account_can_be_worked_out_again(pack: Pack) -> None:
    router = Router(pack)
    state = TaskState.from_evidence(router.find_evidence(clustered(63, 1, 8)))
    scores = router.score_task(state, router.select_candidates(), ScoreKind.AUTO)
    made = router.make_decision(scores, None, ScoreKind.AUTO)
    told = router.explain_auto(state, scores, made)
    assert told is not None
    for who, model in (("leader", made.leader), ("baseline", made.baseline)):
        prior = told["level"] + told["average"][who] + sum(v["strength"] * v[who] for v in told["views"])
        assert prior == pytest.approx(told["new"][who], abs=1e-12)
        match = told["membership"]
        known = sum(one["probability"] * one["share"] * one[who] for one in match["datasets"]) + match["rest"][who]
        assert known + (1 - match["known"]) * prior == pytest.approx(told["prior"][who], abs=1e-12)
        assert told["expected"][who] == pytest.approx(scores.score_of(ScoreKind.AUTO)[scores.models.index(model)])
    from statistics import NormalDist

    assert told["lead"] == pytest.approx(told["expected"]["leader"] - told["expected"]["baseline"])
    assert NormalDist().cdf(told["lead"] / told["deviation"]) == pytest.approx(made.p_better)


def test_a_cheaper_model_is_chosen_where_it_loses_little(pack: Pack) -> None:
    router = Router(pack)
    scores = router.score_task(
        TaskState.from_evidence(router.find_evidence(clustered(64, 0, 10))), router.select_candidates(), ScoreKind.AUTO
    )
    costs = {"left": 10.0, "broad": 1.0, "right": 0.5, "poor": 0.1}

    def chosen(regret: float, prices: dict[str, float] = costs) -> str:
        return router.make_decision(scores, None, ScoreKind.AUTO, CostPreference(regret, prices)).model

    assert chosen(0.0) == "left"
    assert chosen(0.5) == "broad"
    made = router.make_decision(scores, None, ScoreKind.AUTO, CostPreference(0.5, costs))
    assert "broad (expected accuracy" in explain_decision(made, scores, 0.6, ScoreKind.AUTO)
    assert "is the cheapest model that loses no more than allowed to left" in explain_decision(
        made, scores, 0.6, ScoreKind.AUTO
    )
    assert chosen(1.0) == "poor"
    assert chosen(0.5, {"left": 10.0}) == "left", "what has no price is never the cheaper"


def dealt_ground(seed: int, n_datasets: int, of_kind: bool) -> TrainingData:
    """Datasets of two kinds, near to their own; outcomes go by the kind, or by chance."""
    draw = np.random.default_rng(seed)
    kinds = np.arange(n_datasets) % 2
    centres = np.eye(2)[kinds] + draw.normal(0, 0.1, (n_datasets, 2))
    skills = np.array([[0.8, 0.4, 0.6], [0.4, 0.8, 0.6]])
    averages = skills[kinds if of_kind else draw.integers(0, 2, n_datasets)] + draw.normal(0, 0.03, (n_datasets, 3))
    nothing = 1e-4 * np.eye(3)
    return TrainingData(averages, centres, np.full((n_datasets, 3), np.nan), nothing, nothing)


def test_nearness_counts_where_it_tells_more_than_chance() -> None:
    assert all(fit_auto(dealt_ground(seed, 12, of_kind=True), [2, 0, 1]).strengths.any() for seed in range(10))


def test_nearness_that_chance_explains_counts_for_nothing() -> None:
    """One in five may pass; where none does, BMA is chosen whatever the task lies near to."""
    fits = [fit_auto(dealt_ground(seed, 12, of_kind=False), [2, 0, 1]) for seed in range(60)]
    trusted = [one for one in fits if one.strengths.any()]
    assert len(trusted) <= 20
    calm = next(one for one in fits if not one.strengths.any())
    prior = calm.prior_accuracy(np.array([1.0, 0.0]), np.full(3, np.nan))
    np.testing.assert_allclose(prior.mean - prior.mean.mean(), calm.average)
    assert fit_auto(dealt_ground(3, MIN_DATASETS_CHECKED - 1, of_kind=True), [2, 0, 1]).strengths.any(), (
        "few are not checked"
    )
