"""Membership of a task in the benchmark's datasets: laws, and decisions where the answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.arrays import Embeddings, Floats, Ints
from routing.auto.fit import fit_auto
from routing.auto.labelling import TaskLabelling
from routing.auto.member_rows import MemberRows
from routing.auto.membership import MembershipModel, TaskMembership, fit_membership
from routing.auto.references import MAX_PER_DATASET, DatasetReferences
from routing.auto.twins import find_twins
from routing.benchmark import Benchmark, Dataset, Model
from routing.build import build_pack
from routing.calibration import CalibrationSettings
from routing.decision import DecisionReason
from routing.errors import PackMismatch
from routing.manifest import EmbedderId
from routing.pack import Pack, open_pack, save_pack
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState
from tests.routing.conftest import DIM, MODELS, clustered

APART = 6
"""Datasets of `spread_out`, each around an axis of its own."""


def spread_out(seed: int = 0, per: int = 60) -> tuple[Embeddings, Ints]:
    vectors = np.concatenate([clustered(100 * seed + place, place, per) for place in range(APART)])
    return vectors, np.repeat(np.arange(APART), per)


def fitted(vectors: Embeddings, ids: Ints, n_datasets: int) -> MembershipModel:
    model = fit_membership(DatasetReferences.draw_references(vectors, ids, n_datasets))
    assert model is not None
    return model


@pytest.fixture(scope="module")
def model() -> MembershipModel:
    return fitted(*spread_out(), APART)


def judge(model: MembershipModel, vectors: Embeddings) -> TaskMembership:
    return model.judge_task(model.find_features(vectors).sum(axis=0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
@settings(max_examples=40)
def test_probabilities_are_probabilities(model: MembershipModel, seed: int, n: int) -> None:
    draw = np.random.default_rng(seed).normal(size=(n, DIM))
    found = judge(model, (draw / np.linalg.norm(draw, axis=1, keepdims=True)).astype(np.float32))
    assert found.shares.sum() == pytest.approx(1)
    assert (found.shares >= 0).all()
    assert 0 <= found.probability_known <= 1
    assert ((found.probabilities >= 0) & (found.probabilities <= 1)).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_neither_order_nor_batching_counts(model: MembershipModel, seed: int) -> None:
    inputs = clustered(seed % 1000, seed % APART, 12)
    shuffled = np.random.default_rng(seed).permutation(12)
    one_by_one = sum((model.find_features(inputs[row : row + 1]).sum(axis=0) for row in shuffled), np.zeros((2, APART)))
    np.testing.assert_allclose(one_by_one, model.find_features(inputs).sum(axis=0), atol=1e-4)
    # Exactly, since a task's stored sums must not depend on how its inputs were batched.
    for row, features in enumerate(model.find_features(inputs)):
        np.testing.assert_array_equal(features, model.find_features(inputs[row : row + 1])[0])
    here, there = model.judge_task(one_by_one), judge(model, inputs)
    np.testing.assert_allclose(here.weights, there.weights, atol=1e-3)


def test_tasks_judged_together_are_judged_as_each_alone(model: MembershipModel) -> None:
    """To the last bit, although shares of some converge in a few steps, of others not."""
    draws = [clustered(place, place % APART, 1 + place % 9) for place in range(23)]
    draws += [np.concatenate([clustered(7, 0, 3), clustered(8, 3, 5)]), np.tile(clustered(9, 1, 1), (6, 1))]
    sums = np.array([model.find_features(inputs).sum(axis=0) for inputs in draws])
    spreads = np.linspace(0, 1.5, len(sums))
    for start, end in ((0, len(sums)), (3, 5), (1, 24)):
        together = model.judge_tasks(sums[start:end], spreads[start:end])
        for task, found in zip(range(start, end), together, strict=True):
            alone = model.judge_task(sums[task], float(spreads[task]))
            np.testing.assert_array_equal(found.shares, alone.shares)
            np.testing.assert_array_equal(found.probabilities, alone.probabilities)
            assert found.mixed == alone.mixed


def test_a_whitened_distance_is_the_quadratic_form(model: MembershipModel) -> None:
    np.testing.assert_allclose(model.whitening @ model.whitening.T, model.precision, rtol=1e-9, atol=1e-9)
    apart = model.means[0] - model.means[1:]
    squares = np.square(model.white_means[0] - model.white_means[1:]).sum(axis=1)
    np.testing.assert_allclose(squares, ((apart @ model.precision) * apart).sum(axis=1), rtol=1e-9)


@pytest.mark.parametrize("dataset", range(APART))
def test_fresh_inputs_of_a_dataset_are_known(model: MembershipModel, dataset: int) -> None:
    found = judge(model, clustered(900 + dataset, dataset, 20))
    assert found.weights[dataset] > 0.8


def test_inputs_of_another_kind_are_new(model: MembershipModel) -> None:
    for place in range(APART, DIM):
        assert judge(model, clustered(900 + place, place, 20)).probability_known < 0.3


def test_a_mixture_has_both_shares(model: MembershipModel) -> None:
    found = judge(model, np.concatenate([clustered(800, 1, 15), clustered(801, 4, 15)]))
    assert found.probability_known > 0.5
    assert found.shares[[1, 4]] == pytest.approx([0.5, 0.5], abs=0.1)


def test_leaving_a_dataset_out_is_as_if_it_had_never_been_there() -> None:
    vectors, ids = spread_out()
    kept = ids != 2
    alone = fitted(vectors[kept], np.searchsorted(np.delete(np.arange(APART), 2), ids[kept]), APART - 1)
    out = fitted(vectors, ids, APART).without_dataset(2)
    assert out is not None
    inputs = clustered(700, 2, 9)
    np.testing.assert_allclose(out.find_features(inputs), alone.find_features(inputs), atol=1e-5)
    np.testing.assert_allclose(judge(out, inputs).weights, judge(alone, inputs).weights, atol=1e-4)


def test_references_are_bounded_and_leave_themselves_out() -> None:
    vectors, ids = spread_out(per=MAX_PER_DATASET + 30)
    references = DatasetReferences.draw_references(vectors, ids, APART)
    assert (references.counts == MAX_PER_DATASET).all()
    assert references.similarities[0, :, 0].max() < 0.999, "an input is no evidence of its own likeness"


def test_copies_of_one_input_and_few_inputs_do_no_harm() -> None:
    vectors, ids = spread_out(per=20)
    vectors[ids == 0] = vectors[0]
    few = np.concatenate([np.flatnonzero(ids != 5), np.flatnonzero(ids == 5)[:2]])
    small = fitted(vectors[few], ids[few], APART)
    found = judge(small, vectors[ids == 0][:10])
    assert np.isfinite(found.weights).all()
    assert found.weights[0] > 0.5
    assert judge(small, vectors[ids == 5]).weights[5] == 0, "two inputs cannot tell what is typical of a dataset"
    assert fit_membership(DatasetReferences.draw_references(vectors[:3], np.arange(3), 3)) is None
    single = fitted(vectors[ids == 1], np.zeros(20, dtype=np.int64), 1)
    assert (
        judge(single, clustered(600, 1, 20)).probability_known > judge(single, clustered(601, 4, 20)).probability_known
    )


def rows_of(counts: Floats, covariance: Floats | None = None) -> MemberRows:
    rows, expected = np.array([[0.4, -0.4], [-0.2, 0.2]]), np.array([[0.1, -0.1], [0.1, -0.1]])
    prior = 0.01 * np.eye(2) if covariance is None else covariance
    return MemberRows.shrink_rows(rows, expected, expected, counts, prior, 0.25 * np.eye(2))


def test_a_row_is_believed_as_far_as_its_inputs_tell() -> None:
    few, many = rows_of(np.full((2, 2), 25.0)), rows_of(np.full((2, 2), 1e6))
    # S = 0.01 and W = 0.25 / 25 = 0.01: half of the way.
    np.testing.assert_allclose(few.means[0], [0.25, -0.25], atol=1e-3)
    np.testing.assert_allclose(many.means[0], [0.4, -0.4], atol=1e-3)
    assert few.covariances[0, 0, 0] == pytest.approx(0.005, rel=1e-2)


def test_a_model_without_outcomes_is_expected_and_uncertain() -> None:
    gap = rows_of(np.array([[25.0, 0.0], [25.0, 25.0]]))
    assert gap.means[0, 1] == pytest.approx(-0.1)
    assert gap.covariances[0, 1, 1] == pytest.approx(0.01)
    none = rows_of(np.zeros((2, 2)))
    np.testing.assert_allclose(none.means[0], [0.1, -0.1])


@pytest.fixture(scope="module")
def distinct() -> tuple[Benchmark, Embeddings]:
    """Six datasets apart, `left` winning on the first and last, `right` on the second, `broad` on all others."""
    vectors, ids = spread_out(per=50)
    chance = np.tile([0.2, 0.2, 0.8, 0.1], (APART, 1))
    chance[0, 0] = chance[1, 1] = chance[5, 0] = 0.99
    outcomes = (np.random.default_rng(5).random((len(ids), 4)) < chance[ids]).astype(np.float64)
    datasets = tuple(Dataset(f"d{place}") for place in range(APART))
    models = tuple(Model(name) for name in MODELS)
    texts = tuple(f"input {row}" for row in range(len(ids)))
    return Benchmark("distinct", texts, datasets, ids, models, outcomes), vectors


@pytest.fixture(scope="module")
def pack(distinct: tuple[Benchmark, Embeddings]) -> Pack:
    quick = CalibrationSettings(alphas=(0.0,), repeats=1)
    return build_pack(*distinct, EmbedderId("made-up", "1", DIM), calibration=quick)


@pytest.fixture(scope="module")
def twins(distinct: tuple[Benchmark, Embeddings]) -> Pack:
    """The same with the last dataset's inputs like the last but one's."""
    benchmark, vectors = distinct
    alike = np.where((benchmark.dataset_ids == 5)[:, None], np.tile(clustered(555, 4, 50), (APART, 1)), vectors)
    quick = CalibrationSettings(alphas=(0.0,), repeats=1)
    return build_pack(benchmark, alike, EmbedderId("made-up", "1", DIM), calibration=quick)


def decide(router: Router, state: TaskState, dataset: str | None = None) -> tuple[str, DecisionReason]:
    candidates = router.select_candidates()
    scores = router.score_task(state, candidates, ScoreKind.AUTO, known_dataset=dataset)
    made = router.make_decision(scores, None, ScoreKind.AUTO)
    return made.model, made.reason


def test_a_known_task_gets_its_datasets_winner(pack: Pack) -> None:
    router = Router(pack)
    for place, winner in ((0, "left"), (1, "right"), (2, "broad")):
        state = TaskState.from_evidence(router.find_evidence(clustered(300 + place, place, 12)))
        assert decide(router, state)[0] == winner


def test_a_declared_dataset_decides_before_the_first_input(pack: Pack) -> None:
    router = Router(pack)
    assert decide(router, router.empty_state()) == ("broad", DecisionReason.COLD_START)
    assert decide(router, router.empty_state(), "d1") == ("right", DecisionReason.SCORE)
    other = TaskState.from_evidence(router.find_evidence(clustered(310, 0, 12)))
    assert decide(router, other, "d1")[0] == "right", "what is declared counts, not how inputs look"
    posterior = router.score_task(other, router.select_candidates(), ScoreKind.AUTO, known_dataset="d1").posterior
    assert posterior is not None
    assert posterior.membership is not None
    assert posterior.membership.weights.tolist() == [0, 1, 0, 0, 0, 0]
    with pytest.raises(PackMismatch, match="no dataset 'd9': it has d0, d1"):
        router.score_task(other, router.select_candidates(), ScoreKind.AUTO, known_dataset="d9")


@pytest.mark.parametrize("dataset", [None, "d1"])
def test_tasks_scored_together_are_scored_as_each_alone(pack: Pack, dataset: str | None) -> None:
    router = Router(pack)
    draws = [clustered(400 + place, place % APART, 1 + 3 * place) for place in range(8)]
    states = [router.empty_state(), *(TaskState.from_evidence(router.find_evidence(inputs)) for inputs in draws)]
    states.append(replace(states[3], membership=None))
    labelled = [TaskLabelling(np.eye(4)) if place % 4 == 2 else TaskLabelling() for place in range(len(states))]
    candidates = router.select_candidates()
    together = router.score_tasks(states, candidates, ScoreKind.AUTO, labelled, dataset)
    for state, known, found in zip(states, labelled, together, strict=True):
        alone = router.score_task(state, candidates, ScoreKind.AUTO, known.labels, known_dataset=dataset)
        assert (found.posterior is None) == (alone.posterior is None) == (state.n == 0 and dataset is None)
        for name in ("s1", "s2", "s3", "reliability"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), name)
        if found.posterior is not None and alone.posterior is not None:
            np.testing.assert_array_equal(found.posterior.mean, alone.posterior.mean)
            np.testing.assert_array_equal(found.posterior.covariance, alone.posterior.covariance)
            assert found.posterior.n_labels == alone.posterior.n_labels == (0 if known.labels is None else 4)


@pytest.mark.parametrize("score", [ScoreKind.AUTO, ScoreKind.S1])
def test_s3_can_be_added_later(pack: Pack, score: ScoreKind) -> None:
    router, candidates = Router(pack), ("broad", "left")
    for state in (router.empty_state(), TaskState.from_evidence(router.find_evidence(clustered(330, 1, 9)))):
        full = router.score_task(state, candidates, score)
        (bare,) = router.score_tasks((state,), candidates, score, (TaskLabelling(),), needs_s3=False)
        assert np.isnan([bare.s3, bare.reliability]).all()
        assert router.make_decision(bare, None, score) == router.make_decision(full, None, score)
        added = router.add_reliability(bare)
        np.testing.assert_array_equal(added.s3, full.s3)
        np.testing.assert_array_equal(added.reliability, full.reliability)


def test_permuting_candidates_permutes_a_known_tasks_accuracies(pack: Pack) -> None:
    assert pack.training_data is not None
    state = TaskState.from_evidence(Router(pack).find_evidence(clustered(320, 0, 10)))
    here = state.prior_accuracies(fit_auto(pack.training_data, [0, 1, 2, 3]), [0, 1, 2, 3])
    there = state.prior_accuracies(fit_auto(pack.training_data, [2, 0, 3, 1]), [2, 0, 3, 1])
    np.testing.assert_allclose(here.mean[[2, 0, 3, 1]], there.mean, atol=1e-9)
    np.testing.assert_allclose(here.covariance[np.ix_([2, 0, 3, 1], [2, 0, 3, 1])], there.covariance, atol=1e-9)


def test_the_state_is_a_sum_with_or_without_membership(pack: Pack) -> None:
    router = Router(pack)
    one, other = (router.find_evidence(clustered(330 + n, 0, 4)) for n in range(2))
    both = TaskState.from_evidence(one) + TaskState.from_evidence(other)
    assert both.membership is not None
    assert both.membership[1].sum() == pytest.approx(8)
    older = TaskState.from_evidence(replace(one, membership=None))
    mixed = older + TaskState.from_evidence(other)
    assert mixed.membership is not None
    assert mixed.membership[1].sum() == pytest.approx(4), "inputs of an older state do not count"
    assert decide(router, older)[0] in MODELS


def test_a_pack_without_references_decides_by_nearness_alone(pack: Pack, tmp_path: Path) -> None:
    assert pack.training_data is not None
    save_pack(replace(pack, training_data=replace(pack.training_data, counts=None, membership=None)), tmp_path / "old")
    router = Router(open_pack(tmp_path / "old"))
    state = TaskState.from_evidence(router.find_evidence(clustered(340, 0, 12)))
    assert state.membership is None
    posterior = router.score_task(state, router.select_candidates(), ScoreKind.AUTO).posterior
    assert posterior is not None
    assert posterior.membership is None


def test_references_that_are_not_the_packs_are_refused(pack: Pack, tmp_path: Path) -> None:
    data = pack.training_data
    assert data is not None
    assert data.membership is not None
    references = replace(data.membership.references, rows=data.membership.references.rows + 10_000)
    wrong = replace(data, membership=replace(data.membership, references=references))
    save_pack(replace(pack, training_data=wrong), tmp_path / "wrong")
    with pytest.raises(PackMismatch, match="reference inputs that the pack does not have"):
        open_pack(tmp_path / "wrong")


def test_the_explanation_names_the_dataset(pack: Pack) -> None:
    router = Router(pack)
    state = TaskState.from_evidence(router.find_evidence(clustered(350, 0, 12)))
    scores = router.score_task(state, router.select_candidates(), ScoreKind.AUTO)
    told = router.explain_auto(state, scores, router.make_decision(scores, None, ScoreKind.AUTO))
    assert told is not None
    match = told["membership"]["datasets"][0]
    assert match["dataset"] == "d0"
    assert match["probability"] * match["share"] > 0.8
    assert match["leader"] > 0.9
    assert match["baseline"] == pytest.approx(0.8, abs=0.1)


def test_twins_are_named_with_what_is_at_stake(twins: Pack, pack: Pack) -> None:
    """d4 and d5 look alike; `broad` wins on one, `left` on the other."""
    apart = Router(pack)
    assert find_twins(apart.fit_auto(apart.select_candidates())) == []
    router = Router(twins)
    fit = router.fit_auto(router.select_candidates())
    names = router.select_candidates()
    pair = find_twins(fit)[0]
    assert {pair.first, pair.second} == {4, 5}
    assert pair.confusion > 0.3
    assert {names[pair.first_winner], names[pair.second_winner]} == {"broad", "left"}
    assert pair.at_stake > 0.3
    assert all({one.first, one.second} == {4, 5} for one in find_twins(fit))


def test_membership_is_believed_less_where_datasets_are_twins(twins: Pack, pack: Pack) -> None:
    inputs = clustered(360, 0, 12)

    def known(made: Pack) -> float:
        assert made.training_data is not None
        assert made.training_data.membership is not None
        return judge(made.training_data.membership, inputs).probability_known

    assert known(twins) < known(pack) - 0.1
