"""Auto's gain, with every dataset held out, when one model's column is imputed.

The mean outcome of nearest inputs is linear in the outcomes, so it is stored as weights on the inputs, one row for
every pair of datasets, one held out and one judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.auto.fit import fit_auto
from routing.auto.training_data import NoiseModel, TrainingData, dataset_centres
from routing.benchmark import Benchmark, order_on_average
from routing.calibration import CalibrationSettings, HeldOutDataset, RoutingSettings, hold_out_datasets
from routing.evaluation.calibration_folds import CalibrationFolds
from routing.evaluation.evaluate import MAX_NEIGHBOURS


@dataclass(frozen=True, slots=True)
class Away:
    """The imputed column as a fold may know it.

    Attributes:
        averages: (n_datasets,), without its own dataset.
        near: (n_datasets,), over the nearest inputs.
    """

    averages: Floats
    near: Floats


class Routed:
    """One pool with its columns filled. true: (n_datasets, n_models), for judging."""

    def __init__(self, benchmark: Benchmark, vectors: Embeddings, outcomes: Floats) -> None:
        self.n = len(benchmark.datasets)
        self.true = benchmark.dataset_averages()
        found = list(hold_out_datasets(vectors, benchmark.dataset_ids, self.n, MAX_NEIGHBOURS))
        folds = CalibrationFolds(vectors, [benchmark], found, RoutingSettings(), CalibrationSettings())
        self.weights = np.array([_weights(folds, one, self.n) for one in found])
        self._near = self.mean_nearest(outcomes)
        self._centres = dataset_centres(vectors, benchmark.dataset_ids, self.n)
        self._noise = NoiseModel.from_outcomes(outcomes, benchmark.dataset_ids, self.n)
        self._averages = self.true

    def mean_nearest(self, columns: Floats) -> Floats:
        """Return means over the nearest inputs, (judged dataset, held-out dataset, n). columns: (n_inputs, n)."""
        return np.asarray(self.weights @ columns.astype(np.float32), dtype=np.float64)

    def accuracy(self, places: Sequence[int], estimated: int | None = None, away: Sequence[Away] = ()) -> float:
        """Return the mean true accuracy of auto's choices. estimated: one of the models, as each fold knows it."""
        return float(np.mean([self._one(dataset, list(places), estimated, away) for dataset in range(self.n)]))

    def best_on_average(self, places: Sequence[int], estimated: int | None = None, away: Sequence[Away] = ()) -> float:
        """Return the same for the model that is best on average over the other datasets."""
        found = []
        for dataset in range(self.n):
            averages, _ = self._known(dataset, list(places), estimated, away)
            others = np.delete(np.arange(self.n), dataset)
            found.append(self.true[dataset, places[order_on_average(averages[others])[0]]])
        return float(np.mean(found))

    def _known(
        self, dataset: int, places: list[int], estimated: int | None, away: Sequence[Away]
    ) -> tuple[Floats, Floats]:
        averages, near = self._averages[:, places].copy(), self._near[:, dataset][:, places].copy()
        if estimated is not None:
            averages[:, places.index(estimated)] = away[dataset].averages
            near[:, places.index(estimated)] = away[dataset].near
        return averages, near

    def _one(self, dataset: int, places: list[int], estimated: int | None, away: Sequence[Away]) -> float:
        averages, near = self._known(dataset, places, estimated, away)
        others = np.delete(np.arange(self.n), dataset)
        within, sampling = (matrix[np.ix_(places, places)] for matrix in self._noise.noise_of_means(others))
        rest = TrainingData(averages[others], self._centres[others], near[others], within, sampling)
        columns = order_on_average(rest.averages)
        prior = fit_auto(rest, columns).prior_accuracy(self._centres[dataset], near[dataset][columns])
        return float(self.true[dataset, places[columns[int(np.argmax(prior.mean))]]])


def _weights(folds: CalibrationFolds, one: HeldOutDataset, n_datasets: int) -> Embeddings:
    """(n_datasets, n_inputs): how often an input is among the nearest of a dataset's, with another one held out too."""
    rows = one.near[:, : folds.neighbour_count]
    ids, n = folds.ids[rows], len(folds.ids)
    found = np.empty((n_datasets, n), dtype=np.float32)
    for away in range(n_datasets):
        near: Ints = rows
        touched = np.flatnonzero((ids == away).any(axis=1)) if away != one.dataset else np.zeros(0, dtype=np.int64)
        if len(touched):
            near = rows.copy()
            near[touched] = folds.nearest_without(one, touched, [away]).rows
        found[away] = np.bincount(near.ravel(), minlength=n) / near.size
    return found
