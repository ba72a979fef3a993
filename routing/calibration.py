"""How far a task lies from the benchmark, and how reliable the predictors are at that distance.

| paper                | here                       | shape              |
|----------------------|----------------------------|--------------------|
| u(d), eq. 8, 9       | distances                  | (n_pairs,)         |
| p_z(m)               | accuracies                 | (n_pairs, n_models)|
| alpha                | CalibrationSettings.alphas | (n_alphas,)        |
| K(u, u_z), sigma     | Calibration.reliability()  |                    |
| p(d', m), eq. 10     | Calibration.reliability()  | (n_models,)        |

Each dataset is held out in turn, some of its inputs are mixed back in, and what is left is predicted. The neighbours
outside a dataset are found once; a repeat merges only the few inputs that it moves.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark
from routing.neighbours.exact import BLOCK_CELLS, most_similar
from routing.predictor import THRESHOLD, predict_correct, predict_outcomes, prediction_accuracy

CalibrationProgress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """The paper's parameters (section 4, appendix B)."""

    k: int = 5
    kappa: int = 19
    threshold: float = THRESHOLD
    sigma: float = 0.09
    eta: float = 0.6


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """How the pairs (u, p) are gathered: mixing shares alpha, repeats of each, at most `cap` inputs moved.

    alpha = 0 moves nothing, so one repeat is computed and counted `repeats` times.
    """

    alphas: tuple[float, ...] = tuple(float(alpha) for alpha in np.linspace(0, 0.35, 15))
    repeats: int = 10
    cap: int = 50
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Pairs of a held-out dataset's distance and the predictors' accuracy on it.

    distances: (n_pairs,) u in [0, 2]. accuracies: (n_pairs, n_models) in [0, 1], NaN where unknown.
    weights: (n_pairs,) how many repeats a pair stands for. dataset_ids: (n_pairs,) which dataset was held out.
    """

    distances: Floats
    accuracies: Floats
    weights: Floats
    dataset_ids: Ints

    def reliability_at(self, distance: float, sigma: float) -> Floats:
        """p(d', m): Gaussian kernel smoother over the pairs at the task's distance (eq. 10).

        distance: u(d') in [0, 2]. Returns (n_models,) in [0, 1]; 0.5, "no idea", for a model without pairs.
        """
        exponents = -((distance - self.distances) ** 2) / (2 * sigma**2)
        # Shifted by the largest exponent, which cancels in the quotient: a task far from every pair gets the
        # nearest pair's accuracy instead of 0 / 0.
        kernel = self.weights * np.exp(exponents - exponents.max(initial=-np.inf))
        known = ~np.isnan(self.accuracies)
        total = kernel @ known
        summed = kernel @ np.where(known, self.accuracies, 0.0)
        smoothed = np.divide(summed, total, out=np.full(len(total), 0.5), where=total > 0)
        return np.asarray(np.clip(smoothed, 0.0, 1.0))

    def without_dataset(self, dataset: int) -> "Calibration":
        """The pairs of all other datasets."""
        kept = self.dataset_ids != dataset
        return Calibration(self.distances[kept], self.accuracies[kept], self.weights[kept], self.dataset_ids[kept])


@dataclass(frozen=True, slots=True)
class HeldOutDataset:
    """A dataset's inputs with their nearest benchmark inputs outside it.

    rows: (n_inputs,) of the benchmark. near: (n_inputs, kappa) rows, nearest first; near_distances likewise.
    """

    dataset: int
    rows: Ints
    near: Ints
    near_distances: Floats


def hold_out_datasets(
    vectors: Embeddings, dataset_ids: Ints, n_datasets: int, kappa: int, queries: Embeddings | None = None
) -> Iterator[HeldOutDataset]:
    """Every dataset with its inputs' exact neighbours in all others (D_-d in eq. 8).

    vectors: (n_benchmark, dim), unit length. dataset_ids: (n_benchmark,). queries: the same inputs as another embedder
    of the same space has them, which is how tasks would come; the vectors themselves by default.
    """
    queries = vectors if queries is None else queries
    for dataset in range(n_datasets):
        rows = np.flatnonzero(dataset_ids == dataset)
        count = min(kappa, len(vectors) - len(rows))
        near = np.empty((len(rows), count), dtype=np.int64)
        distances = np.empty((len(rows), count))
        block = max(1, BLOCK_CELLS // len(vectors))
        for start in range(0, len(rows) if count else 0, block):
            some = slice(start, start + block)
            similarity = queries[rows[some]] @ vectors.T
            similarity[:, rows] = -np.inf
            near[some], distances[some] = most_similar(similarity, count)
        yield HeldOutDataset(dataset, rows, near, distances)


def calibrate_reliability(
    vectors: Embeddings,
    benchmark: Benchmark,
    held_out: Sequence[HeldOutDataset],
    routing: RoutingSettings,
    settings: CalibrationSettings,
    progress: CalibrationProgress = lambda done, total: None,
) -> Calibration:
    """Gathers the pairs of every dataset, alpha and repeat (appendix B, "Kernel smoother").

    vectors: (n_inputs, dim), unit length, rows as in the benchmark. held_out: what hold_out gives. One dataset alone
    has nothing to be held out from: alpha = 0 then gives no pair.
    """
    correct = benchmark.correct_outcomes()
    generator = np.random.default_rng(settings.seed)
    pairs: list[tuple[float, Floats, float, int]] = []
    for done, one in enumerate(held_out, 1):
        for moved, weight in draw_mixed_inputs(len(one.rows), settings, generator):
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
    n: int, settings: CalibrationSettings, generator: np.random.Generator
) -> Iterator[tuple[Ints, float]]:
    """The inputs to move into the benchmark, by place in the dataset, and the weight of what comes of it."""
    for alpha in settings.alphas:
        count = min(int(alpha * n), settings.cap)
        if count == 0:
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
    """(u, p) of what is left of a dataset when `moved` of it lies in the benchmark; None if there is nothing near."""
    rest = np.delete(np.arange(len(held_out.rows)), moved)
    near, distances = held_out.near[rest], held_out.near_distances[rest]
    if len(moved):
        near, distances = _merged(held_out, rest, moved, vectors, near, distances, routing)
    if near.shape[1] == 0:
        return None
    g_bar = predict_correct(predict_outcomes(outcomes, near[:, : routing.k]), routing.threshold)
    return float(distances[:, : routing.kappa].mean()), prediction_accuracy(g_bar, correct[held_out.rows[rest]])


def _merged(
    held_out: HeldOutDataset,
    rest: Ints,
    moved: Ints,
    vectors: Embeddings,
    near: Ints,
    distances: Floats,
    routing: RoutingSettings,
) -> tuple[Ints, Floats]:
    """The nearest of what is left among the benchmark and the moved inputs."""
    rows = held_out.rows
    to_moved = np.maximum(1.0 - vectors[rows[rest]] @ vectors[rows[moved]].T, 0.0)
    all_distances = np.concatenate([distances, to_moved], axis=1)
    all_rows = np.concatenate([near, np.broadcast_to(rows[moved], to_moved.shape)], axis=1)
    order = np.argsort(all_distances, axis=1, kind="stable")[:, : routing.kappa]
    return np.take_along_axis(all_rows, order, axis=1), np.take_along_axis(all_distances, order, axis=1)
