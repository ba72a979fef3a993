"""A column out of a part of it: right on average whichever part, and as sure as it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.arrays import Ints
from routing.new_model.factors import MIN_VARIANCE, KnownModels, build_factors, learn_widths
from routing.new_model.impute import impute, sample_outcomes
from routing.new_model.select_inputs import select_inputs
from tests.routing.new_model.conftest import N_DATASETS, World, world


def some(count: int, seed: int, of: Ints | int = 900) -> Ints:
    return np.random.default_rng(seed).choice(of, count, replace=False)


def test_a_column_that_was_measured_whole_is_what_was_measured(worlds: list[World]) -> None:
    one = worlds[0]
    found = impute(build_factors(one.known), np.arange(len(one.ids)), one.new)
    np.testing.assert_array_equal(found.expected, one.new)
    np.testing.assert_allclose(found.averages, one.averages)
    assert found.error == 0
    assert not found.errors.any()


def test_which_inputs_were_measured_does_not_bias_the_average(worlds: list[World]) -> None:
    """Only the easier half is measured: the mean of that is far off, the estimate is not."""
    off, plain = [], []
    for seed, one in enumerate(worlds):
        easy = np.flatnonzero(one.ease > np.median(one.ease))
        rows = some(120, seed, easy)
        off.append(impute(build_factors(one.known), rows, one.new[rows]).average - one.averages.mean())
        plain.append(one.new[rows].mean() - one.averages.mean())
    assert np.mean(plain) > 0.15
    assert abs(np.mean(off)) < np.mean(plain) / 3


def test_one_dataset_measured_tells_of_the_others_too(worlds: list[World]) -> None:
    true, told = [], []
    for one in worlds:
        rows = np.flatnonzero(one.ids == N_DATASETS - 1)
        found = impute(build_factors(one.known), rows, one.new[rows])
        true.append(one.averages[3:5].mean())
        told.append(found.averages[3:5].mean())
        assert found.errors[N_DATASETS - 1] == 0
        assert found.errors[:-1].min() > 0
    assert np.corrcoef(true, told)[0, 1] > 0.8


def test_an_estimate_is_better_than_the_mean_of_as_many(worlds: list[World]) -> None:
    off, plain = [], []
    for seed, one in enumerate(worlds):
        rows = some(60, seed)
        off.append(impute(build_factors(one.known), rows, one.new[rows]).average - one.averages.mean())
        plain.append(one.new[rows].mean() - one.averages.mean())
    assert np.mean(np.square(off)) < 0.7 * np.mean(np.square(plain))


def test_standard_errors_are_of_the_size_of_the_errors() -> None:
    ratios = []
    for seed in range(30):
        one = world(seed, 0.4 * (seed % 5 - 2))
        rows = some(80, seed)
        found = impute(build_factors(one.known), rows, one.new[rows])
        ratios.append((found.average - one.averages.mean()) / found.error)
    assert 0.4 < np.mean(np.square(ratios)) < 1.6


def test_the_order_of_the_known_models_does_not_matter(worlds: list[World]) -> None:
    one, rows = worlds[1], some(70, 1)
    turned = np.random.default_rng(0).permutation(one.known.outcomes.shape[1])
    again = KnownModels.from_outcomes(one.known.outcomes[:, turned], one.ids, N_DATASETS)
    first = impute(build_factors(one.known), rows, one.new[rows])
    second = impute(build_factors(again), rows, one.new[rows])
    np.testing.assert_allclose(first.expected, second.expected, atol=1e-9)
    assert first.error == pytest.approx(second.error)


@pytest.mark.parametrize("n_known", [1, 2, 3])
def test_few_known_models_will_do(worlds: list[World], n_known: int) -> None:
    one, rows = worlds[2], some(200, 2)
    found = impute(
        build_factors(KnownModels.from_outcomes(one.outcomes[:, :n_known], one.ids, N_DATASETS)), rows, one.new[rows]
    )
    assert abs(found.average - one.averages.mean()) < 0.08
    assert found.error > 0


def test_models_that_are_all_alike_teach_no_factor() -> None:
    one = world(3)
    same = KnownModels.from_outcomes(np.repeat(one.outcomes[:, :1], 5, axis=1), one.ids, N_DATASETS)
    widths = learn_widths(same)
    assert widths.level == pytest.approx(MIN_VARIANCE)
    assert np.isfinite(impute(build_factors(same), some(30, 0), one.new[some(30, 0)]).expected).all()


def test_missing_outcomes_of_known_models_are_borne() -> None:
    one = world(4)
    holes = one.outcomes[:, :-1].copy()
    holes[np.random.default_rng(0).random(holes.shape) < 0.2] = np.nan
    holes[one.ids == 1, 0] = np.nan
    rows = some(100, 4)
    found = impute(build_factors(KnownModels.from_outcomes(holes, one.ids, N_DATASETS)), rows, one.new[rows])
    assert abs(found.average - one.averages.mean()) < 0.08


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 5))
def test_drawn_outcomes_have_the_expected_mean_in_every_dataset(expected: list[float], seed: int) -> None:
    column, ids = np.array(expected), np.arange(len(expected)) % 3
    missing = np.arange(len(expected))
    found = sample_outcomes(column, ids, missing, seed)
    assert set(found.tolist()) <= {0.0, 1.0}
    for dataset in range(3):
        assert abs(found[ids == dataset].sum() - column[ids == dataset].sum()) <= 1 + 1e-9


def test_chosen_inputs_are_different_ones_and_the_first_are_those_for_fewer(worlds: list[World]) -> None:
    factors = build_factors(worlds[0].known)
    forty = select_inputs(factors, 40)
    assert len(set(forty.tolist())) == 40
    np.testing.assert_array_equal(select_inputs(factors, 15), forty[:15])
    assert set(worlds[0].ids[forty].tolist()) == set(range(N_DATASETS))
    among = np.arange(100, 200)
    assert set(select_inputs(factors, 30, among).tolist()) <= set(among.tolist())
    assert len(select_inputs(factors, 5000)) == len(worlds[0].ids)


def test_on_chosen_inputs_known_models_do_as_on_all() -> None:
    """In the mean of each dataset; on as many random ones of each they are far off."""
    one = world(100, sizes=(400, 200, 150, 80, 40, 30))
    known = one.known
    chosen = select_inputs(build_factors(known), 60)
    counts = np.bincount(one.ids[chosen], minlength=N_DATASETS)
    present = np.flatnonzero(counts)

    def off(rows: Ints) -> float:
        means = np.array([known.outcomes[rows[one.ids[rows] == dataset]].mean(axis=0) for dataset in present])
        return float(np.abs(means - known.averages[present]).mean())

    draw = np.random.default_rng(0)
    random = [draw.choice(np.flatnonzero(one.ids == dataset), counts[dataset], replace=False) for dataset in present]
    assert off(chosen) < 0.7 * off(np.concatenate(random))
