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

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints, multiply_rows
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
        whitening: (n_usable, n_usable) W with W W' = Sigma^-1: a quadratic form in Sigma^-1 is a squared length after
            a product with W.
        white_means: (n_usable, n_usable) mu W.
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
    whitening: Floats = field(init=False, repr=False, compare=False)
    white_means: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Factorize the precision once: a live task is judged after every input."""
        whitening = _factorize(self.precision)
        object.__setattr__(self, "whitening", whitening)
        object.__setattr__(self, "white_means", self.means @ whitening)

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
        """Return the membership of one task; arguments as `judge_tasks` takes them, without the first axis."""
        return self.judge_tasks(sums[None], np.array([spread]))[0]

    def judge_tasks(self, sums: Floats, spreads: Floats) -> list[TaskMembership]:
        """Return the membership of every task, to the last bit as it is alone.

        sums: (n_tasks, N_FEATURES, n_datasets) of its inputs' features, at least one input each. spreads: (n_tasks,)
        of its inputs' embeddings around their mean, relative to that of the datasets they resemble.
        """
        counts = sums[:, 1].sum(axis=1)
        # take, and no index: that can give columns one after the other, of which sums depend on the number of tasks.
        means = sums.take(self.usable, axis=2) / counts[:, None, None]
        similarities, shares = means[:, 0], deconvolve_shares(means[:, 1], self.confusion)
        # Copies of one input say as much as one: what they share does not average out.
        alike = np.maximum(0.0, 1.0 - spreads / ALIKE_SPREAD)
        noise = np.maximum(alike, 1.0 / counts)
        white = multiply_rows(similarities, self.whitening)
        distances = np.square(white[:, None] - self.white_means).sum(axis=2)
        # Gaussian classes of one covariance: the likelihood of each dataset, n bounded by DRIFT.
        per_reference = 1 / self.references.counts[self.usable]
        likely = softmax_rows(-0.5 * (distances / (self.scatter * (noise[:, None] + per_reference + DRIFT))))
        tasks, nearest = np.arange(len(sums)), likely.argmax(axis=1)
        apart = distances[tasks, nearest] / self.scatter[nearest]
        one = PRIOR_ONE * self._odds(apart, noise + per_reference[nearest], self.single_held_out)
        squares = np.square(shares)
        mixture = np.zeros(len(sums))
        if len(self.usable) > 1:
            # Half as probable with each dataset beyond two: a mixture of all could be anything.
            mixture = PRIOR_MIXTURE * np.exp2(-np.maximum(0.0, 1 / squares.sum(axis=1) - 2))
        apart = np.square(white - multiply_rows(shares, self.white_means)).sum(axis=1)
        apart /= (shares * self.scatter).sum(axis=1)
        several = mixture * self._odds(apart, noise + (squares * per_reference).sum(axis=1), self.mixed_held_out)
        known = (one + several) / (one + several + (1.0 - PRIOR_ONE - mixture))
        found = np.zeros((len(sums), sums.shape[2]))
        found[:, self.usable] = (one[:, None] * likely + several[:, None] * shares) / (one + several)[:, None]
        found /= found.sum(axis=1, keepdims=True)
        mixed = several / (one + several)
        probabilities = np.repeat(known[:, None], sums.shape[2], axis=1)
        return [TaskMembership(*one_task) for one_task in zip(found, probabilities, mixed.tolist(), strict=True)]

    def _odds(self, apart: Floats, base: Floats, held_out: Floats) -> Floats:
        """Return the likelihood ratios of "the task is this mixture of datasets" to "it is new", (n_tasks,).

        apart: (n_tasks,) squared distance of the mean similarities to the mixture's, in units of its scatter. base:
        (n_tasks,) 1/n + 1/N. held_out: L of the datasets held out.
        """
        d = len(self.usable)
        centre, log_distance = np.log(base + DRIFT), np.log(np.maximum(apart / d, TINY))
        # Nearer than expected is no evidence against membership.
        at = np.maximum(log_distance, centre)
        known = _density(at, centre, np.sqrt(2 / d + KNOWN_SPREAD**2))
        broad = _density(at, np.log(np.exp(BROAD_MEAN) + base), BROAD_SPREAD)
        near = _density(at[:, None], np.log(np.exp(held_out) + base[:, None]), NEW_SPREAD)
        new = BROAD_WEIGHT * broad + near.sum(axis=1)
        # Floored: a task that is unlike anything, known or held out, must not divide by zero.
        return np.asarray((known + 1e-300) / (new / (BROAD_WEIGHT + len(held_out)) + 1e-300))


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
    """Return every row's shares, to the last bit as they are alone: each ends where it converges."""
    found, left, shares = mean.copy(), np.arange(len(mean)), mean.copy()
    for step in range(SHARE_STEPS):
        # A share of 0 stays 0: where the mean is 0, so is the ratio.
        ratio = mean / np.maximum(multiply_rows(shares, confusion), TINY)
        factors = multiply_rows(ratio, confusion.T)
        if efficiency is not None:
            factors /= efficiency
        if step % CHECK_STEPS == 0:
            # Most tasks need a few steps, and a live one is judged after every input.
            moves = np.abs(shares * (factors - 1.0)).max(axis=1, initial=0.0) >= CONVERGED
            if not moves.all():
                found[left[~moves]] = shares[~moves]
                left, mean, shares, factors = left[moves], mean[moves], shares[moves], factors[moves]
                efficiency = None if efficiency is None else efficiency[moves]
        shares = shares * factors
    found[left] = shares
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), TINY))


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


def _factorize(precision: Floats) -> Floats:
    """Return W with W W' = precision, which is symmetric and positive definite but for rounding."""
    # By eigenvalues: those that rounding has made negative would end a Cholesky decomposition.
    values, axes = np.linalg.eigh(precision)
    return np.asarray(axes * np.sqrt(np.maximum(values, 0.0)))


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
