"""What would change a decision: it does, and less of it does not; and it can be worked out again from what is shown."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from routing.auto.posterior import AccuracyPosterior, LabelGroups
from routing.confidence import probability_better
from routing.counterfactual import MAX_LABELS, Counterfactual, labels_needed, what_would_change
from routing.decision import SETTLED_INPUTS, CostPreference, DecisionReason, RoutingDecision, make_decision
from routing.scores import ScoreKind, TaskScores, s3

MODELS = ("best", "rival", "third")
shares = st.floats(0, 1)
ETA = 0.6


def made(
    n: int, s2: list[float], p: list[float], posterior: AccuracyPosterior | None = None, distance: float = 0.3
) -> TaskScores:
    ones, reliability = np.round(np.array(s2) * n) / max(1, n), np.array(p)
    return TaskScores(MODELS, n, distance, ones, ones, s3(ones, reliability), reliability, np.full(3, n), posterior)


@given(
    st.integers(1, 60), st.lists(shares, min_size=3, max_size=3), st.lists(st.floats(0.3, 0.95), min_size=3, max_size=3)
)
def test_what_would_change_a_choice_by_s3_does(n: int, s2: list[float], p: list[float]) -> None:
    """The inputs, or the S3, that are told turn eq. 6; one input, or one step of S3, less does not."""
    scores = made(n, s2, p)
    decision = make_decision(scores, ETA)
    found = what_would_change(decision, scores, ETA)
    assert found is not None
    assert found.model != decision.model
    a, b = scores.models.index(found.model), scores.models.index(decision.model)
    chance = (float(scores.reliability[a]), float(scores.s2[b]), float(scores.reliability[b]))
    if found.inputs is not None:
        assert found.model == decision.leader
        assert probability_better(n + found.inputs, float(scores.s2[a]), *chance) > ETA
        assert probability_better(n + found.inputs - 1, float(scores.s2[a]), *chance) <= ETA
        assert f"would be selected after {found.inputs} more input" in found.text
    elif found.score is not None:
        assume(abs(chance[0] - 0.5) > 1e-6)
        needed = (found.score - (1 - chance[0])) / (2 * chance[0] - 1)  # eq. 5 turned round
        s2_then = np.where(np.arange(3) == a, round(needed * n) / n, scores.s2)
        then = replace(scores, s2=s2_then, s3=s3(s2_then, scores.reliability))
        assert float(then.s3[a]) == pytest.approx(found.score)
        assert probability_better(n, float(then.s2[a]), *chance) > ETA
        assert make_decision(then, ETA, decision.model).model != decision.model
        assert f"at an S3 of {found.score:.3f}" in found.text


def test_a_leader_that_is_not_sure_is_waited_for() -> None:
    scores = made(6, [0.5, 0.6, 0.1], [0.8, 0.8, 0.8])
    decision = make_decision(scores, 0.9)
    assert (decision.model, decision.leader) == ("best", "rival")
    found = what_would_change(decision, scores, 0.9)
    assert found is not None
    assert found.text == f"rival would be selected after {found.inputs} more inputs like these."


def test_a_leader_of_whom_nothing_can_be_known_is_not_waited_for() -> None:
    scores = made(10, [0.5, 0.6, 0.1], [0.5, 0.500001, 0.5])
    decision = replace(make_decision(scores, ETA), model="best", leader="rival", baseline="best")
    found = what_would_change(decision, scores, ETA)
    assert found is not None
    assert (found.inputs, "not be selected even after 131,072 more inputs" in found.text) == (None, True)
    nobody = what_would_change(
        make_decision(made(10, [1.0, 0.6, 0.1], [0.99, 0.5, 0.5]), ETA),
        made(10, [1.0, 0.6, 0.1], [0.99, 0.5, 0.5]),
        ETA,
    )
    assert nobody is not None
    assert nobody.score is None
    assert "cannot be selected yet" in nobody.text


@pytest.mark.parametrize("score", [ScoreKind.S1, ScoreKind.S2])
def test_a_plain_score_has_to_be_higher(score: ScoreKind) -> None:
    scores = made(10, [0.5, 0.4, 0.1], [0.8, 0.8, 0.8])
    found = what_would_change(make_decision(scores, ETA, score=score), scores, ETA, score)
    assert found is not None
    assert (found.model, found.score, found.has) == ("rival", 0.5, 0.4)


def test_before_any_evidence_nothing_is_told() -> None:
    scores = made(0, [np.nan] * 3, [0.5] * 3)
    assert what_would_change(make_decision(scores, ETA), scores, ETA) is None
    alone = replace(scores, models=("best",))
    assert (
        what_would_change(RoutingDecision("best", DecisionReason.SCORE, ("best",), "best", "best", None, 3), alone, ETA)
        is None
    )


def by_auto(seed: int, n: int, current: str | None) -> tuple[RoutingDecision, TaskScores, AccuracyPosterior]:
    draw = np.random.default_rng(seed)
    spread, noise = draw.normal(size=(2, 3, 3))
    posterior = AccuracyPosterior(
        0.5 + 0.05 * draw.normal(size=3), spread @ spread.T / 900 + 1e-4 * np.eye(3), noise @ noise.T / 15
    )
    scores = made(n, [0.5] * 3, [0.5] * 3, posterior)
    return make_decision(scores, ETA, current, ScoreKind.AUTO), scores, posterior


def told(decision: RoutingDecision, scores: TaskScores) -> Counterfactual:
    found = what_would_change(decision, scores, ETA, ScoreKind.AUTO)
    assert found is not None
    return found


@given(st.integers(0, 2**32 - 1), st.sampled_from([3, SETTLED_INPUTS + 1, 200]), st.sampled_from([None, *MODELS]))
def test_what_auto_would_need_can_be_worked_out_again(seed: int, n: int, current: str | None) -> None:
    decision, scores, posterior = by_auto(seed, n, current)
    found = told(decision, scores)
    own, other = scores.models.index(decision.model), scores.models.index(found.model)
    assert found.lead is not None
    assert found.needed is not None
    assert found.deviation is not None
    assert found.noise is not None
    assert found.score is not None
    z = NormalDist().inv_cdf(ETA) if n > SETTLED_INPUTS else 0.0
    assert found.lead == pytest.approx(posterior.mean[other] - posterior.mean[own])
    assert found.needed == pytest.approx(z * found.deviation)
    assert found.score == pytest.approx(posterior.mean[own] + found.needed)
    assert found.labels == labels_needed(found.lead, found.deviation, found.noise, z)
    raised = posterior.mean.copy()
    for more, moves in ((1e-6, True), (-1e-6, False)):
        raised[other] = found.score + more
        after = replace(scores, posterior=replace(posterior, mean=raised))
        p = after.posterior.probability_better(other, own) if after.posterior else 0.0
        assert (p > (ETA if n > SETTLED_INPUTS else 0.5)) == moves


@given(st.floats(-0.3, 0.0), st.floats(0.005, 0.2), st.floats(0.05, 0.9), st.floats(0, 2))
def test_labels_won_are_the_least_that_do(lead: float, deviation: float, noise: float, z: float) -> None:
    found = labels_needed(lead, deviation, noise, z)

    def margin(k: int) -> float:
        variance = 1 / (1 / deviation**2 + k / noise**2)
        return variance * (lead / deviation**2 + k / noise**2) - z * math.sqrt(variance)

    # At a tie, rounding may fall either way.
    assert found is None or (margin(found) > -1e-9 and (found == 0 or margin(found - 1) < 1e-9))
    assert found is not None or margin(MAX_LABELS) < 1e-9


@given(st.integers(0, 2**32 - 1))
def test_the_labels_that_are_told_turn_the_real_posterior_too(seed: int) -> None:
    """Told as if the prior had one scale: its cases make it come a little sooner or later."""
    decision, scores, posterior = by_auto(seed, 200, None)
    found = told(decision, scores)
    assume(found.labels is not None and found.labels <= 100)
    assert found.labels is not None
    own, other = scores.models.index(decision.model), scores.models.index(found.model)
    won = np.full((3 * found.labels + 6, 3), np.nan)
    won[:, own], won[:, other] = 0.0, 1.0
    assert posterior.condition_on(LabelGroups.from_matrix(won)).probability_better(other, own) > ETA


def test_a_cheaper_model_does_until_it_loses_too_much() -> None:
    posterior = AccuracyPosterior(np.array([0.60, 0.58, 0.3]), 1e-4 * np.eye(3), 0.1 * np.eye(3))
    scores, preference = made(30, [0.5] * 3, [0.5] * 3, posterior), CostPreference(0.05, {"best": 2.0, "rival": 1.0})
    decision = make_decision(scores, ETA, None, ScoreKind.AUTO, preference)
    assert (decision.model, decision.is_cost_driven) == ("rival", True)
    found = what_would_change(decision, scores, ETA, ScoreKind.AUTO, preference)
    assert found is not None
    assert (found.model, "would no longer replace best" in found.text) == ("best", True)
    assert found.score is not None
    for more, stays in ((-1e-6, True), (1e-6, False)):
        raised = replace(posterior, mean=np.array([found.score + more, 0.58, 0.3]))
        after = make_decision(replace(scores, posterior=raised), ETA, None, ScoreKind.AUTO, preference)
        assert (after.model == "rival") == stays


costs = st.fixed_dictionaries({name: st.floats(0.1, 10) for name in MODELS})


@given(st.integers(1, 60), st.lists(shares, min_size=3, max_size=3), costs, st.floats(0, 0.5))
def test_a_rival_has_to_be_worth_its_price_too(n: int, s2: list[float], prices: dict[str, float], price: float) -> None:
    """By S3, with an objective: what is told turns the decision, and one step less does not."""
    scores, preference = made(n, s2, [0.8, 0.7, 0.9]), CostPreference(None, prices, price=price)
    decision = make_decision(scores, ETA, preference=preference)
    found = what_would_change(decision, scores, ETA, preference=preference)
    assert found is not None
    a, b = scores.models.index(found.model), scores.models.index(decision.model)
    assert found.margin == pytest.approx(preference.margin_to(MODELS, a, b))
    chance = (float(scores.reliability[a]), float(scores.s2[b]), float(scores.reliability[b]), found.margin or 0.0)
    if found.inputs is not None:
        assert probability_better(n + found.inputs, float(scores.s2[a]), *chance) > ETA
        assert probability_better(n + found.inputs - 1, float(scores.s2[a]), *chance) <= ETA
    elif found.score is not None:
        ones = round(n * (found.score - (1 - chance[0])) / (2 * chance[0] - 1))
        assert probability_better(n, ones / n, *chance) > ETA
        s2_then = np.where(np.arange(3) == a, ones / n, scores.s2)
        then = replace(scores, s2=s2_then, s3=s3(s2_then, scores.reliability))
        assert make_decision(then, ETA, decision.model, preference=preference).model != decision.model


@given(st.integers(0, 2**32 - 1), costs, st.floats(0, 0.3))
def test_by_auto_a_rival_has_to_be_worth_its_price_too(seed: int, prices: dict[str, float], price: float) -> None:
    _, scores, posterior = by_auto(seed, 200, None)
    preference = CostPreference(None, prices, price=price)
    decision = make_decision(scores, ETA, MODELS[seed % 3], ScoreKind.AUTO, preference)
    found = what_would_change(decision, scores, ETA, ScoreKind.AUTO, preference)
    assert found is not None
    assert found.score is not None
    assert found.margin is not None
    own, other = scores.models.index(decision.model), scores.models.index(found.model)
    for more, moves in ((1e-6, True), (-1e-6, False)):
        raised = posterior.mean.copy()
        raised[other] = found.score + more
        assert (replace(posterior, mean=raised).probability_within(own, other, -found.margin) > ETA) == moves


def test_no_accuracy_above_one_is_asked_of_a_rival() -> None:
    """Of two models that are nearly always right, the rival needs certainty and not accuracy."""
    posterior = AccuracyPosterior(np.array([0.99, 0.98, 0.3]), 0.02 * np.eye(3), 0.01 * np.eye(3))
    scores = made(200, [0.5] * 3, [0.5] * 3, posterior)
    found = told(make_decision(scores, ETA, "best", ScoreKind.AUTO), scores)
    assert found.score is not None
    assert found.score > 1
    assert found.text.startswith("No expected accuracy of rival (now 0.980) is certain enough without labels; ")
