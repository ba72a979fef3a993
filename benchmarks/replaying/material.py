"""A benchmark split in two: the rest, which a pack is built from, and held-out datasets, which become new tasks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routing.arrays import Embeddings, Floats
from routing.benchmark import Benchmark, Model
from routing.errors import BenchmarkError
from routing.tidy import GivenEmbeddings, read_benchmark, read_embeddings

SEED = 2309
EVERY_MODEL = "all"


@dataclass(frozen=True, slots=True)
class Task:
    """A held-out dataset as a client's task, its inputs in the order of sending.

    Attributes:
        name: the dataset's.
        ids: (n_inputs,), to distinguish inputs with equal text.
        texts: (n_inputs,).
        vectors: (n_inputs, dim), the embeddings that came with the benchmark.
        outcomes: (n_inputs, n_models) in [0, 1] or NaN; for the backend and the grading, never for the router.
    """

    name: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Embeddings
    outcomes: Floats


@dataclass(frozen=True, slots=True)
class Material:
    """What a replay works with. whole, given: all datasets, for checking the embeddings.

    rest, rest_vectors: what the pack is built from. tasks: the held-out datasets.
    """

    whole: Benchmark
    given: GivenEmbeddings
    rest: Benchmark
    rest_vectors: Embeddings
    tasks: tuple[Task, ...]

    @property
    def models(self) -> tuple[Model, ...]:
        """The models, in the order of the outcome columns."""
        return self.whole.models


def read_material(folder: Path, pool: str, holdout: Sequence[str], limit: int | None = None) -> Material:
    """Reads a benchmark and takes the held-out datasets out of it all together.

    pool: a name in the folder's pools.json, or `all`. limit: at most so many inputs of each held-out dataset.
    Raises BenchmarkError for an unknown pool or dataset, or without embeddings.
    """
    whole = read_benchmark(folder)
    if pool != EVERY_MODEL:
        whole = whole.select_models(_pool(folder, pool))
    given = read_embeddings(folder, whole.n_inputs)
    if given is None:
        raise BenchmarkError(str(folder), ["it has no embeddings.f16.npy"])
    rest, rows = whole.without_datasets(holdout)
    tasks = tuple(_task(whole, given.vectors, dataset, limit) for dataset in holdout)
    return Material(whole, given, rest, given.vectors[rows], tasks)


def _pool(folder: Path, pool: str) -> Sequence[str]:
    path = folder / "pools.json"
    pools = json.loads(path.read_text()) if path.exists() else {}
    if pool not in pools:
        raise BenchmarkError(str(folder), [f"no pool {pool!r}; it has {', '.join([EVERY_MODEL, *pools])}"])
    return [str(name) for name in pools[pool]]


def _task(whole: Benchmark, vectors: Embeddings, dataset: str, limit: int | None) -> Task:
    """Return a dataset as a task, its inputs shuffled by a fixed seed."""
    generator = np.random.default_rng([SEED, whole.dataset_index(dataset)])
    rows = generator.permutation(whole.dataset_rows(dataset))[:limit]
    return Task(
        name=dataset,
        ids=tuple(f"row-{row}" for row in rows),
        texts=tuple(whole.texts[row] for row in rows),
        vectors=vectors[rows],
        outcomes=whole.outcomes[rows],
    )
