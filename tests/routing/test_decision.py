"""Eq. 6 and the paths around it, with numbers that can be checked by hand."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.auto.membership import TaskMembership
from routing.auto.posterior import AccuracyPosterior
from routing.confidence import probability_better
from routing.counterfactual import what_would_change
from routing.decision import DecisionReason, explain_decision, make_decision
from routing.scores import ScoreKind, TaskScores, s3

NONE = np.zeros(0)


def scored(n: int, s2: list[float], p: list[float], s1: list[float] | None = None) -> TaskScores:
    names = ("best", "second", "third")[: len(s2)]
    values, reliability = np.array(s2), np.array(p)
    return TaskScores(
        names, n, 0.3, np.array(s1 or s2), values, s3(values, reliability), reliability, np.full(len(s2), float(n))
    )


def enumerated(n: int, ones_a: int, p_a: float, ones_b: int, p_b: float) -> float:
    """P(X_a > X_b) by going through every outcome of every coin."""

    def chances(ones: int, p: float) -> list[float]:
        found = [0.0] * (n + 1)
        coins = [p] * ones + [1 - p] * (n - ones)
        for faces in product((0, 1), repeat=n):
            found[sum(faces)] += float(np.prod([c if face else 1 - c for c, face in zip(coins, faces, strict=True)]))
        return found

    a, b = chances(ones_a, p_a), chances(ones_b, p_b)
    return sum(a[i] * b[j] for i in range(n + 1) for j in range(i))


@pytest.mark.parametrize(("n", "a", "p_a", "b", "p_b"), [(1, 1, 0.9, 0, 0.8), (3, 2, 0.7, 1, 0.7), (5, 5, 1.0, 4, 0.6)])
def test_the_probability_is_that_of_every_coin(n: int, a: int, p_a: float, b: int, p_b: float) -> None:
    assert probability_better(n, a / n, p_a, b / n, p_b) == pytest.approx(enumerated(n, a, p_a, b, p_b), abs=1e-12)


def test_one_input_by_hand() -> None:
    """S~(a) is 1 with 0.9, S~(b) with 0.2: a is better with 0.9 x 0.8."""
    assert probability_better(1, 1.0, 0.9, 0.0, 0.8) == pytest.approx(0.72)
    assert probability_better(0, 1.0, 0.9, 0.0, 0.8) == 0.0


def test_without_inputs_the_best_on_average_is_chosen() -> None:
    made = make_decision(scored(0, [np.nan, np.nan], [0.5, 0.5]), 0.6)
    assert (made.model, made.reason, made.ranking, made.p_better) == (
        "best",
        DecisionReason.COLD_START,
        ("best", "second"),
        None,
    )


def test_a_leader_that_is_surely_better_is_chosen() -> None:
    made = make_decision(scored(40, [0.2, 0.9, 0.5], [0.9, 0.9, 0.9]), 0.6)
    assert (made.model, made.reason, made.leader, made.baseline) == ("second", DecisionReason.SCORE, "second", "best")
    assert made.ranking == ("second", "third", "best")
    assert made.p_better is not None
    assert made.p_better > 0.999


def test_a_leader_that_may_not_be_better_leaves_the_best_on_average() -> None:
    made = make_decision(scored(4, [0.5, 0.75], [0.6, 0.6]), 0.6)
    assert (made.model, made.reason, made.leader) == ("best", DecisionReason.BEST_ON_AVERAGE, "second")
    assert made.ranking == ("best", "second")


def test_the_probability_must_be_above_eta_not_at_it() -> None:
    scores = scored(1, [0.0, 1.0], [0.8, 0.9])
    assert make_decision(scores, 0.72 - 1e-9).model == "second"
    p_better = make_decision(scores, 1.0).p_better
    assert p_better is not None
    assert make_decision(scores, p_better).model == "best"


def test_a_task_keeps_its_model_until_another_is_surely_better() -> None:
    scores = scored(4, [0.2, 0.5, 0.75], [0.6, 0.6, 0.6])
    kept = make_decision(scores, 0.6, current="second")
    assert (kept.model, kept.reason, kept.leader, kept.baseline) == (
        "second",
        DecisionReason.CURRENT,
        "third",
        "second",
    )
    sure = scored(40, [0.2, 0.5, 0.9], [0.9, 0.9, 0.9])
    assert make_decision(sure, 0.6, current="second").model == "third"
    back = make_decision(scored(40, [0.9, 0.2], [0.9, 0.9]), 0.6, current="second")
    assert (back.model, back.reason) == ("best", DecisionReason.BEST_ON_AVERAGE)


def test_a_current_model_that_is_no_candidate_counts_as_none() -> None:
    scores = scored(4, [0.5, 0.75], [0.6, 0.6])
    assert make_decision(scores, 0.6, current="gone") == make_decision(scores, 0.6)


def test_a_tie_goes_to_the_current_model_then_to_the_better_on_average() -> None:
    tied = scored(4, [0.5, 0.5, 0.5], [0.7, 0.7, 0.7])
    assert make_decision(tied, 0.0).model == "best"
    assert make_decision(tied, 0.0, current="third").model == "third"


def test_s1_and_s2_choose_their_highest() -> None:
    scores = scored(4, [0.75, 0.5], [0.6, 0.6], s1=[0.4, 0.6])
    assert make_decision(scores, 0.6, score=ScoreKind.S1).model == "second"
    assert make_decision(scores, 0.6, score=ScoreKind.S2).model == "best"


def test_a_model_the_benchmark_is_silent_on_never_leads() -> None:
    made = make_decision(scored(10, [np.nan, 0.6], [0.5, 0.9]), 0.6)
    assert made.model == "second"
    assert make_decision(scored(10, [0.6, np.nan], [0.9, 0.5]), 0.6).ranking == ("best", "second")


def test_no_candidates_is_an_error() -> None:
    with pytest.raises(ValueError, match="no candidates"):
        make_decision(TaskScores((), 0, 0.0, NONE, NONE, NONE, NONE, NONE), 0.6)


@pytest.mark.parametrize(
    ("scores", "current", "told"),
    [
        (scored(0, [np.nan, np.nan], [0.5, 0.5]), None, "There is no evidence about this task yet"),
        (scored(40, [0.2, 0.9], [0.9, 0.9]), None, "second has the highest S3 (0.820) over 40 inputs and beats best"),
        (scored(4, [0.5, 0.75], [0.6, 0.6]), None, "but beats best (S3 0.500) with probability 0."),
        (
            scored(1, [1.0, 0.0], [0.9, 0.9]),
            None,
            "best, the best model on average, also has the highest S3 (0.900) over 1 input",
        ),
        (scored(40, [0.2, 0.9], [0.9, 0.9]), "second", "over 40 inputs: 0.820, compared with 0.260 for best, the best"),
        (scored(4, [0.2, 0.5, 0.75], [0.6] * 3), "second", "second, the task's current model, stays selected."),
        (scored(40, [0.9, 0.2], [0.9, 0.9]), "second", "best, the best model on average, has the highest S3 over 40"),
    ],
)
def test_a_decision_is_explained_by_its_own_numbers(scores: TaskScores, current: str | None, told: str) -> None:
    assert told in explain_decision(make_decision(scores, 0.6, current), scores, 0.6)


@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("score", [ScoreKind.S1, ScoreKind.S2, ScoreKind.S3])
def test_a_model_that_was_not_measured_nearby_is_named_so_and_never_as_nan(missing: int, score: ScoreKind) -> None:
    s2 = [0.4, 0.9, 0.8]
    s2[missing] = float("nan")
    scores = scored(20, s2, [0.9, 0.9, 0.9])
    decision = make_decision(scores, 0.6, score=score)
    sentence = explain_decision(decision, scores, 0.6, score)
    assert "nan" not in sentence
    assert decision.model != scores.models[missing]
    if missing == 0:
        assert "not measured near these inputs" in sentence


def judged(s1: list[float], mean: list[float], known: float, n_labels: int = 0) -> TaskScores:
    """Scores of a task with a posterior, `known` being the probability that it is one of the datasets."""
    membership = TaskMembership(np.array([1.0]), np.array([known]), 0.0)
    posterior = AccuracyPosterior(
        np.array(mean), 0.001 * np.eye(3), 0.1 * np.eye(3), n_labels=n_labels, membership=membership
    )
    return replace(scored(40, s1, [0.9] * 3, s1), posterior=posterior)


def test_auto_chooses_no_model_for_a_new_task_that_its_nearest_inputs_contradict() -> None:
    scores = judged([0.74, 0.52, 0.60], [0.7, 1.0, 0.9], 0.0)
    decision = make_decision(scores, 0.6, score=ScoreKind.AUTO)
    assert (decision.model, decision.reason) == ("best", DecisionReason.BEST_ON_AVERAGE)
    assert decision.ranking == ("best", "second", "third")
    sentence = explain_decision(decision, scores, 0.6, ScoreKind.AUTO)
    assert (
        "second has the highest expected accuracy (1.000), but the benchmark inputs nearest to this new task"
        in sentence
    )
    assert "contradict it (S1 0.520, compared with 0.740 for best): best" in sentence


@pytest.mark.parametrize("current", [None, "second"])
def test_auto_tells_of_a_leader_that_is_kept_what_it_tells_of_a_new_one(current: str | None) -> None:
    scores = judged([0.7] * 3, [0.7, 0.72, 0.7], 0.9)
    decision = make_decision(scores, 0.6, current, ScoreKind.AUTO)
    assert (decision.model, decision.leader, decision.reason) == ("second", "second", DecisionReason.SCORE)
    assert "second has the highest expected accuracy" in explain_decision(decision, scores, 0.6, ScoreKind.AUTO)
    held = make_decision(scores, 0.9, "third", ScoreKind.AUTO)
    assert (held.model, held.leader, held.reason) == ("third", "second", DecisionReason.CURRENT)


def test_auto_says_of_a_kept_model_that_a_higher_one_was_set_aside() -> None:
    scores = judged([0.7, 0.5, 0.7], [0.7, 1.0, 0.9], 0.0)
    decision = make_decision(scores, 0.6, "third", ScoreKind.AUTO)
    assert (decision.model, decision.leader, decision.reason) == ("third", "third", DecisionReason.SCORE)
    sentence = explain_decision(decision, scores, 0.6, ScoreKind.AUTO)
    assert sentence.startswith("second has the highest expected accuracy (1.000), but the benchmark inputs nearest")
    assert "third, the task's current model, stays selected (expected accuracy 0.900)" in sentence


@given(st.lists(st.floats(0.05, 0.95), min_size=3, max_size=3), st.sampled_from([-1.0, 1.0]))
def test_accuracies_are_shown_within_their_range_and_compared_beyond_it(mean: list[float], moved: float) -> None:
    """The posterior's mean has no bounds; what moves all models alike changes no decision, only what is shown."""
    inside = judged([0.7] * 3, mean, 0.9)
    outside = judged([0.7] * 3, [one + moved for one in mean], 0.9)
    decisions = [make_decision(one, 0.6, "third", ScoreKind.AUTO) for one in (inside, outside)]
    assert decisions[0].model == decisions[1].model
    assert decisions[0].p_better == pytest.approx(decisions[1].p_better)
    shown = max(0.0, moved)
    np.testing.assert_allclose(outside.reported_score(ScoreKind.AUTO), shown)
    sentence = explain_decision(decisions[1], outside, 0.6, ScoreKind.AUTO)
    assert set(re.findall(r"\((?:expected accuracy )?(-?\d\.\d{3})\)", sentence)) <= {f"{shown:.3f}"}
    turned = what_would_change(decisions[1], outside, 0.6, ScoreKind.AUTO)
    assert turned is not None
    assert turned.has == shown
    assert outside.posterior is not None
    low, high = outside.posterior.credible_interval(0)
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize("known", [0.0, 0.9])
def test_auto_chooses_no_model_of_which_nothing_near_was_measured(known: float) -> None:
    scores = judged([0.74, float("nan"), 0.72], [0.7, 1.0, 0.9], known)
    decision = make_decision(scores, 0.6, "second", ScoreKind.AUTO)
    assert (decision.model, decision.ranking) == ("third", ("third", "best", "second"))
    behind = judged([0.74, float("nan"), 0.60], [0.7, 1.0, 0.5], known)
    sentence = explain_decision(make_decision(behind, 0.6, score=ScoreKind.AUTO), behind, 0.6, ScoreKind.AUTO)
    assert sentence.startswith("second has the highest expected accuracy (1.000), but was not measured near these")


@pytest.mark.parametrize(("s1", "n_labels"), [([0.74, float("nan"), 0.6], 1), ([float("nan")] * 3, 0)])
def test_an_unmeasured_model_may_be_chosen_by_labels_and_where_nothing_was_measured(
    s1: list[float], n_labels: int
) -> None:
    scores = judged(s1, [0.7, 1.0, 0.9], 0.0, n_labels)
    assert make_decision(scores, 0.6, score=ScoreKind.AUTO).model == "second"


def test_a_task_leaves_a_model_that_its_inputs_have_come_to_contradict() -> None:
    scores = judged([0.74, 0.52, 0.70], [0.7, 1.0, 0.9], 0.0)
    assert make_decision(scores, 0.6, "second", ScoreKind.AUTO).model == "third"


@pytest.mark.parametrize(
    ("s1", "known", "n_labels"),
    [
        ([0.60, 0.52, 0.60], 0.0, 0),  # behind by less than that
        ([0.74, 0.52, 0.60], 0.9, 0),  # the task is one of the datasets
        ([0.74, 0.52, 0.60], 0.0, 1),  # labels tell
    ],
)
def test_nothing_is_contradicted_where_more_is_known_or_too_little(
    s1: list[float], known: float, n_labels: int
) -> None:
    scores = judged(s1, [0.7, 1.0, 0.9], known, n_labels)
    assert make_decision(scores, 0.6, score=ScoreKind.AUTO).model == "second"
