"""Sample of a large benchmark's inputs, on which calibration and evaluation measure; smaller ones measure on all.

They estimate means over a dataset's inputs: its distance u, the accuracies p, and what a choice is worth on it. With
hundreds of inputs of a dataset the error of these is far below the kernel's width and below what datasets differ by,
while the time of a build grows with every input that is searched for. Each input of the sample is searched for among
all of the benchmark.
"""

from bisect import bisect_right

import numpy as np

from routing.arrays import Ints
from routing.manifest import MAX_GRAPH

SAMPLED = MAX_GRAPH
"""Inputs that are measured on, over all datasets, in a larger benchmark: as many as one without a sample can have."""

SEED = 0


def sample_inputs(dataset_ids: Ints, n_datasets: int, most: int = SAMPLED) -> list[Ints]:
    """Return rows of every dataset, ascending, `most` in all: small datasets whole, equally many of all others.

    dataset_ids: (n_inputs,). Which other datasets there are changes how many are drawn, not in which order.
    """
    sizes = np.bincount(dataset_ids, minlength=n_datasets)
    order, level = np.argsort(dataset_ids, kind="stable"), _share_equally(sizes, most)
    found = []
    for dataset, end in enumerate(np.cumsum(sizes).tolist()):
        rows = order[end - sizes[dataset] : end]
        if len(rows) > level:
            # A generator of its own for every dataset, so that no dataset's draw depends on another's size.
            drawn = np.random.default_rng([SEED, dataset]).permutation(len(rows))[:level]
            rows = rows[np.sort(drawn)]
        found.append(rows)
    return found


def _share_equally(sizes: Ints, most: int) -> int:
    """Return the largest number of inputs of a dataset with which all datasets together have at most `most`.

    At least 1: of every dataset something is measured.
    """
    levels = range(1, int(sizes.max(initial=0)) + 1)
    return max(1, bisect_right(levels, most, key=lambda level: int(np.minimum(sizes, level).sum())))
