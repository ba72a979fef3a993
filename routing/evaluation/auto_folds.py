"""Fit of `auto` in every fold, with its dataset left out of everything that is learnt: averages, centres, and
neighbours.

The mean outcome of the nearest inputs must be computed anew for every pair of datasets, one held out and one judged;
only inputs that have one of the held-out dataset's among their nearest are looked up again:
routing.evaluation.replaced_neighbours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats
from routing.auto.fit import AutoFit, fit_auto
from routing.auto.posterior import AccuracyPosterior, LabelGroups
from routing.auto.training_data import NoiseModel, TrainingData, build_training_data
from routing.benchmark import Benchmark, fold_candidates
from routing.calibration import HeldOutDataset
from routing.evaluation.calibration_folds import CalibrationFolds
from routing.evaluation.replaced_neighbours import NeighboursWithout
from routing.predictor import predict_outcomes

AutoProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class AutoFold:
    """The fit of auto in one fold.

    Attributes:
        columns: the candidates, best on average first.
        fit: the fit.
        prior: the candidates' accuracies without labels, in the order of `columns`.
    """

    columns: list[int]
    fit: AutoFit
    prior: AccuracyPosterior

    def condition_on(self, outcomes: Floats) -> AccuracyPosterior:
        """Return the posterior after outcomes of labelled inputs, (n_labelled, n_models) in the benchmark's order."""
        return self.prior.condition_on(LabelGroups.from_matrix(outcomes[:, self.columns]))


def fit_auto_folds(
    folds: CalibrationFolds, routed: Benchmark, held_out: Sequence[HeldOutDataset], progress: AutoProgress
) -> list[AutoFold]:
    """Fit auto for every dataset held out. folds: of the same benchmark; it finds the neighbours."""
    n = len(held_out)
    near = np.empty((n, n, len(routed.models)))
    for done, one in enumerate(held_out, 1):
        near[one.dataset] = mean_near_outcomes(routed.outcomes, one, n, folds.neighbour_count, folds.without)
        progress(done, n)
    noise = NoiseModel.from_outcomes(routed.outcomes, routed.dataset_ids, n)
    whole = build_training_data(routed.outcomes, folds.vectors, routed.dataset_ids, held_out, folds.neighbour_count)
    return [_fold(whole, noise, near, one.dataset, folds.vectors[one.rows], routed.min_coverage) for one in held_out]


def mean_near_outcomes(
    outcomes: Floats, one: HeldOutDataset, n_datasets: int, kappa: int, without: NeighboursWithout
) -> Floats:
    """Return the mean outcome of the nearest outside a dataset and each other one; at its own index, outside itself
    alone.

    Returns (n_datasets, n_models), NaN where nothing near was measured.
    """
    g = predict_outcomes(outcomes, one.near[:, :kappa])
    known = ~np.isnan(g)
    sums = np.repeat(np.where(known, g, 0.0).sum(axis=0)[None], n_datasets, axis=0)
    counts = np.repeat(known.sum(axis=0)[None], n_datasets, axis=0)
    for replaced in without.of_dataset(one):
        # Subtract the old means of the inputs that change and add their new ones: all others stay.
        old = g[replaced.places]
        pairs = [(old, -1)]
        if replaced.rows.shape[1]:
            pairs.append((predict_outcomes(outcomes, replaced.rows), 1))
        for values, sign in pairs:
            known = ~np.isnan(values)
            np.add.at(sums, replaced.away, sign * np.where(known, values, 0.0))
            np.add.at(counts, replaced.away, sign * known)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def _fold(
    whole: TrainingData, noise: NoiseModel, near: Floats, dataset: int, vectors: Embeddings, min_coverage: float
) -> AutoFold:
    """Return the fit without a dataset. vectors: (n_inputs, dim) of the dataset."""
    rest = whole.without_dataset(dataset, near[:, dataset], noise)
    columns = fold_candidates(whole.averages, dataset, min_coverage)
    learnt = fit_auto(rest, columns)
    sums = rest.membership.find_features(vectors).sum(axis=0) if rest.membership else None
    prior = learnt.prior_accuracy(whole.centres[dataset], near[dataset, dataset][columns], learnt.judge_task(sums))
    return AutoFold(columns, learnt, prior)
