"""Accuracies of a task that is one of the benchmark's datasets: measured ones, shrunk by what its inputs can tell.

    M_d = exp_d + S (S + W_d)^-1 (row_d - exp_d),   variance S - S (S + W_d)^-1 S

exp_d is auto's expectation with d held out, S the covariance of its errors, W_d the sampling covariance of d's row.
A model without an outcome on d moves only with those that have some.
"""

from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Floats

MIN_NOISE = 1e-6
SHRINK = 0.5
"""Shrinkage of S to its diagonal: with more models than datasets, correlations of its errors are mostly noise."""


@dataclass(frozen=True, slots=True)
class MemberRows:
    """Accuracies on every dataset.

    Attributes:
        means: (n_datasets, n_candidates) M_d, relative to the mean over candidates.
        counts: (n_datasets, n_candidates) outcomes behind each measured average.
        covariances: (n_datasets, n_candidates, n_candidates) of the candidates' accuracies if the task is the dataset.
    """

    means: Floats
    counts: Floats
    covariances: Floats

    @classmethod
    def shrink_rows(
        cls, rows: Floats, expected: Floats, limit: Floats, counts: Floats, covariance: Floats, within: Floats
    ) -> "MemberRows":
        """Shrink the measured rows.

        rows, expected, counts: (n_datasets, n_candidates). limit: likewise, highest expectation of a model that a
        dataset has no outcomes of. covariance: S. within: covariance of outcomes from input to input, both
        (n_candidates, n_candidates).
        """
        prior = (1 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance))
        # All covariances at once: a task is decided after every input, and a solve takes as long as the rest of that.
        made = cls(expected.copy(), counts, np.repeat(prior[None], len(rows), axis=0))
        for dataset, known in enumerate(counts > 0):
            if known.any():
                gain = _gain(counts[dataset], prior, within)
                made.means[dataset] += gain @ (rows[dataset] - expected[dataset])[known]
                left = prior - gain @ prior[known]
                made.covariances[dataset] = (left + left.T) / 2
        # What is only inferred may not lead by more than auto expects of it.
        return replace(made, means=np.where(counts > 0, made.means, np.minimum(made.means, limit)))

    def unmeasured_on(self, dataset: int) -> frozenset[int]:
        """Return the candidates without an outcome on a dataset; none where no candidate has one."""
        known = self.counts[dataset] > 0
        return frozenset(np.flatnonzero(~known).tolist()) if known.any() else frozenset()


def _gain(counts: Floats, covariance: Floats, within: Floats) -> Floats:
    """Return S (S + W)^-1 for the measured models of a dataset, (n_candidates, n_measured)."""
    places = np.flatnonzero(counts > 0)
    across = np.ix_(places, places)
    # Outcomes of two models share inputs: their sampling errors are correlated over the inputs that both have.
    sizes = np.sqrt(counts[places])
    noise = within[across] / np.outer(sizes, sizes) + MIN_NOISE * np.eye(len(places))
    return np.asarray(np.linalg.solve(covariance[across] + noise, covariance[places]).T)
