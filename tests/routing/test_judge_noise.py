"""Labels of judges: laws of what they may say, from a flat likelihood to a true label, and judges that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.arrays import Floats
from routing.auto.judge_noise import (
    NO_INFORMATION,
    TRUE_LABEL,
    JudgeAgreement,
    LabelNoise,
    estimate_noise,
    flip_noise,
)
from routing.auto.posterior import AccuracyPosterior, LabelGroups

N_MODELS = 4
MEAN = np.array([0.65, 0.6, 0.55, 0.6])
COVARIANCE = 0.01 * (np.eye(N_MODELS) + 0.2)
PRIOR = AccuracyPosterior(MEAN, COVARIANCE, 0.2 * np.eye(N_MODELS) + 0.03)
TRUTH = np.array([0.7, 0.3, 0.5, 0.9])
NAMED = "judge:j"

outcomes = st.lists(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, np.nan]), min_size=N_MODELS, max_size=N_MODELS), min_size=1, max_size=12
).map(lambda rows: np.array(rows))
noises = st.builds(LabelNoise, st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.25))


def learn(labels: Floats, noise: LabelNoise, prior: AccuracyPosterior = PRIOR) -> AccuracyPosterior:
    return prior.condition_on(LabelGroups.from_matrix(labels, NAMED, noise))


def contrast(posterior: AccuracyPosterior) -> Floats:
    """Return the covariance of the differences to the first candidate: the level is no label's business."""
    differ = np.hstack([-np.ones((N_MODELS - 1, 1)), np.eye(N_MODELS - 1)])
    return np.asarray(differ @ posterior.covariance @ differ.T)


@given(outcomes, st.sampled_from([flip_noise(0.5), NO_INFORMATION, LabelNoise(0.0, 0.3, 0.1)]))
def test_labels_of_a_judge_that_flips_a_coin_change_nothing(labels: Floats, noise: LabelNoise) -> None:
    after = learn(labels, noise)
    np.testing.assert_array_equal(after.mean, MEAN)
    np.testing.assert_array_equal(after.covariance, COVARIANCE)
    assert (after.n_labels, after.effective_labels) == (0, 0)


@given(outcomes, outcomes)
def test_such_labels_change_nothing_beside_others(labels: Floats, true: Floats) -> None:
    given_ = LabelGroups.from_matrix(true)
    both = PRIOR.condition_on(given_.join(LabelGroups.from_matrix(labels, NAMED, NO_INFORMATION)))
    np.testing.assert_array_equal(both.mean, PRIOR.condition_on(given_).mean)
    np.testing.assert_array_equal(both.covariance, PRIOR.condition_on(given_).covariance)


@given(outcomes, st.floats(0, 0.3), st.floats(0, 0.25))
def test_a_likelihood_without_slope_is_flat(labels: Floats, deviation: float, variance: float) -> None:
    """In every case of the prior, and no case is more likely by it than another."""
    groups = LabelGroups.from_matrix(labels, NAMED, LabelNoise(0.0, deviation, variance))
    likely = []
    for scale in (0.125, 1.0, 4.0) if groups.n else ():
        mean, covariance, likelihood = PRIOR._labelled(groups, scale * COVARIANCE)
        np.testing.assert_allclose(mean, MEAN, atol=1e-12)
        np.testing.assert_allclose(covariance, scale * COVARIANCE, atol=1e-12)
        likely.append(likelihood)
    assert not likely or likely[0] == pytest.approx(likely[2], abs=1e-9)


@given(outcomes)
def test_a_label_that_is_never_flipped_counts_as_a_true_one(labels: Floats) -> None:
    here, there = learn(labels, flip_noise(0.0)), PRIOR.condition_on(LabelGroups.from_matrix(labels))
    np.testing.assert_allclose(here.mean, there.mean, atol=1e-9)
    np.testing.assert_allclose(here.covariance, there.covariance, atol=1e-9)
    assert here.effective_labels == there.n_labels


@given(st.integers(1, 300), st.floats(0, 0.5), st.floats(0, 0.5))
def test_the_more_often_a_judge_flips_the_less_its_labels_tell(n: int, one: float, other: float) -> None:
    """In each case of the prior: the expected move towards the truth shrinks, the variance that is left grows."""
    rates = sorted((one, other))
    moved, left, weights = [], [], []
    for rate in rates:
        noise = flip_noise(rate)
        labels = LabelGroups.from_matrix(np.tile(rate + noise.slope * TRUTH, (n, 1)), NAMED, noise)
        mean, covariance, _ = PRIOR._labelled(labels, COVARIANCE)
        off, difference = MEAN - MEAN.mean() - (TRUTH - TRUTH.mean()), mean - mean.mean() - (TRUTH - TRUTH.mean())
        moved.append(float(np.linalg.norm(off)) - float(np.linalg.norm(difference)))
        left.append(contrast(AccuracyPosterior(mean, covariance, PRIOR.within)))
        weights.append(noise.weight(0.4))
    assert moved[0] >= moved[1] - 1e-9
    assert np.linalg.eigvalsh(left[1] - left[0]).min() > -1e-9
    assert 1 >= weights[0] >= weights[1] >= 0


@given(outcomes, noises, noises)
def test_labels_never_make_a_case_less_certain(labels: Floats, noise: LabelNoise, other: LabelNoise) -> None:
    both = LabelGroups.from_matrix(labels, NAMED, noise).join(LabelGroups.from_matrix(labels, "judge:k", other))
    _, covariance, likelihood = PRIOR._labelled(both, COVARIANCE)
    assert np.linalg.eigvalsh(COVARIANCE - covariance).min() > -1e-8
    assert np.isfinite(likelihood)


def test_the_leniency_of_a_judge_is_not_taken_for_a_difference() -> None:
    """A judge of two models and true labels of two others share no difficulty."""
    judged = np.array([[1.0, 1.0, np.nan, np.nan]] * 50)
    true = np.array([[np.nan, np.nan, 0.0, 0.0]] * 50)
    both = LabelGroups.from_matrix(true).join(LabelGroups.from_matrix(judged, NAMED, flip_noise(0.05)))
    flat = AccuracyPosterior(np.full(N_MODELS, 0.5), COVARIANCE, PRIOR.within)
    np.testing.assert_allclose(flat.condition_on(both).mean, 0.5, atol=1e-3)


def test_the_uncertainty_of_a_judges_errors_does_not_average_out() -> None:
    labels = np.tile(0.9 * TRUTH, (5000, 1))
    certain, uncertain = LabelNoise(0.9, 0.0, 0.09), LabelNoise(0.9, 0.3, 0.09)
    assert learn(labels, uncertain).standard_deviation(3, 1) > 3 * learn(labels, certain).standard_deviation(3, 1)


def pairs(differ: int, n: int = 120, right: float = 0.5) -> JudgeAgreement:
    return JudgeAgreement((n - differ) * right, (n - differ) * (1 - right), differ)


@pytest.mark.parametrize(
    "agreement",
    [
        JudgeAgreement(),
        pairs(60),
        pairs(100),
        pairs(0, right=1.0),
        pairs(0, right=0.0),
        pairs(0, n=2),
        JudgeAgreement(108.3, 0.3, 11.4),
        JudgeAgreement(60, 60, 0, 20, 10, 10, 20),
        JudgeAgreement(112, 6, 2, 30, 0, 28, 2),
    ],
    ids=[
        "nothing is known",
        "it disagrees with itself half of the time",
        "it mostly says the opposite the second time",
        "it always says right",
        "it always says wrong",
        "it was asked twice of two answers",
        "it says right by chance, 19 times in 20",
        "it errs the same way twice in a third of the answers",
        "it calls wrong answers right",
    ],
)
def test_a_judge_that_may_be_no_better_than_chance_counts_for_nothing(agreement: JudgeAgreement) -> None:
    assert estimate_noise(agreement) == NO_INFORMATION


def test_the_more_a_judge_agrees_with_itself_the_more_its_labels_count() -> None:
    found = [estimate_noise(pairs(differ)) for differ in range(0, 61, 4)]
    weights = [noise.weight(0.4) for noise in found]
    assert weights == sorted(weights, reverse=True)
    assert (weights[0] > 0.85, weights[-1]) == (True, 0.0)
    assert all(noise.deviation > 0 for noise in found if noise.slope)


@pytest.mark.parametrize(("accuracy", "n"), [(0.95, 200), (0.85, 400), (0.75, 1000)])
def test_the_errors_of_a_known_judge_are_found(accuracy: float, n: int) -> None:
    """Of two independent verdicts by one that flips a share of them, half of the answers being right."""
    flips = 1 - accuracy
    same = (1 - 2 * flips * accuracy) * n
    noise = estimate_noise(JudgeAgreement(same / 2, same / 2, n - same))
    assert abs(noise.slope - (1 - 2 * flips)) < 0.06
    assert abs(noise.variance - flips * accuracy) < 0.03
    assert estimate_noise(JudgeAgreement(same * 10, same * 10, 20 * (n - same))).deviation < noise.deviation


def test_references_show_errors_that_a_judge_makes_twice() -> None:
    alone = estimate_noise(JudgeAgreement(100, 100, 0))
    confirmed = estimate_noise(JudgeAgreement(100, 100, 0, 40, 0, 0, 40))
    refuted = estimate_noise(JudgeAgreement(100, 100, 0, 34, 6, 6, 34))
    assert alone.slope > 0.9
    assert confirmed.slope > 0.9
    assert abs(refuted.slope - 0.7) < 0.1


@given(st.lists(st.floats(0, 100), min_size=7, max_size=7))
def test_comparisons_do_not_depend_on_which_answer_is_called_right(counts: list[float]) -> None:
    both_right, both_wrong, differ, rr, rw, wr, ww = counts
    here = JudgeAgreement(*counts).symmetric()
    there = JudgeAgreement(both_wrong, both_right, differ, ww, wr, rw, rr).symmetric()
    assert here == there
    assert here.both_right + here.both_wrong == pytest.approx(both_right + both_wrong)


def test_scaled_labels_tell_as_much() -> None:
    noise = LabelNoise(0.8, 0.1, 0.05)
    assert noise.scale(0.5).weight(0.4) == pytest.approx(noise.weight(0.4))
    assert TRUE_LABEL.weight(0.4) == 1
