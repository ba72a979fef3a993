"""Ways to say how near a task is to every dataset, each with the outcomes that it then expects.

A view turns nearness into weights on the datasets that sum to 1, and expects their average outcomes in that mixture.
Three kinds of nearness, at several temperatures T, w = softmax(nearness / T):

    cosine    of the mean embeddings
    centred   the same after the mean of all datasets is taken away: what all of them have in common tells nothing
    rank      the place of a dataset among all by cosine, the farthest 0: however far a task lies, something is nearest

A `scaled` view brings every dataset's outcomes to one spread first, so that a few with wide spreads do not outvote the
others. One more view, `neighbours`, has no weights: the mean outcome of the inputs' kappa nearest, as in eq. 7.

All expectations are relative: what all models have in common on a dataset (it is hard, say) cannot change a choice.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from routing.arrays import Floats


class NearnessKind(StrEnum):
    """How near a task is to a dataset."""

    COSINE = "cosine"
    CENTRED = "centred"
    RANK = "rank"
    NEIGHBOURS = "neighbours"


@dataclass(frozen=True, slots=True)
class View:
    """One way to look. temperature: 0 for `neighbours`, which has none."""

    nearness: NearnessKind
    temperature: float = 0.0
    scaled: bool = False

    def __str__(self) -> str:
        if self.nearness is NearnessKind.NEIGHBOURS:
            return str(self.nearness)
        return f"{self.nearness} / {self.temperature:g}{' scaled' if self.scaled else ''}"


VIEWS: tuple[View, ...] = (
    *(View(NearnessKind.COSINE, t, scaled) for scaled in (False, True) for t in (0.05, 0.07, 0.1, 0.14, 0.2)),
    *(View(NearnessKind.CENTRED, t, scaled) for scaled in (False, True) for t in (0.1, 0.14, 0.2, 0.3)),
    *(View(NearnessKind.RANK, t) for t in (2.0, 4.0)),
    View(NearnessKind.NEIGHBOURS),
)

MIN_SPREAD = 0.02
"""Added to a dataset's spread before it is divided by: below it, differences between models are mostly noise."""


def relative_outcomes(values: Floats) -> Floats:
    """What is left when the mean over models is taken away. values: (..., n_models)"""
    return np.asarray(values - values.mean(axis=-1, keepdims=True))


def scaled_rows(averages: Floats) -> Floats:
    """Rows brought to the median spread. averages: (n_datasets, n_models), relative."""
    spread = averages.std(axis=1, keepdims=True) + MIN_SPREAD
    return np.asarray(averages / spread * np.median(spread))


class ViewEvaluator:
    """Nearness of everything to the datasets of one benchmark. centres: (n_datasets, dim)"""

    def __init__(self, centres: Floats) -> None:
        self._mean = centres.mean(axis=0)
        self._units, self._centred = _units(centres), _units(centres - self._mean)

    def within_benchmark(self, view: View) -> Floats:
        """Weights of every dataset on the others, 0 on itself. (n_datasets, n_datasets), rows sum to 1."""
        units = self._centred if view.nearness is NearnessKind.CENTRED else self._units
        nearness = units @ units.T
        np.fill_diagonal(nearness, -np.inf)
        if view.nearness is NearnessKind.RANK:
            nearness = _ranks(nearness) - 1  # its own place, the lowest, is not counted
            np.fill_diagonal(nearness, -np.inf)
        return _softmax(nearness / view.temperature)

    def for_task(self, centre: Floats, view: View) -> Floats:
        """A task's weights on the datasets. centre: (dim,) its mean embedding. (n_datasets,), summing to 1."""
        if view.nearness is NearnessKind.CENTRED:
            nearness = self._centred @ _units((centre - self._mean)[None])[0]
        else:
            nearness = self._units @ _units(centre[None])[0]
        if view.nearness is NearnessKind.RANK:
            nearness = _ranks(nearness[None])[0]
        return np.asarray(_softmax(nearness[None] / view.temperature)[0])


def _units(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def _ranks(rows: Floats) -> Floats:
    return np.argsort(np.argsort(rows, axis=1, kind="stable"), axis=1, kind="stable").astype(np.float64)


def _softmax(rows: Floats) -> Floats:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
