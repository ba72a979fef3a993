"""Per-dataset statistics of a benchmark that `auto` learns from; small compared with the benchmark itself.

| array    | shape                  | content                                                                   |
|----------|------------------------|---------------------------------------------------------------------------|
| averages | (n_datasets, n_models) | mean outcome, NaN where a model has none                                  |
| centres  | (n_datasets, dim)      | mean embedding                                                            |
| near     | (n_datasets, n_models) | mean outcome of the kappa nearest inputs outside, mean over a dataset's   |
| within   | (n_models, n_models)   | covariance of outcomes from input to input, mean over datasets            |
| sampling | (n_models, n_models)   | covariance of `averages` due to few inputs, mean over datasets            |
| counts   | (n_datasets, n_models) | outcomes behind each average                                              |
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints, sum_groups
from routing.auto.membership import MembershipModel, fit_membership
from routing.auto.references import DatasetReferences
from routing.benchmark import dataset_averages
from routing.calibration import HeldOutDataset
from routing.predictor import predict_outcomes


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Statistics of all datasets. Shapes as in the table above.

    `counts` and `membership` are None for a pack that has none: no task is then taken for one of its datasets.
    """

    averages: Floats
    centres: Floats
    near: Floats
    within: Floats
    sampling: Floats
    counts: Floats | None = None
    membership: MembershipModel | None = None

    def without_dataset(self, dataset: int, near: Floats, noise: "NoiseModel") -> "TrainingData":
        """Return the data without one dataset. near: of all datasets, (n_datasets, n_models), found without it too."""
        others = np.delete(np.arange(len(self.averages)), dataset)
        within, sampling = noise.noise_of_means(others)
        return TrainingData(
            self.averages[others],
            self.centres[others],
            near[others],
            within,
            sampling,
            None if self.counts is None else self.counts[others],
            None if self.membership is None else self.membership.without_dataset(dataset),
        )


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Covariances of outcomes from input to input.

    Attributes:
        covariances: (n_datasets, n_models, n_models).
        counts: (n_datasets,) inputs.
    """

    covariances: Floats
    counts: Ints

    @classmethod
    def from_outcomes(cls, outcomes: Floats, dataset_ids: Ints, n_datasets: int) -> "NoiseModel":
        """Estimate it from outcomes, (n_inputs, n_models); a missing one counts as the model's mean on the dataset."""
        n_models = outcomes.shape[1]
        found = np.zeros((n_datasets, n_models, n_models))
        for dataset in range(n_datasets):
            rows = outcomes[dataset_ids == dataset]
            known = ~np.isnan(rows)
            means = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            apart = np.where(known, rows - means, 0.0)
            # Unbiased (n - 1): many datasets have a few dozen inputs.
            found[dataset] = apart.T @ apart / max(1, len(rows) - 1)
        return cls(found, np.bincount(dataset_ids, minlength=n_datasets).astype(np.int64))

    def noise_of_means(self, datasets: Ints) -> tuple[Floats, Floats]:
        """Return `within` and `sampling` of some datasets, all weighted equally."""
        if len(datasets) == 0:
            return np.zeros(self.covariances.shape[1:]), np.zeros(self.covariances.shape[1:])
        some, counts = self.covariances[datasets], np.maximum(self.counts[datasets], 1)
        # The covariance of a mean over n inputs is that of one input over n.
        return some.mean(axis=0), (some / counts[:, None, None]).mean(axis=0)


def build_training_data(
    outcomes: Floats, vectors: Embeddings, dataset_ids: Ints, held_out: Sequence[HeldOutDataset], kappa: int
) -> TrainingData:
    """Collect the data. outcomes: (n_inputs, n_models); vectors: (n_inputs, dim). held_out: every dataset,
    neighbours outside.
    """
    n = len(held_out)
    within, sampling = NoiseModel.from_outcomes(outcomes, dataset_ids, n).noise_of_means(np.arange(n))
    near = np.array([mean_near_outcome(outcomes, one.near[:, :kappa]) for one in held_out]).reshape(
        n, outcomes.shape[1]
    )
    return TrainingData(
        dataset_averages(outcomes, dataset_ids, n),
        dataset_centres(vectors, dataset_ids, n),
        near,
        within,
        sampling,
        count_outcomes(outcomes, dataset_ids, n),
        fit_membership(DatasetReferences.draw_references(vectors, dataset_ids, n)),
    )


def count_outcomes(outcomes: Floats, dataset_ids: Ints, n_datasets: int) -> Floats:
    """Return the number of outcomes of each model on each dataset, (n_datasets, n_models)."""
    return sum_groups(~np.isnan(outcomes), dataset_ids, n_datasets)


def mean_near_outcome(outcomes: Floats, rows: Ints) -> Floats:
    """Return the mean over inputs of the mean outcome of their nearest, (n_models,), NaN where unknown. rows:
    (n_inputs, k).
    """
    if rows.size == 0:
        return np.full(outcomes.shape[1], np.nan)
    g = predict_outcomes(outcomes, rows)
    known = ~np.isnan(g)
    counts = known.sum(axis=0)
    sums = np.where(known, g, 0.0).sum(axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0))


def dataset_centres(vectors: Embeddings, dataset_ids: Ints, n_datasets: int) -> Floats:
    """Return the mean embedding of each dataset, (n_datasets, dim)."""
    sums = sum_groups(vectors, dataset_ids, n_datasets)
    counts = np.bincount(dataset_ids, minlength=n_datasets)
    return np.asarray(sums / np.maximum(counts, 1)[:, None])
