"""Membership of a task in the benchmark's datasets: one of them, a mixture of several, or none.

Of a task only two sums per dataset are kept, so neither order nor batching of its inputs counts:

    a_d(x)   similarity of an input to d (routing.auto.references)
    r_d(x)   responsibility of d: linear discriminants in the similarities, equal shares

The mean similarities of n inputs of d scatter around those of d's references, mu_d, with covariance Sigma / n. So

    L = log((mean a - pi mu)' Sigma^-1 (mean a - pi mu) / D)

is about log(1/n + 1/N) for a task that is d (pi = d) or a mixture (pi from the mean responsibilities), and larger for a
new one: how large is told by the benchmark itself, from its datasets held out one by one.

    known   L ~ N(log(1/n + 1/N + DRIFT), 2/D + KNOWN_SPREAD^2), a smaller L counting as the mean
    new     a mixture of N(L_e, NEW_SPREAD^2) for each dataset e held out, and a broad Gaussian of weight BROAD_WEIGHT:
            where datasets resemble each other, some L_e are small and membership is believed less

| quantity                         | here                    | shape                    |
|----------------------------------|-------------------------|--------------------------|
| mu                               | means                   | (n_usable, n_usable)     |
| Sigma^-1                         | precision               | (n_usable, n_usable)     |
| mean of r over a dataset's own   | confusion, rows sum to 1 | (n_usable, n_usable)    |
| L_e by one dataset, by a mixture | single_held_out, mixed_held_out | (n_usable,)      |
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints
from routing.auto.references import DatasetReferences

N_FEATURES = 2
"""Sums of a task per dataset: of similarities and of responsibilities."""
MIN_REFERENCES = 5
"""References below which a dataset is never taken for a task's: too few to tell what is typical of it."""
PRIOR_ONE, PRIOR_MIXTURE = 0.3, 0.15
"""Prior probabilities that a task is one of the datasets, and that it is a mixture of two."""
DRIFT = 0.01
"""Variance, in units of Sigma, by which a task that is d may differ from it: 100 inputs say no more than the limit."""
KNOWN_SPREAD, NEW_SPREAD = 0.35, 0.5
BROAD_MEAN, BROAD_SPREAD, BROAD_WEIGHT = 0.0, 1.5, 3.0
SHRINK = 0.1
"""Shrinkage of Sigma to its diagonal."""
MIN_SCATTER = 0.2
"""Scatter of a dataset relative to Sigma that is at least assumed: copies of one input have none."""
ALIKE_SPREAD = 0.2
"""Relative spread of a task's embeddings below which its inputs count as copies of each other, 0 as copies of one."""
SHARE_STEPS = 20
"""Steps of the fixed-point iteration for the shares."""
CHECK_STEPS, CONVERGED = 5, 1e-6
"""Every how many steps it may end early, and the change of every share below which it does."""
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class TaskMembership:
    """Membership of one task.

    Attributes:
        shares: (n_datasets,) of the task's inputs if they are the benchmark's, summing to 1.
        probabilities: (n_datasets,) that inputs attributed to the dataset are its own, in [0, 1].
        mixed: probability that the task is a mixture, if it is known: shares are then of its inputs, else
            probabilities that all of them are the dataset's.
        declared: the dataset that the task is declared to be; None where its inputs tell.
    """

    shares: Floats
    probabilities: Floats
    mixed: float = 0.0
    declared: int | None = None

    @property
    def weights(self) -> Floats:
        """Probability of each dataset, (n_datasets,); the rest to 1 is the probability that the task is new."""
        return np.asarray(self.shares * self.probabilities)

    @property
    def probability_known(self) -> float:
        """Probability that an input of the task is from one of the benchmark's datasets."""
        return float(self.weights.sum())

    @classmethod
    def of_dataset(cls, dataset: int, n_datasets: int) -> "TaskMembership":
        """Return the membership of a task that is declared to be a dataset."""
        only = np.zeros(n_datasets)
        only[dataset] = 1.0
        return cls(only, only, declared=dataset)


@dataclass(frozen=True, slots=True)
class MembershipModel:
    """What tells the datasets of a benchmark apart, and their inputs from other inputs. Shapes as in the table above.

    Attributes:
        references: reference inputs of all datasets.
        usable: (n_usable,) datasets with enough references; the arrays below concern these.
        weights: (n_usable, n_usable), offsets: (n_usable,), of the linear discriminants (LDA).
        scatter: (n_usable,) a dataset's own scatter relative to Sigma.
    """

    references: DatasetReferences
    usable: Ints
    means: Floats
    precision: Floats
    weights: Floats
    offsets: Floats
    scatter: Floats
    confusion: Floats
    single_held_out: Floats
    mixed_held_out: Floats

    def without_dataset(self, dataset: int) -> "MembershipModel | None":
        """Return the model without one dataset; None where too little is left."""
        return fit_membership(self.references.without_dataset(dataset))

    def find_features(self, vectors: Embeddings) -> Floats:
        """Return the features of inputs, (n_inputs, N_FEATURES, n_datasets). vectors: (n_inputs, dim), unit length."""
        similarities = self.references.find_similarities(vectors, one_by_one=True)
        found = np.zeros((len(vectors), N_FEATURES, similarities.shape[1]))
        found[:, 0] = similarities
        # Products input by input: their last bits depend on the sizes, and a task's sums must not depend on how its
        # inputs were batched. What is computed within a row does not.
        usable = similarities[:, self.usable]
        scores = np.array([row[None] @ self.weights + self.offsets for row in usable])
        found[:, 1, self.usable] = softmax_rows(scores.reshape(len(vectors), len(self.usable)))
        return found

    def judge_task(self, sums: Floats, spread: float = 1.0) -> TaskMembership:
        """Return the membership of a task.

        sums: (N_FEATURES, n_datasets) of its inputs' features, at least one. spread: of its inputs' embeddings around
        their mean, relative to that of the datasets they resemble.
        """
        count = float(sums[1].sum())
        mean = sums[0, self.usable] / count
        shares = deconvolve_shares(sums[1, self.usable][None] / count, self.confusion)[0]
        # Copies of one input say as much as one: what they share does not average out.
        alike = max(0.0, 1.0 - spread / ALIKE_SPREAD)
        n = 1.0 / max(alike, 1.0 / count)
        counts = self.references.counts[self.usable]
        apart = mean - self.means
        distances = ((apart @ self.precision) * apart).sum(axis=1)
        # Gaussian classes of one covariance: the likelihood of each dataset, n bounded by DRIFT.
        likely = softmax_rows(-0.5 * (distances / (self.scatter * (1 / n + 1 / counts + DRIFT)))[None])[0]
        nearest = np.eye(len(counts))[int(likely.argmax())]
        one = PRIOR_ONE * self._odds(mean, n, nearest, self.single_held_out)
        # Half as probable with each dataset beyond two: a mixture of all could be anything.
        mixture = PRIOR_MIXTURE * 2.0 ** -max(0.0, 1 / float((shares**2).sum()) - 2) if len(counts) > 1 else 0.0
        several = mixture * self._odds(mean, n, shares, self.mixed_held_out)
        new = 1.0 - PRIOR_ONE - mixture
        known = (one + several) / (one + several + new)
        found = np.zeros(sums.shape[1])
        found[self.usable] = (one * likely + several * shares) / (one + several)
        mixed = several / (one + several)
        return TaskMembership(found / found.sum(), np.full(sums.shape[1], known), mixed)

    def _odds(self, mean: Floats, n: float, shares: Floats, held_out: Floats) -> float:
        """Return the likelihood ratio of "the task is this mixture of datasets" to "it is new".

        mean: (n_usable,) mean similarities. held_out: L of the datasets held out.
        """
        base = 1 / n + float((shares**2 / self.references.counts[self.usable]).sum())
        centre, d = float(np.log(base + DRIFT)), len(mean)
        # Nearer than expected is no evidence against membership.
        at = np.array([max(self._log_distance(mean, shares), centre)])
        known = _density(at, centre, np.sqrt(2 / d + KNOWN_SPREAD**2))
        new = BROAD_WEIGHT * _density(at, np.log(np.exp(BROAD_MEAN) + base), BROAD_SPREAD)
        new = new + _density(at, np.log(np.exp(held_out) + base), NEW_SPREAD).sum()
        # Floored: a task that is unlike anything, known or held out, must not divide by zero.
        return float((known[0] + 1e-300) / (new[0] / (BROAD_WEIGHT + len(held_out)) + 1e-300))

    def _log_distance(self, mean: Floats, shares: Floats) -> float:
        apart = mean - shares @ self.means
        distance = float(apart @ self.precision @ apart) / len(mean) / float(shares @ self.scatter)
        return float(np.log(max(distance, TINY)))


def fit_membership(references: DatasetReferences) -> MembershipModel | None:
    """Fit the model of a benchmark's datasets; None where no dataset has MIN_REFERENCES."""
    usable = np.flatnonzero(references.counts >= MIN_REFERENCES)
    if not len(usable):
        return None
    rows = references.rows[usable] >= 0
    own = references.similarities[usable][rows][:, usable].astype(np.float64)
    dataset, n = np.nonzero(rows)[0], len(usable)
    counts = np.bincount(dataset, minlength=n)
    means = _sum_by_dataset(own, dataset, n) / counts[:, None]
    apart = own - means[dataset]
    pooled = apart.T @ apart / max(1, len(own) - n)
    # The floor keeps a benchmark of copies of one input invertible.
    precision: Floats = np.asarray(
        np.linalg.inv((1 - SHRINK) * pooled + SHRINK * np.diag(np.diag(pooled)) + 1e-6 * np.eye(n)),
        dtype=np.float64,
    )
    scatter = np.bincount(dataset, ((apart @ precision) * apart).sum(axis=1) / n, n) / np.maximum(counts - 1, 1)
    scatter = np.maximum(scatter, MIN_SCATTER)
    weights = precision @ means.T
    offsets = np.asarray(-0.5 * (means * weights.T).sum(axis=1))
    scores = own @ weights + offsets
    confusion = _sum_by_dataset(softmax_rows(scores), dataset, n) / counts[:, None]
    single, mixed = np.zeros(0), np.zeros(0)
    if n > 1:
        # Without its own discriminant, an input's responsibilities are those of the other datasets.
        scores[np.arange(len(dataset)), dataset] = -np.inf
        others = _sum_by_dataset(softmax_rows(scores), dataset, n) / counts[:, None]
        single, mixed = _held_out_distances(means, precision, scatter, deconvolve_held_out(others, confusion))
    return MembershipModel(references, usable, means, precision, weights, offsets, scatter, confusion, single, mixed)


def deconvolve_shares(mean: Floats, confusion: Floats) -> Floats:
    """Return shares with shares @ confusion = mean, at least 0, rows summing to 1 (Richardson-Lucy).

    mean: (n_tasks, n_datasets) mean responsibilities.
    """
    return _deconvolve(mean, confusion, None)


def deconvolve_held_out(mean: Floats, confusion: Floats) -> Floats:
    """Return each dataset's shares in terms of the others. mean: (n_datasets, n_datasets), 0 on the diagonal."""
    # What the others confuse with the missing dataset is not seen: the efficiency of a detector with a dead channel.
    return _deconvolve(mean, confusion, np.maximum(1.0 - confusion.T, 1e-6))


def _deconvolve(mean: Floats, confusion: Floats, efficiency: Floats | None) -> Floats:
    shares, ratio, factors = mean.copy(), np.empty_like(mean), np.empty_like(mean)
    for step in range(SHARE_STEPS):
        # A share of 0 stays 0: where the mean is 0, so is the ratio.
        # In place: with a few dozen datasets, allocation takes longer than the arithmetic.
        np.matmul(shares, confusion, out=ratio)
        np.maximum(ratio, TINY, out=ratio)
        np.divide(mean, ratio, out=ratio)
        np.matmul(ratio, confusion.T, out=factors)
        if efficiency is not None:
            factors /= efficiency
        # Most tasks need a few steps, and a live one is judged after every input.
        if step % CHECK_STEPS == 0 and float(np.abs(shares * (factors - 1.0)).max(initial=0.0)) < CONVERGED:
            break
        shares *= factors
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), TINY))


def _held_out_distances(means: Floats, precision: Floats, scatter: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """Return L of every dataset by the nearest other one, and by the mixture of others that its inputs resemble.

    The similarity to the dataset itself does not exist when it is held out: it is marginalised, which subtracts
    (P apart)_e^2 / P_ee from the quadratic form (Schur complement).
    """
    n = len(means)
    weights = precision @ means.T
    products = means @ weights
    squares = np.diag(products)
    single = squares[:, None] + squares - 2 * products
    single -= (np.diag(weights)[:, None] - weights) ** 2 / np.diag(precision)[:, None]
    single /= (n - 1) * scatter
    np.fill_diagonal(single, np.inf)
    apart = means - shares @ means
    weighed = apart @ precision
    mixed = (weighed * apart).sum(axis=1) - np.diag(weighed) ** 2 / np.diag(precision)
    mixed /= (n - 1) * np.maximum(shares @ scatter, MIN_SCATTER)
    return np.log(np.maximum(single.min(axis=1), TINY)), np.log(np.maximum(mixed, TINY))


def softmax_rows(scores: Floats) -> Floats:
    """Return exp(scores), each row scaled to sum to 1; a row of -inf alone stays 0."""
    highest = scores.max(axis=1, keepdims=True)
    powers = np.exp(scores - np.where(np.isfinite(highest), highest, 0.0))
    return np.asarray(powers / np.maximum(powers.sum(axis=1, keepdims=True), TINY))


def _sum_by_dataset(values: Floats, dataset: NDArray[np.int64], n: int) -> Floats:
    found = np.zeros((n, values.shape[1]))
    np.add.at(found, dataset, values)
    return found


def _density(at: Floats, mean: Floats | float, deviation: Floats | float) -> Floats:
    return np.asarray(np.exp(-0.5 * ((at - mean) / deviation) ** 2) / deviation)
