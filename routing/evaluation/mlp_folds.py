"""Every fold of a benchmark, predicted by a network (appendix C.1).

A pair (u, p) of a fold needs a network that has learnt neither from the fold's dataset nor from the pair's. One for
every pair of datasets, mixed share and repeat, as the paper has it, is D * D * 150 networks of half a minute each. Here
a fold's calibration networks leave its dataset out together with one group of the others, and every dataset of the
group gives one pair, at its distance to what the network did learn from, without inputs of its own mixed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Floats, Ints
from routing.atc import thresholds
from routing.calibration import Calibration, HeldOut
from routing.evaluation.fold import Fold, Sample
from routing.evaluation.folds import Folds, Nearest
from routing.evaluation.knn_folds import Material
from routing.mlp import Mlp, MlpSettings, train
from routing.predictor import accuracy_of, predict_correct

GROUPS = 5
WHAT = "training networks"


@dataclass(frozen=True, slots=True)
class Pair:
    """A dataset's distance to what a network learnt from, and the network's accuracy on it, (n_models,)."""

    dataset: int
    distance: float
    accuracies: Floats


def mlp_folds(material: Material, settings: MlpSettings, groups: int = GROUPS) -> list[Fold]:
    """Every dataset held out from the networks, the calibration and the thresholds."""
    return _MlpFolds(material, settings, groups).folds()


class _MlpFolds:
    def __init__(self, material: Material, settings: MlpSettings, groups: int) -> None:
        self._material, self._settings = material, settings
        self._folds = Folds(material.vectors, [material.benchmark], material.found, material.routing, material.settings)
        self._groups = grouped([len(one.rows) for one in material.found], groups)
        self._trained = 0

    def folds(self) -> list[Fold]:
        whole = [self._pairs_of(group, group) for group in self._groups]
        return [self._fold(one, whole) for one in self._material.found]

    def _fold(self, one: HeldOut, whole: Sequence[Sequence[Pair]]) -> Fold:
        pairs: list[Pair] = []
        for group, known in zip(self._groups, whole, strict=True):
            of_group = known if one.dataset in group else self._pairs_of(group, [*group, one.dataset])
            pairs += [pair for pair in of_group if pair.dataset != one.dataset]
        material, network = self._material, self._without([one.dataset])

        def predict(sample: Sample, nearest: Nearest) -> Floats:
            labelled = one.rows[sample.labelled]
            by = network if not len(labelled) else self._train(self._rows([one.dataset], labelled), sample.repeat)
            return by.predict(material.vectors[one.rows[sample.rest]])

        return Fold(
            one,
            material.benchmark,
            material.benchmark,
            material.benchmark.dataset_averages(),
            _calibration(pairs),
            predict,
            self._cuts(network, one.dataset),
        )

    def _pairs_of(self, group: Sequence[int], excluded: Sequence[int]) -> list[Pair]:
        network, found = self._without(excluded), []
        for dataset in group:
            one = self._material.found[dataset]
            others = [other for other in excluded if other != dataset]
            nearest = self._folds.nearest_without(one, np.arange(len(one.rows)), others)
            g_bar = predict_correct(network.predict(self._material.vectors[one.rows]), self._material.routing.threshold)
            p = accuracy_of(g_bar, self._material.benchmark.correct_at(one.rows))
            found.append(Pair(dataset, float(nearest.distances.mean()), p))
        return found

    def _cuts(self, network: Mlp, dataset: int) -> Floats:
        rows = self._rows([dataset])[network.held_back]
        g, correct = network.predict(self._material.vectors[rows]), self._material.benchmark.correct_at(rows)
        right = np.where(np.isnan(correct), np.nan, predict_correct(g, self._material.routing.threshold) == correct)
        return thresholds(g, right)

    def _without(self, datasets: Sequence[int]) -> Mlp:
        count, groups = len(self._material.found), len(self._groups)
        self._material.steps(WHAT, self._trained, count * groups + groups)
        network = self._train(self._rows(datasets))
        self._trained += 1
        self._material.steps(WHAT, self._trained, count * groups + groups)
        return network

    def _train(self, rows: Ints, repeat: int = 0) -> Mlp:
        settings = replace(self._settings, seed=self._settings.seed + repeat)
        return train(self._material.vectors[rows], self._material.benchmark.outcomes[rows], settings)

    def _rows(self, without: Sequence[int], labelled: Ints | None = None) -> Ints:
        rows = np.flatnonzero(~np.isin(self._material.benchmark.dataset_ids, without))
        return rows if labelled is None else np.concatenate([rows, labelled])


def grouped(sizes: Sequence[int], groups: int) -> list[list[int]]:
    """Datasets in groups of about as many inputs, the largest dealt out first. No more groups than datasets."""
    order = sorted(range(len(sizes)), key=lambda dataset: -sizes[dataset])
    count = min(groups, len(sizes))
    return [sorted(order[place::count]) for place in range(count)]


def _calibration(pairs: Sequence[Pair]) -> Calibration:
    return Calibration(
        distances=np.array([pair.distance for pair in pairs]),
        accuracies=np.array([pair.accuracies for pair in pairs]),
        weights=np.ones(len(pairs)),
        dataset_ids=np.array([pair.dataset for pair in pairs], dtype=np.int64),
    )
