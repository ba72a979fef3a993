"""A full column of outcomes from a partial one: expected outcomes where none was measured, and standard errors.

The weights are Gaussian given the measured outcomes (Bayesian linear regression); an expected outcome is their
prediction for an input, clipped to [0, 1]; a dataset's average is the mean of its measured outcomes and the expected
ones elsewhere, so that the choice of measured inputs does not bias it.

Standard errors are calibrated: every known model is hidden in turn and estimated from the same inputs. The real error
of its averages, relative to the Gaussian's, scales the standard errors of the new one.
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats, Ints
from routing.new_model.factors import MIN_MODELS, InputFactors, build_factors


@dataclass(frozen=True, slots=True)
class ImputedColumn:
    """Outcomes of a new model.

    Attributes:
        expected: (n_inputs,) measured outcomes where there are any.
        averages: (n_datasets,).
        errors: (n_datasets,) standard errors of the averages.
        average: mean of the averages.
        error: its standard error.
    """

    expected: Floats
    averages: Floats
    errors: Floats
    average: float
    error: float


def impute(factors: InputFactors, rows: Ints, outcomes: Floats) -> ImputedColumn:
    """Impute a column. rows: (n_measured,) inputs, each once; outcomes: theirs, in [0, 1]."""
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
    """Return expected outcomes, (n_inputs,), measured ones as they are, and their means, (n_datasets,)."""
    known = factors.known
    expected = np.clip(factors.predict_inputs(weights), 0.0, 1.0)
    expected[rows] = outcomes
    return expected, np.bincount(known.dataset_ids, expected, len(known.counts)) / np.maximum(known.counts, 1)


def sample_outcomes(column: Floats, dataset_ids: Ints, missing: Ints, seed: int = 0) -> Floats:
    """Return outcomes, 0 or 1, as if measured, of the inputs that were not. (n_missing,)

    column: (n_inputs,) expected. missing: rows. Sampled systematically, so that each dataset's mean equals the
    expected one to within one input: predictors see a model as noisy as all others, and averages are not noisier for
    it.
    """
    generator = np.random.default_rng(seed)
    found = np.zeros(len(column))
    for dataset in np.unique(dataset_ids[missing]):
        some = generator.permutation(missing[dataset_ids[missing] == dataset])
        # Systematic sampling: one uniform number per dataset; the count of ones is the sum of probabilities rounded
        # up or down.
        steps = np.floor(np.cumsum(column[some]) + generator.random())
        found[some] = np.diff(steps, prepend=0.0) > 0
    return found[missing]


def fit_posterior(factors: InputFactors, rows: Ints, outcomes: Floats) -> tuple[Floats, Floats]:
    """Return mean (n_weights,) and covariance of c, w, a, given some outcomes."""
    design, noise = factors.design_matrix(rows), factors.noise_variance[rows]
    scaled = design / noise[:, None]
    # Posterior precision = data precision + prior precision (Bayesian linear regression).
    covariance = _inverse(design.T @ scaled + np.diag(1.0 / factors.widths.prior_variances))
    return covariance @ (scaled.T @ (outcomes - factors.offset[rows])), covariance


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _variances(factors: InputFactors, covariance: Floats, shares: Floats) -> tuple[Floats, float]:
    """Return the variance of each dataset's average, (n_datasets,), and of their mean. shares: of inputs not
    measured.
    """
    wide = shares[:, None] * factors.dataset_design
    of_weights = wide @ covariance @ wide.T
    of_noise = shares * factors.widths.noise / np.maximum(factors.known.counts, 1)
    return np.diag(of_weights) + of_noise, float(of_weights.mean() + of_noise.mean() / len(shares))


def _scales(factors: InputFactors, rows: Ints) -> tuple[float, float]:
    """Return the ratio of hidden models' squared errors to their predicted variance: of the average, and of
    datasets'.

    At least 1. The prior variances stay as learnt; the hidden model's part in them is small.
    """
    n_known = factors.known.averages.shape[1]
    if n_known < MIN_MODELS:
        return 1.0, 1.0
    found = np.array([_surprise(factors, rows, place) for place in range(n_known)])
    squared, predicted, squared_of_one, predicted_of_one = found.mean(axis=0)
    return max(1.0, squared / predicted), max(1.0, squared_of_one / predicted_of_one)


def _surprise(factors: InputFactors, rows: Ints, place: int) -> tuple[float, float, float, float]:
    """Return squared error and variance of a hidden model's average, and the means of the same over its datasets."""
    known = factors.known
    some, at = build_factors(known.select_inputs(rows).without_model(place), factors.widths), np.arange(len(rows))
    outcomes = known.outcomes[rows, place]
    weights, covariance = fit_posterior(some, at, outcomes)
    off = some.offsets + some.dataset_design @ weights - known.averages[:, place]
    of_one, whole = _variances(some, covariance, np.ones(len(off)))
    return float(off.mean() ** 2), whole, float((off**2).mean()), float(of_one.mean())
