"""Distance of a task to the benchmark, and reliability of the predictors at that distance.

| paper                | here                         | shape              |
|----------------------|------------------------------|--------------------|
| u(d), eq. 8, 9       | distances                    | (n_pairs,)         |
| p_z(m)               | accuracies                   | (n_pairs, n_models)|
| alpha                | CalibrationSettings.alphas   | (n_alphas,)        |
| K(u, u_z), sigma     | Calibration.reliability_at() |                    |
| p(d', m), eq. 10     | Calibration.reliability_at() | (n_models,)        |

Each dataset is held out in turn, some of its inputs are mixed back in, and the rest is predicted. The neighbours
outside a dataset are found once; a repeat merges only the few inputs that it moves.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark
from routing.neighbours.exact import BLOCK_CELLS, most_similar
from routing.neighbours.grouped import GroupedLists
from routing.parallel import run_blocks
from routing.predictor import THRESHOLD, predict_correct, predict_outcomes, prediction_accuracy

CalibrationProgress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """Parameters of the paper (section 4, appendix B).

    Attributes:
        k: neighbours of a prediction (eq. 7).
        kappa: neighbours of the distance u (eq. 9).
        threshold: t of g_bar (eq. 2).
        sigma: width of the kernel smoother (eq. 10).
        eta: probability above which a better model is chosen (eq. 6).
    """

    k: int = 5
    kappa: int = 19
    threshold: float = THRESHOLD
    sigma: float = 0.09
    eta: float = 0.6


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """Sampling of the pairs (u, p).

    Attributes:
        alphas: mixing shares.
        repeats: draws per mixing share. alpha = 0 moves nothing, so one draw is computed and weighted `repeats`
            times.
        cap: maximum number of inputs moved.
        seed: random seed.
    """

    alphas: tuple[float, ...] = tuple(float(alpha) for alpha in np.linspace(0, 0.35, 15))
    repeats: int = 10
    cap: int = 50
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Pairs of a held-out dataset's distance and the predictors' accuracy on it.

    Attributes:
        distances: (n_pairs,) u in [0, 2].
        accuracies: (n_pairs, n_models) in [0, 1], NaN where unknown.
        weights: (n_pairs,) number of draws that a pair represents.
        dataset_ids: (n_pairs,) the dataset held out.
    """

    distances: Floats
    accuracies: Floats
    weights: Floats
    dataset_ids: Ints
    _known: Floats | None = field(init=False, repr=False, compare=False, default=None)
    _filled: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look for gaps: `_known` is 1 where an accuracy is known and None if all are; `_filled` is 0 in the gaps."""
        gaps = np.isnan(self.accuracies)
        has_gaps = bool(gaps.any())
        object.__setattr__(self, "_known", (~gaps).astype(np.float64) if has_gaps else None)
        object.__setattr__(self, "_filled", np.where(gaps, 0.0, self.accuracies) if has_gaps else self.accuracies)

    def reliability_at(self, distance: float, sigma: float) -> Floats:
        """Return p(d', m): Gaussian kernel smoother over the pairs at the task's distance (eq. 10).

        distance: u(d') in [0, 2]. Returns (n_models,) in [0, 1]; 0.5, no information, for a model without pairs.
        """
        exponents = -((distance - self.distances) ** 2) / (2 * sigma**2)
        # Shifted by the largest exponent, which cancels in the quotient: without it the kernel of a task far from
        # every pair underflows, and p would be 0 / 0 instead of the nearest pair's accuracy.
        kernel = self.weights * np.exp(exponents - exponents.max(initial=-np.inf))
        # Thousands of pairs, at every input of a live task: gaps are looked for once.
        if self._known is None:
            summed = kernel @ self.accuracies
            total = np.full(len(summed), kernel.sum())
        else:
            total, summed = kernel @ self._known, kernel @ self._filled
        smoothed = np.divide(summed, total, out=np.full(len(total), 0.5), where=total > 0)
        return np.asarray(np.clip(smoothed, 0.0, 1.0))

    def select_models(self, columns: Sequence[int] | slice) -> "Calibration":
        """Return the pairs of some models, in this order. Without any pair there is nothing to select from."""
        has_pairs = len(self.distances) > 0
        accuracies = np.ascontiguousarray(self.accuracies[:, columns]) if has_pairs else self.accuracies
        return Calibration(self.distances, accuracies, self.weights, self.dataset_ids)

    def without_dataset(self, dataset: int) -> "Calibration":
        """Return the pairs of all other datasets."""
        others = self.dataset_ids != dataset
        return Calibration(
            self.distances[others], self.accuracies[others], self.weights[others], self.dataset_ids[others]
        )


@dataclass(frozen=True, slots=True)
class HeldOutDataset:
    """A dataset's inputs, all or a sample (routing.input_sample), with their nearest benchmark inputs outside it.

    Attributes:
        dataset: index of the dataset.
        rows: (n_inputs,) rows of the benchmark.
        near: (n_inputs, kappa) rows, nearest first.
        near_distances: (n_inputs, kappa) their cosine distances.
        size: number of all inputs of the dataset.
    """

    dataset: int
    rows: Ints
    near: Ints
    near_distances: Floats
    size: int

    def limit_neighbours(self, count: int) -> "HeldOutDataset":
        """Return the dataset with only the nearest `count` neighbours of each input."""
        return replace(self, near=self.near[:, :count], near_distances=self.near_distances[:, :count])


def hold_out_datasets(
    vectors: Embeddings,
    dataset_ids: Ints,
    n_datasets: int,
    kappa: int,
    queries: Embeddings | None = None,
    lists: GroupedLists | None = None,
    sample: Sequence[Ints] | None = None,
    threads: int = 1,
) -> Iterator[HeldOutDataset]:
    """Yield every dataset with its inputs' neighbours in all others (D_-d in eq. 8).

    vectors: (n_benchmark, dim), unit length. dataset_ids: (n_benchmark,). queries: the same inputs embedded by
    another embedder of the same space, as tasks would be; the vectors themselves by default. lists: of the vectors, to
    search in them as tasks do; None to search exactly, in a time that grows as n^2. sample: (n_datasets,) rows of every
    dataset to search for; None for all. threads: of an exact search (routing.parallel).
    """
    queries = vectors if queries is None else queries
    for dataset in range(n_datasets):
        own = np.flatnonzero(dataset_ids == dataset)
        rows = own if sample is None else sample[dataset]
        count = min(kappa, len(vectors) - len(own))
        if lists is not None and count:
            found = lists.find_outside(queries[rows], count, np.full((len(rows), 1), dataset))
            yield HeldOutDataset(dataset, rows, *found, len(own))
            continue
        near = np.empty((len(rows), count), dtype=np.int64)
        distances = np.empty((len(rows), count))
        if count:
            _search_exactly(vectors, queries, (rows, own), (near, distances), threads)
        yield HeldOutDataset(dataset, rows, near, distances, len(own))


def _search_exactly(
    vectors: Embeddings, queries: Embeddings, held_out: tuple[Ints, Ints], found: tuple[Ints, Floats], threads: int
) -> None:
    """Fill in the nearest of some inputs. held_out: rows of the inputs, and of all of their dataset."""
    (rows, own), (near, distances) = held_out, found

    def search(some: slice) -> None:
        similarity = queries[rows[some]] @ vectors.T
        # The dataset's own inputs are not in D_-d: -inf keeps them out of the nearest.
        similarity[:, own] = -np.inf
        near[some], distances[some] = most_similar(similarity, near.shape[1])

    # Blocks bound the memory of the similarity matrix to 64 MB however large the dataset is.
    run_blocks(search, len(rows), max(1, BLOCK_CELLS // len(vectors)), threads)


def calibrate_reliability(
    vectors: Embeddings,
    benchmark: Benchmark,
    held_out: Sequence[HeldOutDataset],
    routing: RoutingSettings,
    settings: CalibrationSettings,
    progress: CalibrationProgress = lambda done, total: None,
) -> Calibration:
    """Compute the pairs of every dataset, alpha and repeat (appendix B, "Kernel smoother").

    vectors: (n_inputs, dim), unit length, rows as in the benchmark. held_out: the result of `hold_out_datasets`. A
    single dataset has nothing to be held out from: alpha = 0 then gives no pair.
    """
    generator = np.random.default_rng(settings.seed)
    pairs: list[tuple[float, Floats, float, int]] = []
    for done, one in enumerate(held_out, 1):
        correct = benchmark.correct_at(one.rows)
        for moved, weight in draw_mixed_inputs(one, settings, generator):
            pair = _pair(one, moved, vectors, benchmark.outcomes, correct, routing)
            if pair is not None:
                pairs.append((*pair, weight, one.dataset))
        progress(done, len(held_out))
    return Calibration(
        distances=np.array([u for u, *_ in pairs], dtype=np.float64),
        accuracies=np.array([p for _, p, *_ in pairs]).reshape(len(pairs), len(benchmark.models)),
        weights=np.array([weight for *_, weight, _ in pairs], dtype=np.float64),
        dataset_ids=np.array([dataset for *_, dataset in pairs], dtype=np.int64),
    )


def draw_mixed_inputs(
    held_out: HeldOutDataset, settings: CalibrationSettings, generator: np.random.Generator
) -> Iterator[tuple[Ints, float]]:
    """Yield the inputs to move into the benchmark, by index in `rows`, and the weight of the resulting pair.

    Of a sample as many as of the whole dataset, but at most half: the others are predicted.
    """
    n = len(held_out.rows)
    room = n if n == held_out.size else n // 2
    for alpha in settings.alphas:
        count = min(int(alpha * held_out.size), settings.cap, room)
        if count == 0:
            # Nothing to draw: every repeat would give the same pair, so one is computed and weighted (Z = D * 15 *
            # 10).
            yield np.empty(0, dtype=np.int64), float(settings.repeats)
            continue
        for _ in range(settings.repeats):
            yield np.sort(generator.choice(n, size=count, replace=False)), 1.0


def _pair(
    held_out: HeldOutDataset,
    moved: Ints,
    vectors: Embeddings,
    outcomes: Floats,
    correct: Floats,
    routing: RoutingSettings,
) -> tuple[float, Floats] | None:
    """Return (u, p) of a dataset's remaining inputs when `moved` are in the benchmark; None if nothing is near."""
    rest = np.delete(np.arange(len(held_out.rows)), moved)
    near, distances = held_out.near[rest], held_out.near_distances[rest]
    if len(moved):
        near, distances = _merged(held_out, rest, moved, vectors, near, distances, routing)
    if near.shape[1] == 0:
        return None
    # The k nearest predict, the kappa nearest measure distance: one search serves both (eq. 7, 9).
    g_bar = predict_correct(predict_outcomes(outcomes, near[:, : routing.k]), routing.threshold)
    return float(distances[:, : routing.kappa].mean()), prediction_accuracy(g_bar, correct[rest])


def _merged(
    held_out: HeldOutDataset,
    rest: Ints,
    moved: Ints,
    vectors: Embeddings,
    near: Ints,
    distances: Floats,
    routing: RoutingSettings,
) -> tuple[Ints, Floats]:
    """Return the nearest of the remaining inputs among the benchmark and the moved inputs."""
    rows = held_out.rows
    to_moved = np.maximum(1.0 - vectors[rows[rest]] @ vectors[rows[moved]].T, 0.0)
    all_distances = np.concatenate([distances, to_moved], axis=1)
    all_rows = np.concatenate([near, np.broadcast_to(rows[moved], to_moved.shape)], axis=1)
    # Stable: of equal distances the benchmark's own input comes first, whatever was moved.
    order = np.argsort(all_distances, axis=1, kind="stable")[:, : routing.kappa]
    return np.take_along_axis(all_rows, order, axis=1), np.take_along_axis(all_distances, order, axis=1)
