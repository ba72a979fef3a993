"""Average thresholded confidence: another estimate of p(d', m), from the predictors' own confidence.

Garg et al., "Leveraging Unlabeled Data to Predict Out-of-Distribution Performance", ICLR 2022, arXiv 2201.04234. On
inputs with known outcomes, find the confidence above which the share of predictions equals the share of right ones.
On a new task, the share of predictions above it estimates how many are right.

| paper      | here                | shape                |
|------------|---------------------|----------------------|
| s(f(x))    | max_confidence()    | (n_inputs, n_models) |
| t          | fit_thresholds()    | (n_models,)          |
| ATC(s)     | estimate_accuracy() | (n_models,)          |
"""

import numpy as np

from routing.arrays import Floats, check_same_shape


def max_confidence(g: Floats) -> Floats:
    """Return the probability of the predicted class, in [0.5, 1]; NaN where g is NaN. Shape of g."""
    return np.asarray(np.maximum(g, 1.0 - g))


def fit_thresholds(g: Floats, right: Floats) -> Floats:
    """Return the confidence above which the share of predictions equals the share of right ones, up to ties.

    g: (n_inputs, n_models) in [0, 1]. right: (n_inputs, n_models), 1 where g_bar equals the real outcome, else 0. NaN
    in either leaves the pair out. Returns (n_models,); infinity where no prediction is right, NaN where there is no
    pair.
    """
    check_same_shape("right", right, g)
    confidence = max_confidence(g)
    found = np.full(g.shape[1], np.nan)
    for model in range(g.shape[1]):
        known = ~(np.isnan(confidence[:, model]) | np.isnan(right[:, model]))
        if known.any():
            found[model] = _threshold(confidence[known, model], float(right[known, model].mean()))
    return found


def estimate_accuracy(g: Floats, cuts: Floats) -> Floats:
    """Return the share of predictions at least as confident as the threshold, an estimate of p(d', m).

    g: (n_inputs, n_models); cuts: (n_models,). Returns (n_models,) in [0, 1]; 0.5, no information, where nothing is
    known.
    """
    known = ~(np.isnan(g) | np.isnan(cuts))
    counts = known.sum(axis=0)
    above = ((max_confidence(g) >= cuts) & known).sum(axis=0)
    return np.asarray(np.divide(above, counts, out=np.full(len(counts), 0.5), where=counts > 0))


def _threshold(confidence: Floats, accuracy: float) -> float:
    """Return the confidence level, or infinity, whose share of predictions at or above it is nearest to the
    accuracy.
    """
    levels, counts = np.unique(confidence, return_counts=True)
    # g is a mean of k outcomes and takes few values, so a level rarely fits exactly; infinity stands for a share of
    # 0.
    levels, counts = np.append(levels, np.inf), np.append(counts, 0)
    share = counts[::-1].cumsum()[::-1] / len(confidence)
    return float(levels[int(np.argmin(np.abs(share - accuracy)))])
