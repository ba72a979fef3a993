"""Folds of a benchmark, predicted by a network (appendix C.1).

A pair (u, p) of a fold needs a network trained neither on the fold's dataset nor on the pair's. One for every pair of
datasets, mixing share and repeat, as in the paper, is D * D * 150 networks of half a minute each. Here a fold's
calibration networks leave its dataset out together with one group of the others, and every dataset of the group gives
one pair, at its distance to the network's training data, without inputs of its own mixed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Floats, Ints
from routing.atc import fit_thresholds
from routing.calibration import Calibration, HeldOutDataset
from routing.evaluation.calibration_folds import CalibrationFolds, NearestInputs
from routing.evaluation.fold import EvaluationFold, LabelSample
from routing.evaluation.knn_folds import FoldInputs
from routing.mlp import Mlp, MlpSettings, train_mlp
from routing.predictor import predict_correct, prediction_accuracy

GROUPS = 5
PREDICTOR_NAME = "training networks"


@dataclass(frozen=True, slots=True)
class CalibrationPair:
    """A dataset's distance to a network's training data, and the network's accuracy on it.

    Attributes:
        accuracies: (n_models,).
    """

    dataset: int
    distance: float
    accuracies: Floats


def build_mlp_folds(material: FoldInputs, settings: MlpSettings, groups: int = GROUPS) -> list[EvaluationFold]:
    """Return every dataset held out from the networks, the calibration and the thresholds."""
    return _MlpFolds(material, settings, groups).folds()


class _MlpFolds:
    def __init__(self, material: FoldInputs, settings: MlpSettings, groups: int) -> None:
        self._material, self._settings = material, settings
        self._folds = CalibrationFolds(
            material.vectors, [material.benchmark], material.found, material.routing, material.settings
        )
        self._groups = group_datasets([len(one.rows) for one in material.found], groups)
        self._trained = 0

    def folds(self) -> list[EvaluationFold]:
        whole = [self._pairs_of(group, group) for group in self._groups]
        return [self._fold(one, whole) for one in self._material.found]

    def _fold(self, one: HeldOutDataset, whole: Sequence[Sequence[CalibrationPair]]) -> EvaluationFold:
        pairs: list[CalibrationPair] = []
        for group, known in zip(self._groups, whole, strict=True):
            # The networks of the dataset's own group left it out already; they are shared by all folds of the group.
            of_group = known if one.dataset in group else self._pairs_of(group, [*group, one.dataset])
            pairs += [pair for pair in of_group if pair.dataset != one.dataset]
        material, network = self._material, self._without([one.dataset])

        def predict(sample: LabelSample, nearest: NearestInputs) -> Floats:
            labelled = one.rows[sample.labelled]
            by = network if not len(labelled) else self._train(self._rows([one.dataset], labelled), sample.repeat)
            return by.predict_outcomes(material.vectors[one.rows[sample.rest]])

        return EvaluationFold(
            one,
            material.benchmark,
            material.benchmark,
            material.benchmark.dataset_averages(),
            _calibration(pairs),
            predict,
            self._cuts(network, one.dataset),
        )

    def _pairs_of(self, group: Sequence[int], excluded: Sequence[int]) -> list[CalibrationPair]:
        network, found = self._without(excluded), []
        for dataset in group:
            one = self._material.found[dataset]
            others = [other for other in excluded if other != dataset]
            nearest = self._folds.nearest_without(one, np.arange(len(one.rows)), others)
            g_bar = predict_correct(
                network.predict_outcomes(self._material.vectors[one.rows]), self._material.routing.threshold
            )
            p = prediction_accuracy(g_bar, self._material.benchmark.correct_at(one.rows))
            found.append(CalibrationPair(dataset, float(nearest.distances.mean()), p))
        return found

    def _cuts(self, network: Mlp, dataset: int) -> Floats:
        # ATC needs inputs that the network was not trained on; its early-stopping set is at hand.
        rows = self._rows([dataset])[network.held_back]
        g, correct = network.predict_outcomes(self._material.vectors[rows]), self._material.benchmark.correct_at(rows)
        right = np.where(np.isnan(correct), np.nan, predict_correct(g, self._material.routing.threshold) == correct)
        return fit_thresholds(g, right)

    def _without(self, datasets: Sequence[int]) -> Mlp:
        count, groups = len(self._material.found), len(self._groups)
        self._material.steps(PREDICTOR_NAME, self._trained, count * groups + groups)
        network = self._train(self._rows(datasets))
        self._trained += 1
        self._material.steps(PREDICTOR_NAME, self._trained, count * groups + groups)
        return network

    def _train(self, rows: Ints, repeat: int = 0) -> Mlp:
        # Another seed per repeat: otherwise repeats would share the initial weights and look too certain.
        settings = replace(self._settings, seed=self._settings.seed + repeat)
        return train_mlp(self._material.vectors[rows], self._material.benchmark.outcomes[rows], settings)

    def _rows(self, without: Sequence[int], labelled: Ints | None = None) -> Ints:
        rows = np.flatnonzero(~np.isin(self._material.benchmark.dataset_ids, without))
        return rows if labelled is None else np.concatenate([rows, labelled])


def group_datasets(sizes: Sequence[int], groups: int) -> list[list[int]]:
    """Split datasets into groups of similar size, the largest assigned first. No more groups than datasets."""
    order = sorted(range(len(sizes)), key=lambda dataset: -sizes[dataset])
    count = min(groups, len(sizes))
    return [sorted(order[place::count]) for place in range(count)]


def _calibration(pairs: Sequence[CalibrationPair]) -> Calibration:
    return Calibration(
        distances=np.array([pair.distance for pair in pairs]),
        accuracies=np.array([pair.accuracies for pair in pairs]),
        # One pair per dataset: there are no repeats to weight.
        weights=np.ones(len(pairs)),
        dataset_ids=np.array([pair.dataset for pair in pairs], dtype=np.int64),
    )
