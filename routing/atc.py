"""Average thresholded confidence: another estimate of p(d', m), from the predictors' own confidence.

Garg et al., "Leveraging Unlabeled Data to Predict Out-of-Distribution Performance", ICLR 2022, arXiv 2201.04234. On
inputs whose outcomes are known, find the confidence above which as many predictions lie as are right. On a new task,
the share of predictions above it is the estimate of how many are right.

| paper      | here         | shape                |
|------------|--------------|----------------------|
| s(f(x))    | confidence() | (n_inputs, n_models) |
| t          | thresholds() | (n_models,)          |
| ATC(s)     | estimate()   | (n_models,)          |
"""

import numpy as np

from routing.arrays import Floats, check_same_shape


def max_confidence(g: Floats) -> Floats:
    """How sure a binary predictor is: the probability of what it predicts, in [0.5, 1]; NaN where g is. g's shape."""
    return np.asarray(np.maximum(g, 1.0 - g))


def fit_thresholds(g: Floats, right: Floats) -> Floats:
    """The confidence above which as large a share of predictions lies as is right, as nearly as ties allow.

    g: (n_inputs, n_models) in [0, 1]. right: (n_inputs, n_models), 1 where g_bar is what the model was, else 0. NaN in
    either leaves the pair out. Returns (n_models,); infinity where no prediction is right, NaN where there is no pair.
    """
    check_same_shape("right", right, g)
    sure = max_confidence(g)
    found = np.full(g.shape[1], np.nan)
    for model in range(g.shape[1]):
        known = ~(np.isnan(sure[:, model]) | np.isnan(right[:, model]))
        if known.any():
            found[model] = _threshold(sure[known, model], float(right[known, model].mean()))
    return found


def estimate_accuracy(g: Floats, cuts: Floats) -> Floats:
    """The share of predictions at least as confident as the threshold, an estimate of p(d', m).

    g: (n_inputs, n_models); cuts: (n_models,). Returns (n_models,) in [0, 1]; 0.5, "no idea", where nothing is known.
    """
    known = ~(np.isnan(g) | np.isnan(cuts))
    counts = known.sum(axis=0)
    above = ((max_confidence(g) >= cuts) & known).sum(axis=0)
    return np.asarray(np.divide(above, counts, out=np.full(len(counts), 0.5), where=counts > 0))


def _threshold(sure: Floats, accuracy: float) -> float:
    """Among the confidences that occur, and infinity, the one whose share at or above it is nearest to the accuracy."""
    levels, counts = np.unique(sure, return_counts=True)
    levels, counts = np.append(levels, np.inf), np.append(counts, 0)
    share = counts[::-1].cumsum()[::-1] / len(sure)
    return float(levels[int(np.argmin(np.abs(share - accuracy)))])
