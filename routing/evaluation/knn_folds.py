"""Folds of a benchmark, predicted by the k nearest inputs (eq. 7)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.atc import fit_thresholds
from routing.benchmark import Benchmark
from routing.calibration import Calibration, CalibrationSettings, HeldOutDataset, RoutingSettings
from routing.evaluation.auto_folds import fit_auto_folds
from routing.evaluation.calibration_folds import CalibrationFolds, NearestInputs
from routing.evaluation.fold import EvaluationFold, LabelSample
from routing.neighbours import sort_by_distance
from routing.neighbours.exact import most_similar
from routing.predictor import predict_correct, predict_outcomes

KnnSteps = Callable[[str, int, int], None]
"""Called with (name of the phase, steps done, total steps)."""


@dataclass(frozen=True, slots=True)
class FoldInputs:
    """Input of the construction of folds.

    Attributes:
        benchmark: systems are judged by it.
        vectors: (n_inputs, dim), unit length.
        found: every dataset, with more than kappa neighbours.
        routing: parameters of the paper.
        settings: parameters of the calibration.
        steps: progress callback.
        auto: True to fit auto in every fold.
    """

    benchmark: Benchmark
    vectors: Embeddings
    found: Sequence[HeldOutDataset]
    routing: RoutingSettings
    settings: CalibrationSettings
    steps: KnnSteps
    auto: bool = False


def build_knn_folds(material: FoldInputs, routed: Sequence[Benchmark]) -> list[list[EvaluationFold]]:
    """Return every dataset held out from index, calibration and thresholds, for every benchmark that systems see."""
    folds = CalibrationFolds(material.vectors, routed, material.found, material.routing, material.settings)
    # One pass for the real and the shuffled benchmark: their inputs, and so their neighbours, are the same.
    calibrations = folds.fold_calibrations(lambda done, total: material.steps("calibrating every fold", done, total))
    near = np.concatenate([_among_all(one, material.vectors) for one in material.found])
    made = [_folds(material, one, near, found) for one, found in zip(routed, calibrations, strict=True)]
    return [_with_auto(material, folds, made[0]), *made[1:]]


def build_permuted_folds(material: FoldInputs, permuted: Benchmark) -> list[EvaluationFold]:
    """Return the folds of auto's control, judged by the outcomes that it sees. Only auto can be evaluated."""
    folds = CalibrationFolds(material.vectors, [permuted], material.found, material.routing, material.settings)
    n_models = len(permuted.models)
    none = Calibration(np.empty(0), np.empty((0, n_models)), np.empty(0), np.empty(0, dtype=np.int64))
    averages, cuts = permuted.dataset_averages(), np.full(n_models, 0.5)

    def nearest_mean(sample: LabelSample, nearest: NearestInputs) -> Floats:
        return predict_outcomes(permuted.outcomes, nearest.rows[:, : material.routing.k])

    made = [EvaluationFold(one, permuted, permuted, averages, none, nearest_mean, cuts) for one in material.found]
    return _with_auto(material, folds, made)


def _with_auto(material: FoldInputs, folds: CalibrationFolds, made: list[EvaluationFold]) -> list[EvaluationFold]:
    """Return the folds of one benchmark with the fit of auto."""
    if not material.auto:
        return made
    found = fit_auto_folds(
        folds, made[0].routed, material.found, lambda done, total: material.steps("comparing datasets", done, total)
    )
    return [replace(fold, auto=auto) for fold, auto in zip(made, found, strict=True)]


def _folds(
    material: FoldInputs, routed: Benchmark, near: Ints, calibrations: Sequence[Calibration]
) -> list[EvaluationFold]:
    routing, averages, cuts = material.routing, routed.dataset_averages(), _Cuts(material, routed, near)

    def nearest_mean(sample: LabelSample, nearest: NearestInputs) -> Floats:
        return predict_outcomes(routed.outcomes, nearest.rows[:, : routing.k])

    return [
        EvaluationFold(one, material.benchmark, routed, averages, calibration, nearest_mean, cuts.without(one.dataset))
        for one, calibration in zip(material.found, calibrations, strict=True)
    ]


class _Cuts:
    """Thresholds of ATC.

    Every input is predicted from its nearest others, its own dataset's included, as a validation set drawn from the
    benchmark would be; a fold leaves its dataset out.
    """

    def __init__(self, material: FoldInputs, routed: Benchmark, near: Ints) -> None:
        """near: (n_inputs, many) rows, of the datasets one after another."""
        self._routed, self._routing, self._near = routed, material.routing, near
        self._rows = np.concatenate([one.rows for one in material.found])
        self._g = self._predicted(self._near)
        self._correct = self._routed.correct_at(self._rows)

    def without(self, dataset: int) -> Floats:
        """Return the thresholds of a fold, (n_models,)."""
        ids, k = self._routed.dataset_ids, self._routing.k
        others = np.flatnonzero(ids[self._rows] != dataset)
        outside = ids[self._near[others]] != dataset
        touched = np.flatnonzero(~outside[:, :k].all(axis=1))
        g = self._g[others]
        order = np.argsort(~outside[touched], axis=1, kind="stable")
        g[touched] = self._predicted(np.take_along_axis(self._near[others[touched]], order, axis=1))
        # Fewer than k of the neighbours found are outside: no prediction.
        g[touched[outside[touched].sum(axis=1) < k]] = np.nan
        g_bar, correct = predict_correct(g, self._routing.threshold), self._correct[others]
        right = np.where(np.isnan(g_bar) | np.isnan(correct), np.nan, g_bar == correct)
        return fit_thresholds(g, right)

    def _predicted(self, near: Ints) -> Floats:
        return predict_outcomes(self._routed.outcomes, near[:, : self._routing.k])


def _among_all(one: HeldOutDataset, vectors: Embeddings) -> Ints:
    """Return the nearest others of a dataset's inputs, outside the dataset and inside."""
    count = one.near.shape[1]
    # Neighbours outside the dataset are known already; only those inside are missing.
    similarity = vectors[one.rows] @ vectors[one.rows].T
    np.fill_diagonal(similarity, -np.inf)
    own, distances = most_similar(similarity, min(count, len(one.rows) - 1))
    rows = np.concatenate([one.near, one.rows[own]], axis=1)
    return sort_by_distance(rows, np.concatenate([one.near_distances, distances], axis=1))[0][:, :count]
