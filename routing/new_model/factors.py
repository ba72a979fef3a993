"""What the outcomes of the known models have in common, so that few outcomes of another one tell of all the others.

    y(x) = offset(x) + c + sum_k w_k f_k(x) + a_d + e(x)

offset(x) is the mean over the known models: how easy an input is. The f_k are the principal components of what models
differ by on it, each dataset weighing the same; c, w and a_d are Gaussian, and so is the noise. How wide, and how far
single inputs can be trusted beside whole datasets, is learnt by hiding each known model in turn and predicting it from
the others. Item response models say the same with a logistic curve; a linear one needs no iterations, and its standard
errors do not depend on the outcomes, so inputs can be chosen before anything is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats, Ints
from routing.auto.fit import fill_missing
from routing.auto.training_data import NoiseModel
from routing.benchmark import dataset_averages

MAX_FACTORS = 8
MIN_MODELS = 3
"""Known models from which on one can be hidden and still be expected by what the others differ by."""

MIN_NOISE = 0.02
MIN_VARIANCE = 1e-5
UNKNOWN_LEVEL, UNKNOWN_APART, UNKNOWN_NOISE = 0.15**2, 0.1**2, 0.2
"""Variances of c, a_d and e where there are too few models to learn them from."""
RIDGE = 1e-6
PASSES = 2


@dataclass(frozen=True, slots=True)
class KnownModels:
    """The known models, without NaN. dataset_ids: (n_inputs,); counts: (n_datasets,); see routing.new_model's table."""

    outcomes: Floats
    dataset_ids: Ints
    averages: Floats
    within: Floats
    counts: Ints

    @classmethod
    def from_outcomes(cls, outcomes: Floats, dataset_ids: Ints, n_datasets: int) -> "KnownModels":
        """outcomes: (n_inputs, n_known), NaN where missing, which counts as the model's mean on the dataset."""
        averages = fill_missing(dataset_averages(outcomes, dataset_ids, n_datasets))
        whole = np.where(np.isnan(outcomes), averages[dataset_ids], outcomes)
        noise = NoiseModel.from_outcomes(whole, dataset_ids, n_datasets)
        shares = (np.maximum(noise.counts, 1) - 1) / np.maximum(noise.counts, 1)
        return cls(whole, dataset_ids, averages, noise.covariances * shares[:, None, None], noise.counts)

    def without_model(self, place: int) -> "KnownModels":
        """All known models but one."""
        kept = np.delete(np.arange(self.outcomes.shape[1]), place)
        square = self.within[:, kept[:, None], kept]
        return KnownModels(self.outcomes[:, kept], self.dataset_ids, self.averages[:, kept], square, self.counts)

    def select_inputs(self, rows: Ints) -> "KnownModels":
        """The same datasets with only some of the inputs at hand."""
        return KnownModels(self.outcomes[rows], self.dataset_ids[rows], self.averages, self.within, self.counts)


@dataclass(frozen=True, slots=True)
class PriorWidths:
    """What hiding the known models has taught. level: variance of c; scores: (n_factors,) of w; apart: (n_datasets,) of
    a_d; noise: (n_datasets,) of e. slope, trust: how far the offset and each factor, (n_factors,), of a single input
    count, in [0, 1], beside their means over its dataset.
    """

    level: float
    scores: Floats
    apart: Floats
    noise: Floats
    slope: float
    trust: Floats

    @property
    def prior_variances(self) -> Floats:
        """Variances of c, w and a, (1 + n_factors + n_datasets,)."""
        return np.concatenate([[self.level], self.scores, self.apart])


@dataclass(frozen=True, slots=True)
class InputFactors:
    """Ready to look at a new model with. offset: (n_inputs,); features: (n_inputs, 1 + n_factors), the first all 1.

    offsets, dataset_features: the same of whole datasets. mixtures: (n_known, n_factors).
    """

    known: KnownModels
    widths: PriorWidths
    mixtures: Floats
    offset: Floats
    features: Floats
    offsets: Floats
    dataset_features: Floats

    def design_matrix(self, rows: Ints | slice = slice(None)) -> Floats:
        """Inputs' features and their datasets, as the weights c, w, a take them. (n_rows, n_weights)"""
        return np.hstack([self.features[rows], np.eye(len(self.offsets))[self.known.dataset_ids[rows]]])

    def predict_inputs(self, weights: Floats) -> Floats:
        """What weights make of every input, (n_inputs,), not cut to [0, 1]."""
        n = self.features.shape[1]
        return np.asarray(self.offset + self.features @ weights[:n] + weights[n:][self.known.dataset_ids])

    @property
    def dataset_design(self) -> Floats:
        """The datasets' features, as the weights take them. (n_datasets, n_weights)"""
        return np.hstack([self.dataset_features, np.eye(len(self.offsets))])

    @property
    def noise_variance(self) -> Floats:
        """Of every input, (n_inputs,)."""
        return np.asarray(self.widths.noise[self.known.dataset_ids])


def build_factors(known: KnownModels, widths: PriorWidths | None = None) -> InputFactors:
    """widths: learnt already, else they are learnt now."""
    widths = widths or learn_widths(known)
    n_known = known.averages.shape[1]
    mixtures = _mixtures(_total(known), len(widths.scores))
    ids, even = known.dataset_ids, np.full(n_known, 1.0 / n_known)
    offsets, wide = known.averages @ even, known.averages @ mixtures
    offset = offsets[ids] + widths.slope * (known.outcomes @ even - offsets[ids])
    near = wide[ids] + widths.trust * (known.outcomes @ mixtures - wide[ids])
    return InputFactors(known, widths, mixtures, offset, _with_one(near), offsets, _with_one(wide))


def learn_widths(known: KnownModels) -> PriorWidths:
    """Hides each known model in turn. Takes small matrices only: no input is looked at one by one."""
    n_datasets, n_known = known.averages.shape
    if n_known < MIN_MODELS:
        apart, noise = np.full(n_datasets, UNKNOWN_APART), np.full(n_datasets, UNKNOWN_NOISE)
        return PriorWidths(UNKNOWN_LEVEL, np.zeros(0), apart, noise, 1.0, np.zeros(0))
    total, inside = _total(known), known.within.mean(axis=0)
    count = min(MAX_FACTORS, n_known - 2)
    trust, found = np.ones(count), list[_Hidden]()
    for _ in range(PASSES):
        found = [_hidden(known, total, inside, place, trust) for place in range(n_known)]
        trust = _trust(found, inside)
    slope = float(np.clip(np.mean([one.slope for one in found]), 0, 1))
    off = np.array([one.off for one in found])
    noise = np.array([[row @ each @ row for each in known.within] for row in (one.left(slope, trust) for one in found)])
    noise = _pooled(np.maximum(noise.mean(axis=0), MIN_NOISE))
    level = float((off.mean(axis=1) ** 2).mean())
    apart = ((off - off.mean(axis=1, keepdims=True)) ** 2).mean(axis=0)
    return PriorWidths(
        max(level, MIN_VARIANCE),
        np.maximum((np.array([one.scores for one in found]) ** 2).mean(axis=0), MIN_VARIANCE),
        _pooled(np.maximum(apart, MIN_VARIANCE)),
        noise,
        slope,
        trust,
    )


@dataclass(frozen=True, slots=True)
class _Hidden:
    """What hiding one model gave. target, even: (n_known,) as mixtures of the known models: the hidden one, the mean of
    the others. said: (n_known, n_factors) likewise each factor, as it scores. off: (n_datasets,) what is left.
    """

    scores: Floats
    slope: float
    off: Floats
    target: Floats
    even: Floats
    said: Floats

    def left(self, slope: float, trust: Floats) -> Floats:
        """What is left inside datasets, as a mixture of the known models."""
        return np.asarray(self.target - slope * self.even - self.said @ trust)


def _hidden(known: KnownModels, total: Floats, inside: Floats, place: int, trust: Floats) -> _Hidden:
    """total, inside: (n_known, n_known) second moments over everything, and inside datasets alone."""
    n_known, count = len(total), len(trust)
    others = np.delete(np.arange(n_known), place)
    target, even, mixtures = np.zeros(n_known), np.zeros(n_known), np.zeros((n_known, count))
    target[place], even[others] = 1.0, 1.0 / len(others)
    mixtures[others] = _mixtures(total[np.ix_(others, others)], count)
    slope = _quotient(even @ inside @ target, even @ inside @ even)
    between, shy = total - inside, mixtures * trust
    wanted = mixtures.T @ between @ (target - even) + shy.T @ inside @ (target - slope * even)
    square = mixtures.T @ between @ mixtures + shy.T @ inside @ shy
    ridge = RIDGE * max(float(np.trace(square)), RIDGE) * np.eye(count)
    scores = np.asarray(np.linalg.solve(square + ridge, wanted), dtype=np.float64)
    off = known.averages @ (target - even - mixtures @ scores)
    return _Hidden(scores, slope, off, target, even, mixtures * scores)


def _trust(found: Sequence[_Hidden], inside: Floats) -> Floats:
    """How far each factor's features tell inputs of one dataset apart: least squares over all hidden models."""
    square = sum((one.said.T @ inside @ one.said for one in found), np.zeros(2 * found[0].scores.shape))
    wanted = sum((one.said.T @ inside @ (one.target - one.slope * one.even) for one in found), 0 * found[0].scores)
    ridge = RIDGE * max(float(np.trace(square)), RIDGE) * np.eye(len(wanted))
    return np.clip(np.linalg.solve(square + ridge, wanted), 0.0, 1.0)


def _total(known: KnownModels) -> Floats:
    """Second moments of the known models' outcomes, every dataset weighing the same. (n_known, n_known)"""
    return np.asarray(known.averages.T @ known.averages / len(known.averages) + known.within.mean(axis=0))


def _mixtures(total: Floats, count: int) -> Floats:
    """The principal components of what models differ by, as mixtures of the models. (n_known, count)"""
    n_known = len(total)
    centre = np.eye(n_known) - 1.0 / n_known
    _, axes = np.linalg.eigh(centre @ total @ centre)
    return np.asarray(centre @ axes[:, ::-1][:, :count] / np.sqrt(n_known))


def _pooled(values: Floats) -> Floats:
    """Half of each dataset's own, half of the mean: one dataset alone tells little of a variance."""
    return np.asarray((values + values.mean()) / 2)


def _with_one(features: Floats) -> Floats:
    return np.hstack([np.ones((len(features), 1)), features])


def _quotient(a: Floats, b: Floats) -> float:
    """Of two numbers, as products of matrices give them."""
    return float(a / b) if b > 0 else 0.0
