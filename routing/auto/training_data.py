"""What a benchmark knows of its datasets, gathered once; small beside the benchmark itself.

| array    | shape                  | what                                                                      |
|----------|------------------------|---------------------------------------------------------------------------|
| averages | (n_datasets, n_models) | mean outcome, NaN where a model has none                                  |
| centres  | (n_datasets, dim)      | mean embedding                                                            |
| near     | (n_datasets, n_models) | mean outcome of the kappa nearest inputs outside, mean over a dataset's   |
| within   | (n_models, n_models)   | covariance of outcomes from input to input, mean over datasets            |
| sampling | (n_models, n_models)   | covariance of `averages` that comes of few inputs, mean over datasets     |
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import dataset_averages
from routing.calibration import HeldOutDataset
from routing.predictor import predict_outcomes


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Shapes as in the table above."""

    averages: Floats
    centres: Floats
    near: Floats
    within: Floats
    sampling: Floats

    def without_dataset(self, dataset: int, near: Floats, noise: "NoiseModel") -> "TrainingData":
        """The ground with one dataset away. near: of all datasets, (n_datasets, n_models), found without it too."""
        kept = np.delete(np.arange(len(self.averages)), dataset)
        within, sampling = noise.noise_of_means(kept)
        return TrainingData(self.averages[kept], self.centres[kept], near[kept], within, sampling)


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Covariances of outcomes from input to input. covariances: (n_datasets, n_models, n_models); counts: inputs."""

    covariances: Floats
    counts: Ints

    @classmethod
    def from_outcomes(cls, outcomes: Floats, dataset_ids: Ints, n_datasets: int) -> "NoiseModel":
        """outcomes: (n_inputs, n_models); a missing one counts as the model's mean on the dataset."""
        n_models = outcomes.shape[1]
        found = np.zeros((n_datasets, n_models, n_models))
        for dataset in range(n_datasets):
            rows = outcomes[dataset_ids == dataset]
            known = ~np.isnan(rows)
            means = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            apart = np.where(known, rows - means, 0.0)
            found[dataset] = apart.T @ apart / max(1, len(rows) - 1)
        return cls(found, np.bincount(dataset_ids, minlength=n_datasets).astype(np.int64))

    def noise_of_means(self, datasets: Ints) -> tuple[Floats, Floats]:
        """`within` and `sampling` of some datasets, every one weighing the same."""
        if len(datasets) == 0:
            return np.zeros(self.covariances.shape[1:]), np.zeros(self.covariances.shape[1:])
        some, counts = self.covariances[datasets], np.maximum(self.counts[datasets], 1)
        return some.mean(axis=0), (some / counts[:, None, None]).mean(axis=0)


def build_training_data(
    outcomes: Floats, vectors: Embeddings, dataset_ids: Ints, held_out: Sequence[HeldOutDataset], kappa: int
) -> TrainingData:
    """outcomes: (n_inputs, n_models); vectors: (n_inputs, dim). held_out: every dataset with its neighbours outside."""
    n = len(held_out)
    within, sampling = NoiseModel.from_outcomes(outcomes, dataset_ids, n).noise_of_means(np.arange(n))
    near = np.array([mean_near_outcome(outcomes, one.near[:, :kappa]) for one in held_out]).reshape(
        n, outcomes.shape[1]
    )
    return TrainingData(
        dataset_averages(outcomes, dataset_ids, n), dataset_centres(vectors, dataset_ids, n), near, within, sampling
    )


def mean_near_outcome(outcomes: Floats, rows: Ints) -> Floats:
    """Mean over inputs of the mean outcome of their nearest. rows: (n_inputs, k). (n_models,), NaN where unknown."""
    if rows.size == 0:
        return np.full(outcomes.shape[1], np.nan)
    g = predict_outcomes(outcomes, rows)
    known = ~np.isnan(g)
    counts = known.sum(axis=0)
    sums = np.where(known, g, 0.0).sum(axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0))


def dataset_centres(vectors: Embeddings, dataset_ids: Ints, n_datasets: int) -> Floats:
    """The mean embedding of each dataset, (n_datasets, dim)."""
    sums = np.zeros((n_datasets, vectors.shape[1]))
    np.add.at(sums, dataset_ids, vectors)
    counts = np.bincount(dataset_ids, minlength=n_datasets)
    return np.asarray(sums / np.maximum(counts, 1)[:, None])
