"""Laws of the mathematics, over random scores, states and tasks."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routing.arrays import Embeddings, Floats
from routing.benchmark import Benchmark
from routing.build import build_pack
from routing.calibration import Calibration
from routing.confidence import probability_better
from routing.errors import ShapeError
from routing.manifest import EmbedderId
from routing.predictor import predict_correct, predict_outcomes, prediction_accuracy
from routing.router import Router
from routing.scores import mean_known, s3
from routing.task import InputEvidence, TaskState
from tests.routing.conftest import DIM, clustered

shares = st.floats(0, 1)
share_rows = arrays(np.float64, st.integers(1, 6), elements=shares)


def evidence_of(g: Floats) -> InputEvidence:
    n = len(g)
    generator = np.random.default_rng(n)
    return InputEvidence(g, predict_correct(g), generator.random(n), generator.random((n, 3)).astype(np.float32), g)


@st.composite
def evidences(draw: Callable[[st.SearchStrategy[Floats]], Floats]) -> InputEvidence:
    g = draw(arrays(np.float64, st.tuples(st.integers(1, 8), st.just(3)), elements=st.one_of(shares, st.just(np.nan))))
    return evidence_of(g)


def one_by_one(evidence: InputEvidence) -> TaskState:
    state = TaskState.empty_state(evidence.g.shape[1], evidence.vectors.shape[1])
    for row in range(len(evidence)):
        state = state + TaskState.from_evidence(evidence.select_rows(np.array([row])))
    return state


@given(evidences(), st.booleans())
def test_adding_an_input_is_the_sum_with_its_own_state_to_the_last_bit(
    evidence: InputEvidence, has_membership: bool
) -> None:
    member = np.random.default_rng(0).random((len(evidence), 2, 4)) if has_membership else None
    evidence = replace(evidence, membership=member)
    state = TaskState.empty_state(evidence.g.shape[1], evidence.vectors.shape[1])
    for place in range(len(evidence)):
        state = state.add_input(evidence, place)
    summed = one_by_one(evidence)
    for one in fields(TaskState):
        np.testing.assert_array_equal(getattr(state, one.name), getattr(summed, one.name), one.name)


def test_an_input_of_another_pack_is_not_added() -> None:
    evidence = evidence_of(np.full((1, 3), 0.5))
    with pytest.raises(ShapeError, match=r"g has shape \(3,\)"):
        TaskState.empty_state(1, 3).add_input(evidence, 0)
    with pytest.raises(ShapeError, match=r"vectors has shape \(3,\)"):
        TaskState.empty_state(3, 1).add_input(evidence, 0)


def assert_same(a: TaskState, b: TaskState) -> None:
    assert a.n == b.n
    assert (a.counts == b.counts).all()
    assert (a.g_bar_sum == b.g_bar_sum).all()
    np.testing.assert_allclose(a.g_sum, b.g_sum, atol=1e-12)
    np.testing.assert_allclose(a.wide_sum, b.wide_sum, atol=1e-12)
    np.testing.assert_allclose(a.embedding_sum, b.embedding_sum, atol=1e-12)
    assert a.distance_sum == pytest.approx(b.distance_sum)


@given(share_rows)
def test_s3_at_p_1_is_s2(s2: Floats) -> None:
    assert (s3(s2, np.ones_like(s2)) == s2).all()


@given(share_rows)
def test_at_p_one_half_every_model_ties(s2: Floats) -> None:
    np.testing.assert_allclose(s3(s2, np.full_like(s2, 0.5)), 0.5)


@given(share_rows, shares)
def test_s3_is_a_share(s2: Floats, p: float) -> None:
    scores = s3(s2, np.full_like(s2, p))
    assert ((scores >= 0) & (scores <= 1)).all()


def test_s3_of_arrays_that_do_not_fit_names_the_argument() -> None:
    with pytest.raises(ShapeError, match=r"reliability has shape \(2,\), expected \(3,\)"):
        s3(np.zeros(3), np.zeros(2))


@given(evidences())
def test_scores_lie_between_0_and_1(evidence: InputEvidence) -> None:
    state = TaskState.from_evidence(evidence)
    for sums in (state.g_sum, state.g_bar_sum):
        known = mean_known(sums, state.counts)
        known = known[~np.isnan(known)]
        assert ((known >= 0) & (known <= 1 + 1e-12)).all()


@given(evidences())
def test_adding_inputs_one_by_one_equals_adding_them_at_once(evidence: InputEvidence) -> None:
    assert_same(one_by_one(evidence), TaskState.from_evidence(evidence))


@given(evidences(), evidences())
def test_the_sums_of_two_replicas_add_up(a: InputEvidence, b: InputEvidence) -> None:
    both = InputEvidence(
        np.concatenate([a.g, b.g]),
        np.concatenate([a.g_bar, b.g_bar]),
        np.concatenate([a.distances, b.distances]),
        np.concatenate([a.vectors, b.vectors]),
        np.concatenate([a.wide, b.wide]),
    )
    assert_same(TaskState.from_evidence(a) + TaskState.from_evidence(b), TaskState.from_evidence(both))
    assert_same(
        TaskState.from_evidence(a) + TaskState.from_evidence(b), TaskState.from_evidence(b) + TaskState.from_evidence(a)
    )


def test_states_of_different_packs_do_not_add() -> None:
    with pytest.raises(ShapeError, match="g_sum"):
        TaskState.empty_state(3, 4) + TaskState.empty_state(2, 4)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(4)))
def test_permuting_models_permutes_scores(benchmark_: Benchmark, vectors: Embeddings, order: list[int]) -> None:
    generator = np.random.default_rng(3)
    rows = generator.integers(0, benchmark_.n_inputs, size=(12, 5))
    permuted = benchmark_.select_models([benchmark_.model_names[column] for column in order])
    g, permuted_g = predict_outcomes(benchmark_.outcomes, rows), predict_outcomes(permuted.outcomes, rows)
    assert (permuted_g == g[:, order]).all()
    correct, permuted_correct = benchmark_.correct_outcomes()[:12], permuted.correct_outcomes()[:12]
    accuracy = prediction_accuracy(predict_correct(g), correct)
    assert (prediction_accuracy(predict_correct(permuted_g), permuted_correct) == accuracy[order]).all()


def test_permuting_the_models_of_a_pack_permutes_what_it_says_of_a_task(
    benchmark_: Benchmark, vectors: Embeddings
) -> None:
    task = clustered(9, 0, 20)
    said = []
    for names in (benchmark_.model_names, tuple(reversed(benchmark_.model_names))):
        router = Router(build_pack(benchmark_.select_models(names), vectors, EmbedderId("test/none", "", DIM)))
        scores = router.score_task(TaskState.from_evidence(router.find_evidence(task)), router.select_candidates())
        said.append({m: (scores.s1[i], scores.s2[i], scores.s3[i]) for i, m in enumerate(scores.models)})
    assert said[0] == said[1]


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 400), shares, shares, shares, shares, st.integers(0, 2**32 - 1))
def test_the_probability_of_eq_6_is_what_a_million_draws_give(
    n: int, s2_a: float, p_a: float, s2_b: float, p_b: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    draws = 1_000_000

    def correct(s2: float, p: float) -> Floats:
        ones = round(n * s2)
        drawn = generator.binomial(ones, p, draws) + generator.binomial(n - ones, 1 - p, draws)
        return np.asarray(drawn, dtype=np.float64)

    simulated = float(np.mean(correct(s2_a, p_a) > correct(s2_b, p_b)))
    assert probability_better(n, s2_a, p_a, s2_b, p_b) == pytest.approx(simulated, abs=0.003)


@settings(deadline=None)
@given(st.integers(1, 3000), shares, shares, shares, shares)
def test_one_of_two_is_better_or_they_tie(n: int, s2_a: float, p_a: float, s2_b: float, p_b: float) -> None:
    above = probability_better(n, s2_a, p_a, s2_b, p_b)
    below = probability_better(n, s2_b, p_b, s2_a, p_a)
    assert 0 <= above <= 1
    assert above + below <= 1 + 1e-9


@given(st.floats(0, 2), st.floats(0.01, 1))
def test_the_smoother_stays_between_the_accuracies_it_smooths(distance: float, sigma: float) -> None:
    accuracies = np.array([[0.2, np.nan], [0.6, np.nan], [0.9, np.nan]])
    calibration = Calibration(np.array([0.2, 0.5, 0.7]), accuracies, np.array([10.0, 1.0, 1.0]), np.arange(3))
    known, unknown = calibration.reliability_at(distance, sigma)
    assert 0.2 - 1e-9 <= known <= 0.9 + 1e-9
    assert unknown == 0.5
