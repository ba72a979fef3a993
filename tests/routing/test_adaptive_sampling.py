"""Thinning: which inputs are drawn, when a task slows down, and when it wakes."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from routing.adaptive_sampling import (
    BLOCK,
    MIN_DEVIATION,
    MIN_OBSERVED,
    RECENT,
    SamplingRate,
    SamplingSettings,
    ShiftDetector,
    decision_z,
    is_sampled,
)
from routing.arrays import unit_rows
from routing.scores import TaskScores
from routing.task import InputEvidence

SETTINGS = SamplingSettings()
CLEAR, UNCLEAR = 10.0, 0.0


def evidence(count: int, seed: int, distance: float = 0.4, towards: int = 0) -> InputEvidence:
    """Inputs about one direction, at about one distance."""
    draw = np.random.default_rng(seed)
    centre = np.eye(8)[towards]
    vectors = unit_rows(centre + 0.3 * draw.normal(size=(count, 8)))
    g = np.ones((count, 2))
    return InputEvidence(g, g, distance + 0.05 * draw.normal(size=count), vectors, g)


def paced(
    pace: SamplingRate, blocks: int, z: float, distance: float = 0.4, towards: int = 0, base: int = 0
) -> SamplingRate:
    """The pace after some blocks; of each, as many inputs are seen as the weight lets through."""
    total = np.eye(8)[0] * 50
    for block in range(blocks):
        pace = pace.record_input(
            evidence(BLOCK // pace.weight, 1000 * base + block, distance, towards), total
        ).next_rate(z, SETTINGS)
    return pace


@given(st.text(max_size=20), st.sampled_from([1, 2, 4, 8, 16, 32]), st.integers(0, 10_000))
def test_of_every_run_one_input_is_drawn(task: str, weight: int, run: int) -> None:
    assert sum(is_sampled(task, run * weight + place, weight) for place in range(weight)) == 1


def test_every_place_in_a_run_is_drawn_as_often_as_any_other() -> None:
    """Over many runs and tasks, so that the sample is uniform whatever order inputs come in."""
    counts = np.zeros(16)
    for task, number in itertools.product(range(20), range(16 * 100)):
        counts[number % 16] += is_sampled(f"task-{task}", number, 16)
    assert counts.sum() == 2000
    assert ((counts - 125) ** 2 / 125).sum() < 37.7  # chi-squared of 15 degrees at 0.001; the draws never change


def test_the_mean_over_the_drawn_is_the_mean_over_all() -> None:
    values = np.random.default_rng(3).random(3200)
    means = []
    for task in range(200):
        drawn = [value for number, value in enumerate(values) if is_sampled(f"t{task}", number, 16)]
        means.append(np.mean(drawn))
    assert np.mean(means) == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(200 * 200))


def test_a_clear_decision_slows_down_early_and_an_unclear_one_when_there_is_enough() -> None:
    assert paced(SamplingRate(), 1, CLEAR).weight == 1
    assert [paced(SamplingRate(), blocks, CLEAR).weight for blocks in (2, 3, 4, 5, 9)] == [2, 4, 8, 16, 16]
    enough = SETTINGS.enough // BLOCK
    assert [paced(SamplingRate(), blocks, UNCLEAR).weight for blocks in (enough - 1, enough, enough + 1)] == [1, 2, 4]


@pytest.mark.parametrize(("distance", "towards", "blocks"), [(0.7, 0, 2), (0.4, 1, 1)])
def test_inputs_that_drift_wake_a_task(distance: float, towards: int, blocks: int) -> None:
    """Farther from the benchmark, or somewhere else. blocks: of two embedded inputs each, until the drift is found."""
    settled = paced(SamplingRate(), 12, CLEAR)
    assert (settled.weight, settled.embedded, settled.drifts) == (16, 106, 0)
    assert paced(settled, blocks - 1, CLEAR, distance, towards, base=1).drifts == 0
    woken = paced(settled, blocks, CLEAR, distance, towards, base=1)
    assert (woken.weight, woken.embedded, woken.drifts) == (1, 0, 1)
    assert (woken.distance, woken.nearness) == (ShiftDetector(), ShiftDetector())
    slower = paced(woken, 2, CLEAR, distance, towards, base=2)
    assert (slower.weight, slower.embedded, slower.drifts) == (2, 2 * BLOCK, 1)


def test_inputs_that_stay_what_they_are_wake_nobody() -> None:
    for base in range(1, 6):
        assert paced(SamplingRate(), 100, CLEAR, base=base).drifts == 0


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=50))
def test_a_watch_knows_mean_and_variance(values: list[float]) -> None:
    watch = ShiftDetector()
    for value in values:
        watch = watch.add_value(value)
    assert watch.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert watch.squares / (watch.n - 1) == pytest.approx(np.var(values, ddof=1), abs=1e-8)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=50))
def test_a_shift_is_the_recent_means_distance_in_its_own_deviations(values: list[float]) -> None:
    watch, recent = ShiftDetector(), values[0]
    for value in values:
        watch = watch.add_value(value)
        recent += RECENT * (value - recent)
    deviation = np.std(values, ddof=1) * np.sqrt(RECENT / (2 - RECENT)) if len(values) > 1 else 0.0
    assume(abs(deviation - MIN_DEVIATION) > 1e-9)  # rounding decides on which side of the limit it is
    is_known = len(values) >= MIN_OBSERVED and deviation > MIN_DEVIATION
    expected = abs(recent - np.mean(values)) / deviation if is_known else 0.0
    assert watch.shift_deviations() == pytest.approx(expected, rel=1e-6, abs=1e-6)


def scores(s3: list[float], n: int, reliability: float = 0.9) -> TaskScores:
    """S3 as given, S2 such that it comes to that."""
    values = np.array(s3)
    s2 = (values - (1 - reliability)) / (2 * reliability - 1)
    names = tuple("abc"[: len(s3)])
    return TaskScores(names, n, 0.4, s2, s2, values, np.full(len(s3), reliability), np.full(len(s3), float(n)))


def test_clearness_is_the_lead_over_its_sampling_error() -> None:
    made = scores([0.7, 0.6], 100)
    variances = 0.8**2 * made.s2 * (1 - made.s2) / 100
    assert decision_z(made, "a") == pytest.approx(0.1 / np.sqrt(variances.sum()))
    assert decision_z(made, "b") == pytest.approx(-0.1 / np.sqrt(variances.sum()))
    assert decision_z(scores([0.7, 0.6], 400), "a") == pytest.approx(2 * decision_z(made, "a"))
    assert decision_z(scores([0.7, 0.6, 0.69], 100), "a") < decision_z(made, "a")


def test_clearness_of_what_cannot_be_compared() -> None:
    assert decision_z(scores([0.7], 10), "a") == float("inf")
    assert decision_z(scores([0.7, 0.6], 10), "unknown") == 0.0
    assert decision_z(scores([0.7, 0.6], 0), "a") == 0.0
