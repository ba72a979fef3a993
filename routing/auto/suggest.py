"""Which inputs of a task to label next: those on which its best candidates are expected to differ most.

    disagreement(x) = standard deviation, over the TOP candidates by the posterior, of g_m(x)

g is the mean outcome over the kappa nearest benchmark inputs (eq. 7). A label on which all candidates do alike tells
nothing of who is better; the more they differ, the more of what decides shows in one label. An input counts once, and
an input nearly the same as a chosen one comes behind the others. What that is worth is measured by
benchmarks/learning, and told in docs/auto.md.
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, check_same_shape
from routing.auto.posterior import AccuracyPosterior

TOP = 6
"""Candidates among which the choice is: those behind them seldom win it."""

ALIKE = 0.98
"""Cosine above which two inputs are as good as one."""


@dataclass(frozen=True, slots=True)
class Suggestions:
    """rows: of the inputs, the most telling first. disagreement: of each of them. top: places of the candidates."""

    rows: tuple[int, ...]
    disagreement: tuple[float, ...]
    top: tuple[int, ...]


def suggest_labels(posterior: AccuracyPosterior, expected: Floats, vectors: Embeddings, n: int) -> Suggestions:
    """At most n of some inputs.

    posterior: of the candidates, after all labels so far. expected: (n_inputs, n_candidates) g, NaN where unknown: that
    counts as what the others are expected to do. vectors: (n_inputs, dim), unit length. Raises ShapeError.
    """
    check_same_shape("vectors", vectors[:, 0], expected[:, 0])
    top = np.argsort(-posterior.mean, kind="stable")[:TOP]
    differ = model_disagreement(expected[:, top])
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
    """By how much candidates are expected to differ on each input. expected: (n_inputs, n). (n_inputs,), at least 0."""
    known = ~np.isnan(expected)
    counts = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, expected, 0.0).sum(axis=1) / counts
    apart = np.where(known, expected - mean[:, None], 0.0)
    return np.asarray(np.sqrt((apart**2).sum(axis=1) / counts))
