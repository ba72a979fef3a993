"""Choosing a model input by input (the paper's MixInstruct): S1 over the 10 nearest of an index that thins out."""

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark
from routing.evaluation.results import Sparse
from routing.neighbours.exact import Exact
from routing.predictor import predict

PER_INPUT_K = 10
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)


def per_input(benchmark: Benchmark, vectors: Embeddings, seed: int) -> list[Sparse]:
    """Selection input by input, S1 with k = 10 (the paper's MixInstruct), on a random half of every dataset's inputs.

    The other half is the index, thinned to a share of itself.
    """
    generator = np.random.default_rng([seed, 2])
    is_index = np.zeros(benchmark.n_inputs, dtype=bool)
    for dataset in range(len(benchmark.datasets)):
        rows = np.flatnonzero(benchmark.dataset_ids == dataset)
        is_index[generator.permutation(rows)[: len(rows) // 2]] = True
    asked, index = np.flatnonzero(~is_index), generator.permutation(np.flatnonzero(is_index))
    found: list[Sparse] = []
    for share in SHARES:
        kept = np.sort(index[: max(PER_INPUT_K, int(share * len(index)))])
        found += _sparse(benchmark.outcomes, vectors, asked, kept, share)
    return found


def _sparse(outcomes: Floats, vectors: Embeddings, asked: Ints, kept: Ints, share: float) -> list[Sparse]:
    near, _ = Exact(vectors[kept]).nearest(vectors[asked], PER_INPUT_K)
    g = np.nan_to_num(predict(outcomes[kept], near), nan=-1.0)
    average = np.nanmean(outcomes[kept], axis=0)
    best = int(np.argmax(average))
    chosen = np.argmax(g + 1e-9 * average, axis=1)  # a tie goes to the better on average
    truth = outcomes[asked]
    metrics = {
        "S1": np.nanmean(truth[np.arange(len(asked)), chosen]),
        "BMA": np.nanmean(truth[:, best]),
        "oracle": np.nanmean(np.nanmax(truth, axis=1)),
    }
    return [Sparse(system, share, float(metric)) for system, metric in metrics.items()]
