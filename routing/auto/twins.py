"""Twins: datasets that embeddings cannot tell apart although different models win on them.

No unlabelled input can decide between two such datasets. A user who names the task's dataset can, or a few labels.
"""

from dataclasses import dataclass

import numpy as np

from routing.auto.fit import AutoFit

MIN_CONFUSION, MIN_POINTS = 0.1, 0.01
"""Confusion, and accuracy at stake, below which two datasets are not worth naming."""


@dataclass(frozen=True, slots=True)
class DatasetTwins:
    """Two datasets, the first of which loses more when it is taken for the other.

    Attributes:
        first, second: indices of the datasets.
        confusion: mean share of an input of one that is attributed to the other, in [0, 1], the larger of the two.
        first_winner, second_winner: of the candidates with outcomes there, the one with the highest accuracy, shrunk
            by the number of inputs.
        at_stake: accuracy that is lost on `first` by the winner of `second`, in [0, 1]. Measured: a winner without
            outcomes on `first` is not known to lose there.
    """

    first: int
    second: int
    confusion: float
    first_winner: int
    second_winner: int
    at_stake: float


def find_twins(fit: AutoFit) -> list[DatasetTwins]:
    """Return the twins for the fit's candidates, most at stake first; none for a pack that cannot tell."""
    if fit.membership is None or fit.members is None:
        return []
    confusion = fit.membership.confusion
    # What is only inferred of a model wins no dataset.
    measured = np.where(fit.members.counts > 0, fit.members.means, -np.inf)
    winners, best = measured.argmax(axis=1), measured.max(axis=1)
    # loss[d, e]: what d loses by e's winner; 0 where one of both has no winner, or d no outcome of it.
    theirs = measured[:, winners]
    is_known = np.isfinite(theirs) & np.isfinite(best)[:, None] & np.isfinite(best)[None, :]
    loss = np.subtract(best[:, None], theirs, out=np.zeros_like(theirs), where=is_known)
    mutual = np.maximum(confusion, confusion.T)
    found = [
        DatasetTwins(
            first,
            second,
            float(mutual[first, second]),
            int(winners[first]),
            int(winners[second]),
            float(loss[first, second]),
        )
        for one, other in zip(*np.nonzero(np.triu(mutual >= MIN_CONFUSION, 1)), strict=True)
        for first, second in [
            (int(one), int(other)) if loss[one, other] >= loss[other, one] else (int(other), int(one))
        ]
        if loss[first, second] >= MIN_POINTS
    ]
    return sorted(found, key=lambda twins: (-twins.at_stake * twins.confusion, twins.first, twins.second))
