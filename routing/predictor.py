"""Correctness predictors: is model m right on input x?

| paper          | here              | shape                   |
|----------------|-------------------|-------------------------|
| NN(x, k, D)    | rows              | (n_inputs, k)           |
| y(e, m)        | outcomes          | (n_benchmark, n_models) |
| g_m(x), eq. 7  | predict_outcomes()| (n_inputs, n_models)    |
| g_bar, eq. 2   | predict_correct() | (n_inputs, n_models)    |
| p_z(m)         | prediction_accuracy() | (n_models,)         |
"""

import numpy as np

from routing.arrays import Floats, Ints

THRESHOLD = 0.5
"""t of eq. 2."""


def predict_outcomes(outcomes: Floats, rows: Ints) -> Floats:
    """Return g_m(x): mean outcome of model m over the nearest benchmark inputs (eq. 7); missing outcomes left out.

    outcomes: (n_benchmark, n_models) in [0, 1] or NaN. rows: (n_inputs, k) rows of the nearest.
    Returns (n_inputs, n_models) in [0, 1]; NaN where none of the k has an outcome for the model.
    """
    near = outcomes[rows]
    missing = np.isnan(near)
    # The usual case: a benchmark without missing outcomes needs neither counts nor a masked sum.
    if not missing.any():
        return np.asarray(near.mean(axis=1))
    counts = (~missing).sum(axis=1)
    sums = np.where(missing, 0.0, near).sum(axis=1)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def predict_correct(g: Floats, threshold: float = THRESHOLD) -> Floats:
    """Return g_bar: 1 where g is above the threshold t, else 0; NaN where g is NaN (eq. 2). Shape of g."""
    return np.where(np.isnan(g), np.nan, (g > threshold).astype(np.float64))


def prediction_accuracy(g_bar: Floats, correct: Floats) -> Floats:
    """Return p(d, m): the share of inputs on which g_bar equals the real outcome; unknown pairs left out.

    g_bar, correct: (n_inputs, n_models) of 0, 1 or NaN. Returns (n_models,), NaN for a model without any pair.
    """
    known = ~(np.isnan(g_bar) | np.isnan(correct))
    counts = known.sum(axis=0)
    hits = ((g_bar == correct) & known).sum(axis=0)
    return np.asarray(np.divide(hits, counts, out=np.full(len(counts), np.nan), where=counts > 0))
