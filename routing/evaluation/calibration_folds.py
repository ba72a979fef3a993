"""Pairs (u, p) of every fold at once.

When dataset d is judged, none of it may be in the benchmark: neither in the index nor in the calibration. So the
pairs of every other dataset z must be computed anew without d, D * D * 15 * 10 of them, which takes an hour if done
directly. But removing d changes only the inputs of z that have one of d's among their nearest, and for those the
neighbours outside both are found once: a fold recomputes the rows it affects, and reuses all others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark
from routing.calibration import Calibration, CalibrationSettings, HeldOutDataset, RoutingSettings, draw_mixed_inputs
from routing.neighbours import TIE_DECIMALS
from routing.neighbours.exact import most_similar
from routing.predictor import predict_correct, predict_outcomes

FoldProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class NearestInputs:
    """Nearest benchmark inputs of some inputs.

    Attributes:
        rows: (n_inputs, kappa), nearest first.
        distances: (n_inputs, kappa).
    """

    rows: Ints
    distances: Floats

    def select_places(self, places: Ints) -> "NearestInputs":
        """Return those of some of the inputs."""
        return NearestInputs(self.rows[places], self.distances[places])

    def merge_with(self, rows: Ints, distances: Floats | Embeddings, kappa: int) -> "NearestInputs":
        """Return the kappa nearest among these and others. rows: (n,) of the others; distances: (n_inputs, n)."""
        if len(rows) == 0:
            return self
        known = self.distances.shape[1]
        all_distances = np.concatenate([self.distances, distances], axis=1)
        order = _smallest(all_distances, kappa)
        found = np.take_along_axis(self.rows, np.minimum(order, known - 1), axis=1)
        found = np.where(order < known, found, rows[np.maximum(order - known, 0)])
        return NearestInputs(found, np.take_along_axis(all_distances, order, axis=1))


@dataclass(frozen=True, slots=True)
class ScoredFold:
    """Predictions for some inputs, compared with their outcomes.

    Attributes:
        hits: (n_inputs, n_models) 1 where g_bar is right.
        known: (n_inputs, n_models) 1 where both are known.
        u: (n_inputs,) mean distance.
    """

    hits: Floats
    known: Floats
    u: Floats


class CalibrationFolds:
    """Calibrations of every fold of one benchmark."""

    def __init__(
        self,
        vectors: Embeddings,
        routed: Sequence[Benchmark],
        held_out: Sequence[HeldOutDataset],
        routing: RoutingSettings,
        settings: CalibrationSettings,
    ) -> None:
        """vectors: (n_inputs, dim), unit length. held_out: every dataset, with at least kappa neighbours.

        routed: benchmarks of the same inputs, whose outcomes are concatenated as if of more models: finding
        neighbours costs much more than averaging outcomes.
        """
        self.vectors = vectors
        self.ids = routed[0].dataset_ids
        self._outcomes = np.concatenate([one.outcomes for one in routed], axis=1)
        self._correct = np.concatenate([one.correct_outcomes() for one in routed], axis=1)
        self._widths = [len(one.models) for one in routed]
        self._held_out = held_out
        self._routing = routing
        self._settings = settings

    @property
    def neighbour_count(self) -> int:
        """Neighbours of the distance u (kappa)."""
        return self._routing.kappa

    def fold_calibrations(self, progress: FoldProgress = lambda done, total: None) -> list[list[Calibration]]:
        """Return, for every benchmark, the calibration of every fold: from all datasets but its own, without it."""
        n = len(self._held_out)
        pairs: list[list[tuple[float, Floats, float, int]]] = [[] for _ in range(n)]
        for done, one in enumerate(self._held_out, 1):
            for fold, found in self._of_dataset(one):
                pairs[fold] += found
            progress(done, n)
        made = [_calibration(found, self._outcomes.shape[1]) for found in pairs]
        ends = np.cumsum(self._widths).tolist()
        return [
            [_columns(one, slice(end - width, end)) for one in made]
            for width, end in zip(self._widths, ends, strict=True)
        ]

    def _of_dataset(self, one: HeldOutDataset) -> Iterator[tuple[int, list[tuple[float, Floats, float, int]]]]:
        """Yield the pairs of one dataset, for every fold but its own."""
        kappa = self._routing.kappa
        nearest = NearestInputs(one.near[:, :kappa], one.near_distances[:, :kappa])
        within = distances_between(self.vectors, one.rows, one.rows)
        generator = np.random.default_rng([self._settings.seed, one.dataset])
        mixed = list(draw_mixed_inputs(len(one.rows), self._settings, generator))
        rests = [np.delete(np.arange(len(one.rows)), moved) for moved, _ in mixed]
        whole = [
            self._judge(one, nearest.select_places(rest), within, rest, moved)
            for rest, (moved, _) in zip(rests, mixed, strict=True)
        ]
        for fold in range(len(self._held_out)):
            if fold == one.dataset:
                continue
            touched = np.flatnonzero((self.ids[nearest.rows] == fold).any(axis=1))
            repaired = self.nearest_without(one, touched, [fold]) if len(touched) else None
            found = []
            for rest, (moved, weight), judged in zip(rests, mixed, whole, strict=True):
                pair = (
                    _pair(judged)
                    if repaired is None
                    else self._repaired(one, (touched, repaired), within, rest, moved, judged)
                )
                found.append((*pair, weight, one.dataset))
            yield fold, found

    def _judge(
        self, one: HeldOutDataset, nearest: NearestInputs, within: Embeddings, rest: Ints, moved: Ints
    ) -> ScoredFold:
        """Score the rest. nearest: outside the dataset. within: (n, n) distances inside it. rest, moved: indices in
        it.
        """
        # `within` is symmetric; rows are contiguous, so selecting rows before columns is faster.
        routing, to_moved = self._routing, within[moved][:, rest].T
        near = nearest.merge_with(one.rows[moved], to_moved, routing.kappa)
        g_bar = predict_correct(predict_outcomes(self._outcomes, near.rows[:, : routing.k]), routing.threshold)
        truth = self._correct[one.rows[rest]]
        known = ~(np.isnan(g_bar) | np.isnan(truth))
        return ScoredFold(
            ((g_bar == truth) & known).astype(np.float64), known.astype(np.float64), near.distances.mean(axis=1)
        )

    def _repaired(
        self,
        one: HeldOutDataset,
        touched: tuple[Ints, NearestInputs],
        within: Embeddings,
        rest: Ints,
        moved: Ints,
        judged: ScoredFold,
    ) -> tuple[float, Floats]:
        """Return the pair of a mix, with the affected inputs' neighbours replaced."""
        places, nearest = touched
        staying = np.isin(places, rest, assume_unique=True)
        inputs = places[staying]
        at = np.searchsorted(rest, inputs)
        new = self._judge(one, nearest.select_places(np.flatnonzero(staying)), within, inputs, moved)
        hits = judged.hits.sum(axis=0) - judged.hits[at].sum(axis=0) + new.hits.sum(axis=0)
        known = judged.known.sum(axis=0) - judged.known[at].sum(axis=0) + new.known.sum(axis=0)
        # Sums with the affected rows exchanged: no pass over the unaffected inputs.
        u = (judged.u.sum() - judged.u[at].sum() + new.u.sum()) / len(rest)
        return float(u), _share(hits, known)

    def nearest_without(self, one: HeldOutDataset, places: Ints, excluded: Sequence[int]) -> NearestInputs:
        """Return the nearest of some of a dataset's inputs, outside it and outside the excluded datasets."""
        away = np.array([*excluded, one.dataset])
        kappa = min(self._routing.kappa, int((~np.isin(self.ids, away)).sum()))
        rows, distances = one.near[places], one.near_distances[places]
        outside = ~np.isin(self.ids[rows], away)
        enough = outside.sum(axis=1) >= kappa
        # Stable: the neighbours outside come first, still in order of distance.
        order = np.argsort(~outside, axis=1, kind="stable")[:, :kappa]
        found = NearestInputs(np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1))
        # Too few of the MAX_NEIGHBOURS found lie outside: only these inputs are searched again.
        short = np.flatnonzero(~enough)
        if len(short):
            similarity = self.vectors[one.rows[places[short]]] @ self.vectors.T
            similarity[:, np.isin(self.ids, away)] = -np.inf
            found.rows[short], found.distances[short] = most_similar(similarity, kappa)
        return found


def _smallest(distances: Floats, count: int) -> Ints:
    """Return the indices of the smallest in every row, ascending, equal ones by index. (n, count)"""
    # Distance and index packed into one integer: sorting those is several times as fast as a stable argsort by
    # distance.
    bits = int(distances.shape[1] - 1).bit_length()
    keys = np.round(distances * 10**TIE_DECIMALS).astype(np.int64) << bits
    keys |= np.arange(distances.shape[1])
    keys.sort(axis=1)
    return np.asarray(keys[:, :count] & ((1 << bits) - 1))


def distances_between(vectors: Embeddings, rows: Ints, others: Ints) -> Embeddings:
    """Return the distances of some inputs from others, (n_rows, n_others), as float32: there may be many."""
    similarity = vectors[rows] @ vectors[others].T
    np.subtract(1.0, similarity, out=similarity)
    return np.asarray(np.maximum(similarity, 0.0, out=similarity))


def _pair(judged: ScoredFold) -> tuple[float, Floats]:
    return float(judged.u.mean()), _share(judged.hits.sum(axis=0), judged.known.sum(axis=0))


def _share(hits: Floats, known: Floats) -> Floats:
    return np.asarray(np.divide(hits, known, out=np.full(len(hits), np.nan), where=known > 0))


def _columns(calibration: Calibration, models: slice) -> Calibration:
    return replace(calibration, accuracies=calibration.accuracies[:, models])


def _calibration(pairs: list[tuple[float, Floats, float, int]], n_models: int) -> Calibration:
    return Calibration(
        distances=np.array([u for u, *_ in pairs], dtype=np.float64),
        accuracies=np.array([p for _, p, *_ in pairs]).reshape(len(pairs), n_models),
        weights=np.array([weight for *_, weight, _ in pairs], dtype=np.float64),
        dataset_ids=np.array([dataset for *_, dataset in pairs], dtype=np.int64),
    )
