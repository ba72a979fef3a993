"""Inputs to ask a new model, chosen before any is asked.

The number per dataset: allocated one after the other, each to the dataset where it lowers most the variances of the
datasets' averages and of their mean together (greedy A-optimality); with Gaussian weights that does not depend on any
outcome. The inputs of a dataset: those on which the mean outcome of every known model equals its mean on the whole
dataset, and on all datasets together (herding; the anchor points of tinyBenchmarks serve the same purpose). Taking
the single inputs that a linear model finds most informative, also by A-optimality, was worse: the largest loadings
are partly chance, and outcomes there are least linear.
"""

import numpy as np

from routing.arrays import Ints
from routing.new_model.factors import InputFactors

OVERALL_WEIGHT = 0.3
"""Weight of the balance over all datasets, relative to the balance inside one."""


def select_inputs(factors: InputFactors, count: int, among: Ints | None = None) -> Ints:
    """Return `count` inputs, in order: the first n are the selection of n. Fewer if there are fewer.

    among: rows that can be asked; all by default.
    """
    known = factors.known
    asked = np.zeros(len(known.dataset_ids), dtype=bool)
    asked[slice(None) if among is None else among] = True
    left = np.bincount(known.dataset_ids[asked], minlength=len(known.counts))
    order = allocate(factors, min(count, int(left.sum())), left)
    rows = [np.flatnonzero(known.dataset_ids == dataset) for dataset in range(len(known.counts))]
    apart = [known.outcomes[some] - known.averages[dataset] for dataset, some in enumerate(rows)]
    off, together = np.zeros_like(known.averages), np.zeros(known.averages.shape[1])
    free = [asked[some] for some in rows]
    chosen: list[int] = []
    for dataset in order:
        moved = apart[dataset]
        unbalanced = ((off[dataset] + moved) ** 2).sum(axis=1) + OVERALL_WEIGHT * ((together + moved) ** 2).sum(axis=1)
        # Herding: the next input is the one that brings the running sum of deviations nearest to zero.
        place = int(np.argmin(np.where(free[dataset], unbalanced, np.inf)))
        free[dataset][place] = False
        off[dataset] += moved[place]
        together = together + moved[place]
        chosen.append(int(rows[dataset][place]))
    return np.array(chosen, dtype=np.int64)


def allocate(factors: InputFactors, count: int, counts: Ints) -> list[int]:
    """Return the dataset of each successive input, inputs of one dataset being exchangeable. counts: available per
    dataset.
    """
    noise, left = factors.widths.noise, counts.copy()
    wide = factors.dataset_design
    targets = np.vstack([len(wide) * wide.mean(axis=0), wide])
    covariance, order = np.diag(factors.widths.prior_variances), list[int]()
    for _ in range(count):
        at = wide @ covariance
        # Decrease of the summed target variances by one more observation of each dataset (rank-one update).
        lowered = ((at @ targets.T) ** 2).sum(axis=1) / (np.einsum("ij,ij->i", at, wide) + noise)
        dataset = int(np.argmax(np.where(left > 0, lowered, -1.0)))
        left[dataset] -= 1
        order.append(dataset)
        # Sherman-Morrison: the posterior covariance after that observation, without inverting again.
        covariance = covariance - np.outer(at[dataset], at[dataset]) / (at[dataset] @ wide[dataset] + noise[dataset])
    return order
