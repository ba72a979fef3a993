"""The three task scores of a model.

| paper        | here        | shape       |
|--------------|-------------|-------------|
| S1, eq. 1    | mean_known(g)     | (n_models,) |
| S2, eq. 2    | mean_known(g_bar) | (n_models,) |
| p(d', m)     | reliability | (n_models,) |
| S3, eq. 5    | s3()        | (n_models,) |

Beside the paper's three there is `auto`: the mean of a posterior, see routing.auto.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from routing.arrays import Floats, check_same_shape
from routing.auto.posterior import AccuracyPosterior


class ScoreKind(StrEnum):
    """Which task score leads. S1 and S2 are the paper's plain argmax; eq. 6 belongs to S3 and, in its way, to auto."""

    S1 = "s1"
    S2 = "s2"
    S3 = "s3"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class TaskScores:
    """What the benchmark says of every candidate on one task.

    models: candidate names, best on average first. s1, s2, s3, reliability, counts: (n_candidates,), NaN where the
    benchmark is silent on a candidate. distance: u(d'). n: inputs seen. posterior: what `auto` says of the candidates,
    None where it was not asked.
    """

    models: tuple[str, ...]
    n: int
    distance: float
    s1: Floats
    s2: Floats
    s3: Floats
    reliability: Floats
    counts: Floats
    posterior: AccuracyPosterior | None = None

    def score_of(self, score: ScoreKind) -> Floats:
        """The named score, (n_candidates,); all NaN for `auto` where it was not asked."""
        auto = np.full(len(self.models), np.nan) if self.posterior is None else self.posterior.mean
        return {ScoreKind.S1: self.s1, ScoreKind.S2: self.s2, ScoreKind.S3: self.s3, ScoreKind.AUTO: auto}[score]


def mean_known(sums: Floats, counts: Floats) -> Floats:
    """S1 from the sum of g over a task's inputs (eq. 1), S2 from the sum of g_bar (eq. 2).

    sums, counts: (n_models,). Returns (n_models,), in [0, 1]; NaN for a model with nothing to average.
    """
    check_same_shape("counts", counts, sums)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def s3(s2: Floats, reliability: Floats) -> Floats:
    """S2 corrected for how far the predictor can be trusted on this task (eq. 5).

    A prediction is right with probability p and flipped with 1 - p, so the expected share of
    correct answers is S2*p + (1 - S2)*(1 - p). At p = 1 it is S2; at p = 0.5 every model ties.

    s2, reliability: (n_models,), in [0, 1].
    Returns (n_models,), in [0, 1]. Raises ShapeError if the shapes differ.
    """
    check_same_shape("reliability", reliability, s2)
    return s2 * reliability + (1 - s2) * (1 - reliability)
