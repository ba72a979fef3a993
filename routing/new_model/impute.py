"""A whole column out of a partial one: expected outcomes where none was measured, and how far off averages may be.

The weights are Gaussian given the measured outcomes (Bayesian linear regression); an expected outcome is what they make
of an input, cut to [0, 1]; a dataset's average is the mean of what was measured on it and what is expected elsewhere,
so that it does not matter to the average which inputs were measured.

Standard errors are found, not trusted: every known model is hidden in turn and estimated from the same inputs. What its
averages are then off by, beside what the Gaussian says, scales the standard errors of the new one.
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats, Ints
from routing.new_model.factors import MIN_MODELS, InputFactors, build_factors


@dataclass(frozen=True, slots=True)
class ImputedColumn:
    """A new model's outcomes. expected: (n_inputs,), where measured as measured. averages, errors: (n_datasets,).

    average: the mean of averages. error: its standard error. errors: of averages.
    """

    expected: Floats
    averages: Floats
    errors: Floats
    average: float
    error: float


def impute(factors: InputFactors, rows: Ints, outcomes: Floats) -> ImputedColumn:
    """rows: (n_measured,) inputs, each once; outcomes: theirs, in [0, 1]."""
    known = factors.known
    weights, covariance = fit_posterior(factors, rows, outcomes)
    expected, averages = expected_outcomes(factors, weights, rows, outcomes)
    measured = np.bincount(known.dataset_ids[rows], minlength=len(known.counts))
    variances, variance = _variances(factors, covariance, 1.0 - measured / np.maximum(known.counts, 1))
    scale, scale_of_one = _scales(factors, rows)
    return ImputedColumn(
        expected,
        averages,
        np.sqrt(variances * scale_of_one),
        float(averages.mean()),
        float(np.sqrt(variance * scale)),
    )


def expected_outcomes(factors: InputFactors, weights: Floats, rows: Ints, outcomes: Floats) -> tuple[Floats, Floats]:
    """Expected outcomes, (n_inputs,), measured ones as they are, and their means, (n_datasets,)."""
    known = factors.known
    expected = np.clip(factors.predict_inputs(weights), 0.0, 1.0)
    expected[rows] = outcomes
    return expected, np.bincount(known.dataset_ids, expected, len(known.counts)) / np.maximum(known.counts, 1)


def sample_outcomes(column: Floats, dataset_ids: Ints, missing: Ints, seed: int = 0) -> Floats:
    """Outcomes, 0 or 1, as if they had been measured, of the inputs that were not. (n_missing,)

    column: (n_inputs,) expected. missing: rows. Drawn systematically, so that each dataset's mean is what is expected,
    to within one input: predictors see a model as noisy as all others, and averages are not noisier for it.
    """
    generator = np.random.default_rng(seed)
    found = np.zeros(len(column))
    for dataset in np.unique(dataset_ids[missing]):
        some = generator.permutation(missing[dataset_ids[missing] == dataset])
        steps = np.floor(np.cumsum(column[some]) + generator.random())
        found[some] = np.diff(steps, prepend=0.0) > 0
    return found[missing]


def fit_posterior(factors: InputFactors, rows: Ints, outcomes: Floats) -> tuple[Floats, Floats]:
    """Mean (n_weights,) and covariance of c, w, a, given some outcomes."""
    design, noise = factors.design_matrix(rows), factors.noise_variance[rows]
    scaled = design / noise[:, None]
    covariance = _inverse(design.T @ scaled + np.diag(1.0 / factors.widths.prior_variances))
    return covariance @ (scaled.T @ (outcomes - factors.offset[rows])), covariance


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _variances(factors: InputFactors, covariance: Floats, shares: Floats) -> tuple[Floats, float]:
    """Of each dataset's average, (n_datasets,), and of their mean. shares: (n_datasets,) of inputs not measured."""
    wide = shares[:, None] * factors.dataset_design
    of_weights = wide @ covariance @ wide.T
    of_noise = shares * factors.widths.noise / np.maximum(factors.known.counts, 1)
    return np.diag(of_weights) + of_noise, float(of_weights.mean() + of_noise.mean() / len(shares))


def _scales(factors: InputFactors, rows: Ints) -> tuple[float, float]:
    """By how much the squared errors of hidden models exceed what was said of them: of the average, and of datasets'.

    At least 1. Widths stay as learnt; the hidden model's part in them is small.
    """
    n_known = factors.known.averages.shape[1]
    if n_known < MIN_MODELS:
        return 1.0, 1.0
    found = np.array([_surprise(factors, rows, place) for place in range(n_known)])
    squared, said, squared_of_one, said_of_one = found.mean(axis=0)
    return max(1.0, squared / said), max(1.0, squared_of_one / said_of_one)


def _surprise(factors: InputFactors, rows: Ints, place: int) -> tuple[float, float, float, float]:
    """Squared error and variance of a hidden model's average, and the same, in the mean, of its datasets'."""
    known = factors.known
    some, at = build_factors(known.select_inputs(rows).without_model(place), factors.widths), np.arange(len(rows))
    outcomes = known.outcomes[rows, place]
    weights, covariance = fit_posterior(some, at, outcomes)
    off = some.offsets + some.dataset_design @ weights - known.averages[:, place]
    of_one, whole = _variances(some, covariance, np.ones(len(off)))
    return float(off.mean() ** 2), whole, float((off**2).mean()), float(of_one.mean())
