"""Scores of single answers: laws of what they may say, and simulations in which the truth is known."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.arrays import Floats, Ints
from routing.auto.feedback import LEVEL, Feedback
from routing.auto.posterior import AccuracyPosterior, LabelGroups

TRUTH = np.array([0.7, 0.6, 0.5, 0.75])
PRIOR = AccuracyPosterior(np.array([0.65, 0.6, 0.55, 0.6]), 0.005 * np.eye(4), 0.2 * np.eye(4))

answers = st.lists(
    st.tuples(
        st.integers(0, 3), st.floats(0, 1), st.one_of(st.just(1.0), st.none(), st.floats(0.01, 1)), st.integers(0, 2)
    ),
    min_size=1,
    max_size=40,
)
Answers = Sequence[tuple[int, float, float | None, int]]


def feedback(given_: Answers) -> Feedback:
    models, scores, chances, strata = zip(*given_, strict=True)
    chances_ = np.array([np.nan if chance is None else chance for chance in chances], dtype=np.float64)
    return Feedback.from_ratings(np.array(models), np.array(scores), chances_, strata)


@given(answers, st.randoms())
def test_the_order_of_answers_makes_no_difference(some: Answers, random: Random) -> None:
    other = list(some)
    random.shuffle(other)
    here, there = feedback(some).to_likelihood(4), feedback(other).to_likelihood(4)
    np.testing.assert_allclose(here.precision, there.precision, atol=1e-9)
    np.testing.assert_allclose(here.shift, there.shift, atol=1e-9)


@given(answers)
def test_it_is_a_likelihood(some: Answers) -> None:
    """Its precision has no negative direction, and what is learnt never makes a case of the prior less sure."""
    weighed = feedback(some).to_likelihood(4)
    assert np.linalg.eigvalsh(weighed.precision).min() > -1e-8
    _, after, likelihood = weighed.update_gaussian(PRIOR.mean, PRIOR.covariance)
    assert np.linalg.eigvalsh(PRIOR.covariance - after).min() > -1e-10
    assert np.isfinite(likelihood)


@given(answers, st.permutations(range(4)))
def test_permuting_models_permutes_what_is_learnt(some: Answers, order: list[int]) -> None:
    here = PRIOR.condition_on(feedback=feedback(some)).mean
    there = (
        AccuracyPosterior(PRIOR.mean[order], PRIOR.covariance, PRIOR.within)
        .condition_on(feedback=feedback(some).restrict_to(order))
        .mean
    )
    np.testing.assert_allclose(here[order], there, atol=1e-9)


@given(st.floats(0, 1), st.integers(1, 5000))
def test_without_exploration_rivals_stay_as_they_were(score: float, n: int) -> None:
    """And the chosen model itself never moves by more than a level that nobody knows lets it."""
    found = Feedback.from_ratings(np.zeros(n, dtype=int), np.full(n, score), np.ones(n), [1] * n)
    mean, covariance, _ = found.to_likelihood(4).update_gaussian(PRIOR.mean, PRIOR.covariance)
    np.testing.assert_allclose(mean[1:], PRIOR.mean[1:])
    np.testing.assert_allclose(covariance[1:, 1:], PRIOR.covariance[1:, 1:])
    own = PRIOR.covariance[0, 0]
    assert abs(mean[0] - PRIOR.mean[0]) <= own / (own + LEVEL**2) * abs(score - PRIOR.mean[0]) + 1e-12


@given(st.lists(st.floats(0, 1), min_size=2, max_size=4), st.floats(-0.5, 0.5), st.integers(1, 300))
def test_a_lenient_stratum_moves_no_difference_of_its_models(levels: list[float], more: float, n: int) -> None:
    """Chance decided between them, and as often for each: what all of them are off by together is not theirs."""
    equal = AccuracyPosterior(np.full(4, 0.6), PRIOR.covariance, PRIOR.within)
    some = [(model, level, 0.25, 0) for model, level in enumerate(levels)] * n
    lenient = [(model, level + more, chance, stratum) for model, level, chance, stratum in some]
    here = feedback(some).to_likelihood(4).update_gaussian(equal.mean, equal.covariance)[0]
    there = feedback(lenient).to_likelihood(4).update_gaussian(equal.mean, equal.covariance)[0]
    moved = (there - here)[: len(levels)]
    np.testing.assert_allclose(moved, moved[0], atol=1e-9)


def logged(seed: int, n: int, share: float) -> tuple[Ints, Floats, Floats, Floats]:
    """A gateway's log with a confounder: hard requests have another leader than easy ones.

    Returns models, scores, propensities, and whether the request was hard.
    """
    draw = np.random.default_rng(seed)
    hard = draw.random(n) < 0.5
    leader = np.where(hard, 3, 0)
    explores = draw.random(n) < share
    others = (leader + draw.integers(1, 4, n)) % 4
    models = np.where(explores, others, leader)
    propensities = np.where(explores, share / 3, 1 - share)
    scores = (draw.random(n) < TRUTH[models] - 0.3 * hard + 0.15).astype(np.float64)
    return models, scores, propensities, hard.astype(np.float64)


def test_weighed_by_their_propensities_answers_are_unbiased_and_plain_means_are_not() -> None:
    plain, weighed, horvitz = [], [], []
    for seed in range(300):
        models, scores, propensities, _ = logged(seed, 2000, 0.3)
        plain.append([scores[models == model].mean() for model in range(4)])
        weighed.append(Feedback.from_ratings(models, scores, propensities, [0] * len(models)).strata[0].means)
        each = scores / propensities
        horvitz.append([each[models == model].sum() / len(models) for model in range(4)])
    error = np.std(weighed, axis=0) / np.sqrt(300)
    np.testing.assert_array_less(np.abs(np.mean(weighed, axis=0) - TRUTH), 4 * error)
    np.testing.assert_array_less(np.abs(np.mean(horvitz, axis=0) - TRUTH), 4 * np.std(horvitz, axis=0) / np.sqrt(300))
    assert np.abs(np.mean(plain, axis=0) - TRUTH).max() > 0.05


def test_strata_that_differ_in_difficulty_are_not_compared_with_each_other() -> None:
    """A model that answered while inputs were easy is not surely better than one that answered hard ones."""
    n = 2000
    models = np.repeat([0, 1], n)
    scores = np.repeat([0.8, 0.6], n)
    alone = Feedback.from_ratings(models, scores, np.ones(2 * n), [1] * n + [2] * n)
    together = Feedback.from_ratings(models, scores, np.full(2 * n, 0.5), [1] * 2 * n)
    apart, beside = PRIOR.condition_on(feedback=alone), PRIOR.condition_on(feedback=together)
    assert beside.standard_deviation(0, 1) < 0.05 < apart.standard_deviation(0, 1)


def test_exploration_finds_the_better_model_that_the_benchmark_missed() -> None:
    found = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        models = np.where(draw.random(4000) < 0.1, draw.integers(1, 4, 4000), 0)
        scores = (draw.random(4000) < np.array([0.5, 0.4, 0.4, 0.7])[models]).astype(np.float64)
        chances = np.where(models == 0, 0.9, 0.1 / 3)
        after = PRIOR.condition_on(feedback=Feedback.from_ratings(models, scores, chances, [0] * 4000))
        found += int(after.mean.argmax()) == 3
    assert found >= 18


def test_labels_and_answers_are_combined_in_one_posterior() -> None:
    outcomes = np.tile([1.0, 0.0, 0.0, 0.0], (20, 1))
    some = feedback([(1, 1.0, 0.5, 0), (2, 0.0, 0.5, 0)] * 50)
    both = PRIOR.condition_on(LabelGroups.from_matrix(outcomes), some)
    assert (both.n_labels, both.feedback) == (20, some)
    assert both.mean[0] > PRIOR.mean[0]
    assert (
        both.mean[1] - both.mean[2]
        > PRIOR.condition_on(LabelGroups.from_matrix(outcomes)).mean[1]
        - PRIOR.condition_on(LabelGroups.from_matrix(outcomes)).mean[2]
    )
    assert (
        PRIOR.condition_on(LabelGroups.from_matrix(outcomes[:0]), feedback([(0, 1.0, 1.0, 0)]).restrict_to([1]))
        is PRIOR
    )


@pytest.mark.parametrize("chance", [0.0, 1.5, -0.1])
def test_a_propensity_that_is_none_is_refused(chance: float) -> None:
    with pytest.raises(ValueError, match="propensity"):
        feedback([(0, 1.0, chance, 0)])
