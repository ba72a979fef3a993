"""Pairs (u, p) of every fold at once.

When dataset d is judged, none of it may be in the benchmark: neither in the index nor in the calibration. So the
pairs of every other dataset z must be computed anew without d, D * D * 15 * 10 of them, which takes an hour if done
directly. But removing d changes only the inputs of z that have one of d's among their nearest, and for those the
neighbours outside both are found once, for all folds in one pass: routing.evaluation.replaced_neighbours. A fold's
pairs are the unaffected sums with the affected inputs exchanged, so the work grows with the inputs and not with the
pairs of datasets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark
from routing.calibration import Calibration, CalibrationSettings, HeldOutDataset, RoutingSettings, draw_mixed_inputs
from routing.evaluation.replaced_neighbours import NeighboursWithout, ReplacedNeighbours
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
        found = rows[np.maximum(order - known, 0)]
        if known:
            found = np.where(order < known, np.take_along_axis(self.rows, np.minimum(order, known - 1), axis=1), found)
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

    def sum_inputs(self) -> "ScoredFold":
        """Return the sums over the inputs."""
        return ScoredFold(self.hits.sum(axis=0), self.known.sum(axis=0), self.u.sum())


@dataclass(frozen=True, slots=True)
class DatasetPairs:
    """Pairs of one dataset, in the whole benchmark and without each dataset that changes them.

    Attributes:
        dataset: index of the dataset.
        weights: (n_mixes,) draws that a pair represents.
        u: (n_mixes,) in the whole benchmark.
        p: (n_mixes, n_models) likewise.
        away: (n_away,) datasets without which the pairs differ, ascending.
        u_without: (n_away, n_mixes).
        p_without: (n_away, n_mixes, n_models).
    """

    dataset: int
    weights: Floats
    u: Floats
    p: Floats
    away: Ints
    u_without: Floats
    p_without: Floats

    def without_dataset(self, dataset: int) -> tuple[Floats, Floats]:
        """Return u and p of the benchmark without another dataset."""
        place = int(np.searchsorted(self.away, dataset))
        if place < len(self.away) and self.away[place] == dataset:
            return self.u_without[place], self.p_without[place]
        return self.u, self.p


class CalibrationFolds:
    """Calibrations of every fold of one benchmark."""

    def __init__(
        self,
        vectors: Embeddings,
        routed: Sequence[Benchmark],
        held_out: Sequence[HeldOutDataset],
        routing: RoutingSettings,
        settings: CalibrationSettings,
        without: NeighboursWithout | None = None,
    ) -> None:
        """vectors: (n_inputs, dim), unit length. held_out: every dataset, with at least kappa neighbours.

        routed: benchmarks of the same inputs, whose outcomes are concatenated as if of more models: finding
        neighbours costs much more than averaging outcomes. without: neighbours without each other dataset; None to
        find them here, by exact search.
        """
        self.vectors = vectors
        self.ids = routed[0].dataset_ids
        self.without = without or NeighboursWithout(vectors, self.ids, len(held_out), routing.kappa)
        # A copy only where there is something to join: of a large benchmark it is a gigabyte.
        self._outcomes = (
            routed[0].outcomes if len(routed) == 1 else np.concatenate([one.outcomes for one in routed], axis=1)
        )
        self._correct = {
            one.dataset: np.concatenate([some.correct_at(one.rows) for some in routed], axis=1) for one in held_out
        }
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
        pairs = []
        for done, one in enumerate(self._held_out, 1):
            pairs.append(self._of_dataset(one))
            progress(done, len(self._held_out))
        made = [_fold_calibration(pairs, one.dataset) for one in self._held_out]
        ends = np.cumsum(self._widths).tolist()
        return [
            [one.select_models(slice(end - width, end)) for one in made]
            for width, end in zip(self._widths, ends, strict=True)
        ]

    def _of_dataset(self, one: HeldOutDataset) -> DatasetPairs:
        """Return the pairs of one dataset, for every fold."""
        kappa = self._routing.kappa
        nearest = NearestInputs(one.near[:, :kappa], one.near_distances[:, :kappa])
        within = distances_between(self.vectors, one.rows, one.rows)
        generator = np.random.default_rng([self._settings.seed, one.dataset])
        mixed = list(draw_mixed_inputs(one, self._settings, generator))
        replaced = [_by_away(found) for found in self.without.of_dataset(one)]
        away = np.unique(np.concatenate([found.away for found in replaced])) if replaced else np.empty(0, dtype=int)
        u, p = np.empty(len(mixed)), np.empty((len(mixed), self._outcomes.shape[1]))
        u_without, p_without = np.empty((len(away), *u.shape)), np.empty((len(away), *p.shape))
        for mix, (moved, _) in enumerate(mixed):
            rest = np.delete(np.arange(len(one.rows)), moved)
            judged = self._judge(one, nearest.select_places(rest), within, rest, moved)
            sums = judged.sum_inputs()
            u[mix], p[mix] = sums.u / len(rest), _share(sums.hits, sums.known)
            # Sums with the affected rows exchanged: no pass over the unaffected inputs.
            changed = self._exchange(one, replaced, away, within, rest, moved, judged)
            u_without[:, mix] = (sums.u + changed.u) / len(rest)
            p_without[:, mix] = _share(sums.hits + changed.hits, sums.known + changed.known)
        weights = np.array([weight for _, weight in mixed])
        return DatasetPairs(one.dataset, weights, u, p, away, u_without, p_without)

    def _exchange(
        self,
        one: HeldOutDataset,
        replaced: Sequence[ReplacedNeighbours],
        away: Ints,
        within: Embeddings,
        rest: Ints,
        moved: Ints,
        judged: ScoredFold,
    ) -> ScoredFold:
        """Return the change of the sums without each dataset of `away`, one row each. judged: the rest."""
        n_models = self._outcomes.shape[1]
        change = ScoredFold(np.zeros((len(away), n_models)), np.zeros((len(away), n_models)), np.zeros(len(away)))
        at = np.full(len(one.rows), -1)
        at[rest] = np.arange(len(rest))
        for found in replaced:
            staying = np.flatnonzero(at[found.places] >= 0)
            if len(staying) == 0:
                continue
            places, which = found.places[staying], np.searchsorted(away, found.away[staying])
            nearest = NearestInputs(found.rows[staying], found.distances[staying])
            new, old = self._judge(one, nearest, within, places, moved), at[places]
            # Pairs are ordered by the dataset left out: each run of equal ones is summed at once.
            starts = np.flatnonzero(np.diff(which, prepend=-1))
            for total, after, before in (
                (change.hits, new.hits, judged.hits),
                (change.known, new.known, judged.known),
                (change.u, new.u, judged.u),
            ):
                total[which[starts]] += np.add.reduceat(after - before[old], starts, axis=0)
        return change

    def _judge(
        self, one: HeldOutDataset, nearest: NearestInputs, within: Embeddings, rest: Ints, moved: Ints
    ) -> ScoredFold:
        """Score the rest. nearest: outside the dataset. within: (n, n) distances inside it. rest, moved: indices in
        it.
        """
        # `within` is symmetric; rows are contiguous, so selecting rows before columns is faster.
        routing, to_moved = self._routing, within[moved][:, rest].T
        near = nearest.merge_with(one.rows[moved], to_moved, routing.kappa)
        if near.rows.shape[1] == 0:
            none = np.zeros((len(rest), self._outcomes.shape[1]))
            return ScoredFold(none, none, np.full(len(rest), np.nan))
        g_bar = predict_correct(predict_outcomes(self._outcomes, near.rows[:, : routing.k]), routing.threshold)
        truth = self._correct[one.dataset][rest]
        known = ~(np.isnan(g_bar) | np.isnan(truth))
        return ScoredFold(
            ((g_bar == truth) & known).astype(np.float64), known.astype(np.float64), near.distances.mean(axis=1)
        )

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


def _share(hits: Floats, known: Floats) -> Floats:
    return np.asarray(np.divide(hits, known, out=np.full(known.shape, np.nan), where=known > 0))


def _by_away(found: ReplacedNeighbours) -> ReplacedNeighbours:
    order = np.argsort(found.away, kind="stable")
    return ReplacedNeighbours(found.places[order], found.away[order], found.rows[order], found.distances[order])


def _fold_calibration(pairs: Sequence[DatasetPairs], fold: int) -> Calibration:
    """Return the pairs of all datasets but one, without it; those of a dataset with nothing near are left out."""
    others = [one for one in pairs if one.dataset != fold]
    found = [one.without_dataset(fold) for one in others]
    u, p = np.concatenate([u for u, _ in found]), np.concatenate([p for _, p in found])
    ids = np.concatenate([np.full(len(one.u), one.dataset) for one in others])
    known = ~np.isnan(u)
    return Calibration(u[known], p[known], np.concatenate([one.weights for one in others])[known], ids[known])
