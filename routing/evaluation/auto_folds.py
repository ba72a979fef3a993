"""What `auto` says of every fold, its dataset away from everything that is learnt: averages, centres, and neighbours.

The mean outcome of the nearest inputs has to be found anew for every pair of datasets, one held out and one judged;
only inputs that have one of the held-out dataset's among their nearest are looked up again, as in routing.evaluation.
folds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats, Ints
from routing.auto.fit import Fit, fit
from routing.auto.posterior import Labels, Posterior
from routing.auto.training_data import Ground, Noise, centres_of, near_mean
from routing.benchmark import Benchmark, order_on_average
from routing.calibration import HeldOut
from routing.evaluation.folds import Folds
from routing.predictor import predict

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class AutoFold:
    """A fold as auto sees it: columns are the candidates, best on average first, and so are the prior's places."""

    columns: list[int]
    fit: Fit
    prior: Posterior

    def given(self, outcomes: Floats) -> Posterior:
        """After the outcomes of labelled inputs, (n_labelled, n_models) in the benchmark's order."""
        return self.prior.given(Labels.of(outcomes[:, self.columns]))


def auto_folds(folds: Folds, routed: Benchmark, held_out: Sequence[HeldOut], progress: Progress) -> list[AutoFold]:
    """One for every dataset. folds: of the same benchmark; it finds the neighbours."""
    n = len(held_out)
    near = np.empty((n, n, len(routed.models)))
    for done, one in enumerate(held_out, 1):
        near[one.dataset] = near_means(folds, routed.outcomes, one, n)
        progress(done, n)
    noise = Noise.of(routed.outcomes, routed.dataset_ids, n)
    everything = np.arange(n)
    # The centres are needed as means of embeddings; `folds` knows the vectors.
    whole = Ground(
        routed.dataset_averages(),
        centres_of(folds.vectors, routed.dataset_ids, n),
        near[everything, everything],
        *noise.means(everything),
    )
    return [_fold(whole, noise, near, one.dataset) for one in held_out]


def near_means(folds: Folds, outcomes: Floats, one: HeldOut, n_datasets: int) -> Floats:
    """The mean outcome of the nearest outside a dataset and each other one; at its own place, outside itself alone.

    Returns (n_datasets, n_models).
    """
    kappa = folds.kappa
    rows = one.near[:, :kappa]
    g = predict(outcomes, rows)
    known = ~np.isnan(g)
    sums, counts = np.where(known, g, 0.0).sum(axis=0), known.sum(axis=0)
    found = np.empty((n_datasets, outcomes.shape[1]))
    ids = folds.ids[rows]
    for away in range(n_datasets):
        if away == one.dataset:
            found[away] = near_mean(outcomes, rows)
            continue
        touched = np.flatnonzero((ids == away).any(axis=1))
        found[away] = _repaired(folds, outcomes, one, (sums, counts), g, touched, away)
    return found


def _repaired(
    folds: Folds, outcomes: Floats, one: HeldOut, whole: tuple[Floats, Ints], g: Floats, touched: Ints, away: int
) -> Floats:
    sums, counts = whole
    if len(touched):
        old, new = g[touched], predict(outcomes, folds.nearest_without(one, touched, [away]).rows)
        for values, sign in ((old, -1), (new, 1)):
            known = ~np.isnan(values)
            sums = sums + sign * np.where(known, values, 0.0).sum(axis=0)
            counts = counts + sign * known.sum(axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0))


def _fold(whole: Ground, noise: Noise, near: Floats, dataset: int) -> AutoFold:
    rest = whole.without(dataset, near[:, dataset], noise)
    columns = order_on_average(rest.averages)
    learnt = fit(rest, columns)
    return AutoFold(columns, learnt, learnt.prior(whole.centres[dataset], near[dataset, dataset][columns]))
