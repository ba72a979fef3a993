"""Views: measures of a task's nearness to every dataset, each with the outcomes that it then expects.

A view turns nearness into weights on the datasets that sum to 1, and expects their average outcomes in that mixture.
Three kinds of nearness, at several temperatures T, w = softmax(nearness / T):

    cosine    of the mean embeddings
    centred   the same after subtracting the mean of all datasets: what all of them share carries no information
    rank      the rank of a dataset among all by cosine, the farthest 0: at any distance, some dataset is nearest

A `scaled` view first brings every dataset's outcomes to one spread, so that a few with wide spreads do not outvote
the others. One more view, `neighbours`, has no weights: the mean outcome of the inputs' kappa nearest, as in eq. 7.

All expectations are relative: what all models share on a dataset (its difficulty, say) cannot change a choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from routing.arrays import Floats, multiply_rows


class NearnessKind(StrEnum):
    """Measure of nearness to a dataset."""

    COSINE = "cosine"
    CENTRED = "centred"
    RANK = "rank"
    NEIGHBOURS = "neighbours"


@dataclass(frozen=True, slots=True)
class View:
    """A measure of nearness with its parameters.

    Attributes:
        nearness: the measure.
        temperature: T; 0 for `neighbours`, which has none.
        scaled: True to bring datasets to one spread.
    """

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
"""Added to a dataset's spread before dividing by it: below it, differences between models are mostly noise."""


def relative_outcomes(values: Floats) -> Floats:
    """Return the values minus their mean over models. values: (..., n_models)"""
    return np.asarray(values - values.mean(axis=-1, keepdims=True))


def scaled_rows(averages: Floats) -> Floats:
    """Return the rows scaled to the median spread. averages: (n_datasets, n_models), relative."""
    spread = averages.std(axis=1, keepdims=True) + MIN_SPREAD
    return np.asarray(averages / spread * np.median(spread))


class ViewEvaluator:
    """Nearness of tasks and datasets to the datasets of one benchmark."""

    def __init__(self, centres: Floats) -> None:
        """centres: (n_datasets, dim) mean embeddings."""
        self._mean = centres.mean(axis=0)
        self._units, self._centred = _units(centres), _units(centres - self._mean)

    def within_benchmark(self, view: View) -> Floats:
        """Return every dataset's weights on the others, 0 on itself. (n_datasets, n_datasets), rows sum to 1."""
        units = self._centred if view.nearness is NearnessKind.CENTRED else self._units
        nearness = units @ units.T
        np.fill_diagonal(nearness, -np.inf)
        if view.nearness is NearnessKind.RANK:
            # Minus 1: the dataset's own rank, the lowest, does not count.
            nearness = _ranks(nearness) - 1
            np.fill_diagonal(nearness, -np.inf)
        return _softmax(nearness / view.temperature)

    def for_task(self, centre: Floats, view: View) -> Floats:
        """Return a task's weights on the datasets, (n_datasets,), summing to 1. centre: (dim,) its mean embedding."""
        return np.asarray(self.for_task_by_views(centre, (view,))[0])

    def for_task_by_views(self, centre: Floats, views: Sequence[View]) -> Floats:
        """Return one task's weights on the datasets by several views, (n_views, n_datasets), rows summing to 1."""
        return np.asarray(self.for_tasks_by_views(centre[None], views)[0])

    def for_tasks_by_views(self, centres: Floats, views: Sequence[View]) -> Floats:
        """Return every task's weights on the datasets by several views, (n_tasks, n_views, n_datasets).

        All views at once, since a live task is decided after every input: each measure is taken once for all
        temperatures. centres: (n_tasks, dim) mean embeddings. The weights of a task and view sum to 1, and are to the
        last bit what they are alone.
        """
        cosines = multiply_rows(_units(centres), self._units.T)
        nearness = {NearnessKind.COSINE: cosines}
        kinds = {view.nearness for view in views}
        if NearnessKind.CENTRED in kinds:
            nearness[NearnessKind.CENTRED] = multiply_rows(_units(centres - self._mean), self._centred.T)
        if NearnessKind.RANK in kinds:
            nearness[NearnessKind.RANK] = _ranks(cosines)
        temperatures = np.array([view.temperature for view in views])
        return _softmax(np.stack([nearness[view.nearness] for view in views], axis=1) / temperatures[:, None])


def _units(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def _ranks(rows: Floats) -> Floats:
    return np.argsort(np.argsort(rows, axis=1, kind="stable"), axis=1, kind="stable").astype(np.float64)


def _softmax(rows: Floats) -> Floats:
    # Minus the maximum, which cancels: exp of cosine / 0.05 would be fine, of ranks in the hundreds would overflow.
    powers = np.exp(rows - rows.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return np.asarray(powers)
