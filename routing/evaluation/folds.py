"""The pairs (u, p) of every fold at once.

When dataset d is judged, nothing of it may be in the benchmark: neither in the index nor in the calibration. So the
pairs of every other dataset z must be gathered anew without d, D * D * 15 * 10 of them, which done plainly takes an
hour. But taking d away changes only the inputs of z that have one of d's among their nearest, and for those the
neighbours outside both are found once: a fold repairs the rows it touches, and keeps all others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark
from routing.calibration import Calibration, CalibrationSettings, HeldOut, RoutingSettings, mixes
from routing.neighbours.exact import most_similar
from routing.predictor import predict, predict_correct

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Nearest:
    """Some inputs' nearest benchmark inputs. rows, distances: (n_inputs, kappa), nearest first."""

    rows: Ints
    distances: Floats

    def of(self, places: Ints) -> "Nearest":
        """Those of some of the inputs."""
        return Nearest(self.rows[places], self.distances[places])

    def merged(self, rows: Ints, distances: Floats, kappa: int) -> "Nearest":
        """The kappa nearest among these and others. rows: (n,) of the others; distances: (n_inputs, n)."""
        if len(rows) == 0:
            return self
        all_distances = np.concatenate([self.distances, distances], axis=1)
        all_rows = np.concatenate([self.rows, np.broadcast_to(rows, distances.shape)], axis=1)
        order = np.argsort(all_distances, axis=1, kind="stable")[:, :kappa]
        return Nearest(np.take_along_axis(all_rows, order, axis=1), np.take_along_axis(all_distances, order, axis=1))


@dataclass(frozen=True, slots=True)
class Judged:
    """What g_bar made of some inputs, each for itself. hits, known: (n_inputs, n_models); u: (n_inputs,)."""

    hits: Floats
    known: Floats
    u: Floats


class Folds:
    """Gathers pairs for one benchmark."""

    def __init__(
        self,
        vectors: Embeddings,
        benchmark: Benchmark,
        held_out: Sequence[HeldOut],
        routing: RoutingSettings,
        settings: CalibrationSettings,
    ) -> None:
        """vectors: (n_inputs, dim), unit length. held_out: every dataset, with kappa neighbours or more."""
        self._vectors = vectors
        self._ids = benchmark.dataset_ids
        self._outcomes = benchmark.outcomes
        self._correct = benchmark.correct()
        self._held_out = held_out
        self._routing = routing
        self._settings = settings

    def calibrations(self, progress: Progress = lambda done, total: None) -> list[Calibration]:
        """The calibration of every fold: from all datasets but that fold's own, without it in the benchmark."""
        n = len(self._held_out)
        pairs: list[list[tuple[float, Floats, float, int]]] = [[] for _ in range(n)]
        for done, one in enumerate(self._held_out, 1):
            for fold, found in self._of_dataset(one):
                pairs[fold] += found
            progress(done, n)
        return [_calibration(found, self._outcomes.shape[1]) for found in pairs]

    def _of_dataset(self, one: HeldOut) -> Iterator[tuple[int, list[tuple[float, Floats, float, int]]]]:
        """The pairs of one dataset, for every fold but its own."""
        kappa = self._routing.kappa
        nearest, own = Nearest(one.near[:, :kappa], one.near_distances[:, :kappa]), within(self._vectors, one.rows)
        generator = np.random.default_rng([self._settings.seed, one.dataset])
        mixed = list(mixes(len(one.rows), self._settings, generator))
        rests = [np.delete(np.arange(len(one.rows)), moved) for moved, _ in mixed]
        whole = [self._judged(one, nearest, own, rest, moved) for rest, (moved, _) in zip(rests, mixed, strict=True)]
        for fold in range(len(self._held_out)):
            if fold == one.dataset:
                continue
            touched = np.flatnonzero((self._ids[nearest.rows] == fold).any(axis=1))
            repaired = self._without(one, touched, fold) if len(touched) else None
            found = []
            for rest, (moved, weight), judged in zip(rests, mixed, whole, strict=True):
                pair = (
                    _pair(judged)
                    if repaired is None
                    else self._repaired(one, (touched, repaired), own, rest, moved, judged)
                )
                found.append((*pair, weight, one.dataset))
            yield fold, found

    def _judged(self, one: HeldOut, nearest: Nearest, own: Floats, rest: Ints, moved: Ints) -> Judged:
        return self._judge(one, nearest.of(rest), own[np.ix_(rest, moved)], rest, moved)

    def _judge(self, one: HeldOut, nearest: Nearest, to_moved: Floats, rest: Ints, moved: Ints) -> Judged:
        routing = self._routing
        near = nearest.merged(one.rows[moved], to_moved, routing.kappa)
        g_bar = predict_correct(predict(self._outcomes, near.rows[:, : routing.k]), routing.threshold)
        truth = self._correct[one.rows[rest]]
        known = ~(np.isnan(g_bar) | np.isnan(truth))
        return Judged(
            ((g_bar == truth) & known).astype(np.float64), known.astype(np.float64), near.distances.mean(axis=1)
        )

    def _repaired(
        self,
        one: HeldOut,
        touched: tuple[Ints, Nearest],
        own: Floats,
        rest: Ints,
        moved: Ints,
        judged: Judged,
    ) -> tuple[float, Floats]:
        """The pair of a mix, with the touched inputs' neighbours replaced."""
        places, nearest = touched
        staying = np.isin(places, rest, assume_unique=True)
        inputs = places[staying]
        at = np.searchsorted(rest, inputs)
        new = self._judge(one, nearest.of(np.flatnonzero(staying)), own[np.ix_(inputs, moved)], inputs, moved)
        hits = judged.hits.sum(axis=0) - judged.hits[at].sum(axis=0) + new.hits.sum(axis=0)
        known = judged.known.sum(axis=0) - judged.known[at].sum(axis=0) + new.known.sum(axis=0)
        u = (judged.u.sum() - judged.u[at].sum() + new.u.sum()) / len(rest)
        return float(u), _share(hits, known)

    def _without(self, one: HeldOut, places: Ints, fold: int) -> Nearest:
        """The nearest of some of a dataset's inputs outside it and outside the fold."""
        kappa = min(self._routing.kappa, int((~np.isin(self._ids, (fold, one.dataset))).sum()))
        rows, distances = one.near[places], one.near_distances[places]
        outside = self._ids[rows] != fold
        enough = outside.sum(axis=1) >= kappa
        order = np.argsort(~outside, axis=1, kind="stable")[:, :kappa]
        found = Nearest(np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1))
        short = np.flatnonzero(~enough)
        if len(short):
            similarity = self._vectors[one.rows[places[short]]] @ self._vectors.T
            similarity[:, (self._ids == fold) | (self._ids == one.dataset)] = -np.inf
            found.rows[short], found.distances[short] = most_similar(similarity, kappa)
        return found


def within(vectors: Embeddings, rows: Ints) -> Floats:
    """The distances of some inputs from each other, (n_rows, n_rows)."""
    return np.asarray(np.maximum(1.0 - vectors[rows] @ vectors[rows].T, 0.0), dtype=np.float64)


def _pair(judged: Judged) -> tuple[float, Floats]:
    return float(judged.u.mean()), _share(judged.hits.sum(axis=0), judged.known.sum(axis=0))


def _share(hits: Floats, known: Floats) -> Floats:
    return np.asarray(np.divide(hits, known, out=np.full(len(hits), np.nan), where=known > 0))


def _calibration(pairs: list[tuple[float, Floats, float, int]], n_models: int) -> Calibration:
    return Calibration(
        distances=np.array([u for u, *_ in pairs], dtype=np.float64),
        accuracies=np.array([p for _, p, *_ in pairs]).reshape(len(pairs), n_models),
        weights=np.array([weight for *_, weight, _ in pairs], dtype=np.float64),
        dataset_ids=np.array([dataset for *_, dataset in pairs], dtype=np.int64),
    )
