"""What is given for a cheaper model: quality less price, by hand and by its laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.auto.posterior import AccuracyPosterior
from routing.confidence import probability_better
from routing.decision import SETTLED_INPUTS, CostPreference, explain_decision, make_decision
from routing.scores import ScoreKind, TaskScores, s3
from tests.routing.test_decision import enumerated, scored

COSTS = {"best": 10.0, "second": 1.0, "third": 5.0}


def expected(values: list[float], n: int = 5, variance: float = 0.001) -> TaskScores:
    names, zeros = ("best", "second", "third")[: len(values)], np.full(len(values), 0.5)
    posterior = AccuracyPosterior(np.array(values), variance * np.eye(len(values)), np.eye(len(values)))
    return TaskScores(names, n, 0.3, zeros, zeros, s3(zeros, zeros), zeros, np.full(len(values), float(n)), posterior)


def chosen(scores: TaskScores, price: float, score: ScoreKind = ScoreKind.AUTO, current: str | None = None) -> str:
    return make_decision(scores, 0.6, current, score, CostPreference(None, COSTS, price=price)).model


def test_a_cheaper_model_is_chosen_once_it_is_worth_it() -> None:
    """best costs 0.9 of the dearest's more than second, and is 0.09 better: at a price of 0.1 it is a draw."""
    scores = expected([0.8, 0.71, 0.7])
    assert chosen(scores, 0.0) == "best"
    assert chosen(scores, 0.099) == "best"
    assert chosen(scores, 0.101) == "second"


def test_weights_count_by_their_quotient() -> None:
    scores = expected([0.8, 0.7, 0.75])
    for price in (0.05, 0.1, 0.2, 1.0):
        one, ten = CostPreference(None, COSTS, 1.0, price), CostPreference(None, COSTS, 10.0, 10 * price)
        assert make_decision(scores, 0.6, None, ScoreKind.AUTO, one) == make_decision(
            scores, 0.6, None, ScoreKind.AUTO, ten
        )


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.floats(0, 2), st.floats(0, 2))
def test_a_higher_price_never_chooses_a_dearer_model(values: list[float], a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert COSTS[chosen(expected(values), high)] <= COSTS[chosen(expected(values), low)]


def test_a_price_of_nothing_changes_nothing() -> None:
    scores = scored(40, [0.2, 0.9, 0.5], [0.9, 0.9, 0.9])
    for score in (ScoreKind.S1, ScoreKind.S2, ScoreKind.S3):
        assert make_decision(scores, 0.6, score=score) == make_decision(
            scores, 0.6, score=score, preference=CostPreference(None, COSTS)
        )


def test_s3_leaves_the_best_on_average_where_it_is_probably_not_worth_its_price() -> None:
    """Equally good models: eq. 6 keeps m*, with a price the cheap one is better by the difference in cost."""
    scores = scored(60, [0.8, 0.8], [0.9, 0.9])
    assert make_decision(scores, 0.6).model == "best"
    made = make_decision(scores, 0.6, preference=CostPreference(None, COSTS, price=0.2))
    assert (made.model, made.leader) == ("second", "second")
    assert made.p_better is not None
    assert made.p_better > 0.6
    assert chosen(scores, 0.2, ScoreKind.S2) == chosen(scores, 0.2, ScoreKind.S1) == "second"


@pytest.mark.parametrize("margin", [-0.4, -0.2, 0.0, 0.2, 0.39, 0.6])
def test_the_probability_of_a_margin_is_that_of_every_coin(margin: float) -> None:
    """P(X_a > X_b + 5 margin): as if b had as many right answers more, which enumeration counts by shifting."""
    n, a, p_a, b, p_b = 5, 4, 0.8, 2, 0.7
    from itertools import product

    total = 0.0
    coins_a, coins_b = [p_a] * a + [1 - p_a] * (n - a), [p_b] * b + [1 - p_b] * (n - b)
    for faces in product((0, 1), repeat=2 * n):
        chance = float(np.prod([c if face else 1 - c for c, face in zip([*coins_a, *coins_b], faces, strict=True)]))
        total += chance if sum(faces[:n]) - sum(faces[n:]) > n * margin + 1e-9 else 0.0
    assert probability_better(n, a / n, p_a, b / n, p_b, margin) == pytest.approx(total, abs=1e-12)
    if margin == 0:
        assert total == pytest.approx(enumerated(n, a, p_a, b, p_b))


def test_many_inputs_agree_with_few_about_a_margin() -> None:
    """The normal approximation counts the margin as the exact sum does."""
    far = probability_better(40_000, 0.7, 0.8, 0.7, 0.8, 0.01)
    assert far == pytest.approx(0.5 * math.erfc(0.01 * math.sqrt(40_000 / 0.32) / math.sqrt(2)), rel=0.05)
    assert probability_better(40_000, 0.7, 0.8, 0.7, 0.8, -0.01) == pytest.approx(1 - far, abs=1e-4)


def test_a_settled_task_keeps_its_model_until_another_is_probably_worth_more() -> None:
    near = expected([0.8, 0.72, 0.5], SETTLED_INPUTS + 1, 0.01)
    assert chosen(near, 0.1, current="best") == "best"
    assert chosen(near, 1.0, current="best") == "second"


def test_a_model_of_unknown_cost_counts_as_the_dearest() -> None:
    some = CostPreference(None, {"best": 10.0, "second": 1.0}, price=0.5)
    np.testing.assert_allclose(some.cost_shares(("best", "second", "third")), [1.0, 0.1, 1.0])
    np.testing.assert_allclose(CostPreference(None, {}, price=1.0).cost_shares(("best", "second")), 0.0)


def test_the_sentence_can_be_worked_out_again() -> None:
    scores, preference = expected([0.8, 0.71, 0.7], variance=1e-4), CostPreference(None, COSTS, price=0.2)
    made = make_decision(scores, 0.6, None, ScoreKind.AUTO, preference)
    told = explain_decision(made, scores, 0.6, ScoreKind.AUTO, preference)
    assert told.startswith(
        "second (1 * 0.710 - 0.2 * 0.100 = 0.690) has the best balance of expected accuracy and price"
    )
    assert "is worth its price against best (1 * 0.800 - 0.2 * 1.000 = 0.600) with probability 1.00" in told
    settled = expected([0.8, 0.72, 0.5], SETTLED_INPUTS + 1, 0.01)
    preference = CostPreference(None, COSTS, price=0.1)
    kept = make_decision(settled, 0.6, "best", ScoreKind.AUTO, preference)
    assert explain_decision(kept, settled, 0.6, ScoreKind.AUTO, preference).endswith(
        "not above the threshold 0.6: best stays selected."
    )
