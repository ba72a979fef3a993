"""Active learning: inputs of a task to label next, those on which its best candidates are expected to differ most.

    disagreement(x) = standard deviation, over the TOP candidates by the posterior, of g_m(x)

g is the mean outcome over the kappa nearest benchmark inputs (eq. 7). A label on which all candidates score the same
does not distinguish them; the more they differ, the more one label contributes to the decision. An input counts once,
and near-duplicates of a chosen input come after all others. benchmarks/learning measures the benefit; docs/auto.md
reports it.
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, check_same_shape
from routing.auto.posterior import AccuracyPosterior

TOP = 6
"""Candidates that are compared: lower-ranked ones seldom become the choice."""

ALIKE = 0.98
"""Cosine above which two inputs count as near-duplicates."""


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Inputs to label.

    Attributes:
        rows: of the inputs, the most informative first.
        disagreement: of each of them.
        top: indices of the candidates compared.
    """

    rows: tuple[int, ...]
    disagreement: tuple[float, ...]
    top: tuple[int, ...]


def suggest_labels(posterior: AccuracyPosterior, expected: Floats, vectors: Embeddings, n: int) -> Suggestions:
    """Return at most n inputs to label.

    posterior: of the candidates, after all labels so far. expected: (n_inputs, n_candidates) g, NaN where unknown,
    which counts as the mean of the others. vectors: (n_inputs, dim), unit length. Raises ShapeError.
    """
    check_same_shape("vectors", vectors[:, 0], expected[:, 0])
    top = np.argsort(-posterior.mean, kind="stable")[:TOP]
    differ = model_disagreement(expected[:, top])
    # Rounded and stable: equal disagreements are taken in the order of the inputs on every machine.
    order = np.argsort(-np.round(differ, 12), kind="stable")
    rows, put_off = list[int](), list[int]()
    for row in order.tolist():
        if len(rows) == n:
            break
        is_new = not rows or float((vectors[rows] @ vectors[row]).max()) < ALIKE
        (rows if is_new else put_off).append(row)
    rows = (rows + put_off)[:n]
    return Suggestions(tuple(rows), tuple(differ[rows].tolist()), tuple(top.tolist()))


def model_disagreement(expected: Floats) -> Floats:
    """Return how much candidates are expected to differ on each input, (n_inputs,), at least 0. expected: (n_inputs,
    n).
    """
    known = ~np.isnan(expected)
    counts = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, expected, 0.0).sum(axis=1) / counts
    apart = np.where(known, expected - mean[:, None], 0.0)
    return np.asarray(np.sqrt((apart**2).sum(axis=1) / counts))
