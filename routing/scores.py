"""Task scores of a model.

| paper        | here              | shape       |
|--------------|-------------------|-------------|
| S1, eq. 1    | mean_known(g)     | (n_models,) |
| S2, eq. 2    | mean_known(g_bar) | (n_models,) |
| p(d', m)     | reliability       | (n_models,) |
| S3, eq. 5    | s3()              | (n_models,) |

`auto`, the fourth score, is the mean of a posterior: routing.auto.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from routing.arrays import Floats, check_same_shape
from routing.auto.posterior import AccuracyPosterior, reported_accuracy


class ScoreKind(StrEnum):
    """Score that decides. S1 and S2 are the paper's plain argmax; eq. 6 belongs to S3 and, in its way, to auto."""

    S1 = "s1"
    S2 = "s2"
    S3 = "s3"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class TaskScores:
    """Scores of every candidate on a task.

    Attributes:
        models: candidate names, best on average first.
        n: inputs scored.
        distance: u(d').
        s1: (n_candidates,), NaN where the benchmark has no outcome of a candidate near the task.
        s2: likewise.
        s3: likewise.
        reliability: p(d', m), (n_candidates,).
        counts: (n_candidates,) inputs with a prediction.
        posterior: the candidates' accuracies by `auto`; None where the score is another.
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
        """Return the named score, (n_candidates,); all NaN for `auto` without a posterior."""
        if score is ScoreKind.AUTO:
            return np.full(len(self.models), np.nan) if self.posterior is None else self.posterior.mean
        return {ScoreKind.S1: self.s1, ScoreKind.S2: self.s2, ScoreKind.S3: self.s3}[score]

    def reported_score(self, score: ScoreKind) -> Floats:
        """Return the named score as it is shown, (n_candidates,) in [0, 1] or NaN; see `reported_accuracy`."""
        return reported_accuracy(self.score_of(score))


def mean_known(sums: Floats, counts: Floats) -> Floats:
    """Return S1 from the sum of g over a task's inputs (eq. 1), S2 from the sum of g_bar (eq. 2).

    sums, counts: (n_models,). Returns (n_models,), in [0, 1]; NaN for a model with nothing to average.
    """
    check_same_shape("counts", counts, sums)
    # `where` leaves the NaN of `out` in place: a model without predictions has no score, not a score of 0.
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def s3(s2: Floats, reliability: Floats) -> Floats:
    """Return S2 corrected for the reliability of the predictor on this task (eq. 5).

    A prediction is right with probability p and flipped with 1 - p, so the expected share of correct answers is S2*p
    + (1 - S2)*(1 - p). At p = 1 it is S2; at p = 0.5 every model ties.

    s2, reliability: (n_models,), in [0, 1].
    Returns (n_models,), in [0, 1]. Raises ShapeError if the shapes differ.
    """
    check_same_shape("reliability", reliability, s2)
    # Linear in p with slope 2 S2 - 1: low reliability pulls every score towards 1/2, and eq. 6 then keeps m*.
    return s2 * reliability + (1 - s2) * (1 - reliability)
