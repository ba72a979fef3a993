"""The regime `new`: every dataset held out in turn from all that is learnt, and its inputs as a task.

Computed once and shared by all folds: each input's nearest outside its own dataset. What a fold changes (neighbours,
pairs (u, p), averages, fit) is computed for the inputs that it affects, and is the same as if a pack had been built
without the dataset. The one approximation: MAX_REPEATS draws per mixing share of the calibration.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Embeddings, Floats
from routing.auto.training_data import NoiseModel, TrainingData
from routing.benchmark import Benchmark
from routing.calibration import Calibration, HeldOutDataset, RoutingSettings
from routing.evaluation.auto_folds import mean_near_outcomes
from routing.evaluation.regimes.grading import TaskTruth
from routing.evaluation.regimes.judge import JudgedTask, Task, judge_control, judge_task
from routing.evaluation.regimes.reference import NO_PAIRS, MeasuredBenchmark, Reference, find_evidence
from routing.evaluation.replaced_neighbours import NeighboursWithout
from routing.neighbours.grouped import GroupedLists

MIN_INPUTS = 10
"""Inputs below which a dataset's outcomes say too little to grade a choice by; it stays in the benchmark."""

MAX_CONTROLS = 48
"""Datasets held out for the control, evenly spaced over all: enough to see a gain from nothing."""

NEW = 1
"""Of the seeds."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class WholeBenchmark:
    """A benchmark with what is learnt from all of it.

    Attributes:
        vectors: (n_inputs, dim) of the benchmark.
        queries: (n_inputs, dim) of the same inputs as tasks embed them; usually the vectors.
        held_out: every dataset, with the nearest of its queries outside it.
        calibrations: of every fold, from all datasets but its own.
        data: training data of auto.
        without: neighbours of the queries without each other dataset.
        lists: of the vectors, where the benchmark is so large that it is sampled; None where exact searches are fast
            enough.
        seed: of the draws.
    """

    benchmark: Benchmark
    vectors: Embeddings
    queries: Embeddings
    held_out: Sequence[HeldOutDataset]
    calibrations: Sequence[Calibration]
    data: TrainingData
    routing: RoutingSettings
    without: NeighboursWithout
    lists: GroupedLists | None = None
    seed: int = 0


def judge_new_tasks(
    whole: WholeBenchmark, sizes: Sequence[int | None], progress: Progress = lambda done, total: None
) -> Iterator[dict[int | None, JudgedTask]]:
    """Yield every gradable dataset as a new task."""
    for done, (one, reference) in enumerate(_folds(whole, whole.calibrations, range(len(whole.held_out))), 1):
        task = _task(whole, one, reference)
        if task.truth.is_gradable:
            yield judge_task(reference, task, sizes)
        progress(done, len(whole.held_out))


def judge_permuted_tasks(
    whole: WholeBenchmark, permuted: Benchmark, progress: Progress = lambda done, total: None
) -> Iterator[JudgedTask]:
    """Yield the control: auto on datasets that have each other's outcomes, so that nearness has no value."""
    n = len(permuted.datasets)
    noise = NoiseModel.from_outcomes(permuted.outcomes, permuted.dataset_ids, n)
    within, sampling = noise.noise_of_means(np.arange(n))
    data = replace(whole.data, averages=permuted.dataset_averages(), within=within, sampling=sampling)
    chosen = np.unique(np.linspace(0, n - 1, min(n, MAX_CONTROLS)).astype(int)).tolist()
    control = replace(whole, benchmark=permuted, data=data)
    for done, (one, reference) in enumerate(_folds(control, [NO_PAIRS] * n, chosen), 1):
        task = _task(control, one, reference)
        if task.truth.is_gradable:
            yield judge_control(reference, task)
        progress(done, len(chosen))


def _folds(
    whole: WholeBenchmark, calibrations: Sequence[Calibration], chosen: Sequence[int]
) -> Iterator[tuple[HeldOutDataset, Reference]]:
    """Yield those of the chosen datasets that are large enough, with what is learnt without each."""
    benchmark = whole.benchmark
    n = len(benchmark.datasets)
    noise = NoiseModel.from_outcomes(benchmark.outcomes, benchmark.dataset_ids, n)
    near, measured = _near_without_each(whole), MeasuredBenchmark.of(benchmark)
    for one in (whole.held_out[dataset] for dataset in chosen):
        # A benchmark of one dataset has no neighbours outside it: nothing to route with.
        if len(one.rows) < MIN_INPUTS or not one.near.shape[1]:
            continue
        rest = whole.data.without_dataset(one.dataset, near[:, one.dataset], noise)
        without = measured.without_dataset(one.dataset)
        yield one, Reference.from_training_data(without, rest, calibrations[one.dataset], whole.routing)


def _near_without_each(whole: WholeBenchmark) -> Floats:
    """Return the mean outcome of each dataset's nearest without each other one, (n_datasets, n_datasets, n_models)."""
    n, kappa = len(whole.benchmark.datasets), whole.routing.kappa
    return np.array(
        [mean_near_outcomes(whole.benchmark.outcomes, one, n, kappa, whole.without) for one in whole.held_out]
    )


def _task(whole: WholeBenchmark, one: HeldOutDataset, reference: Reference) -> Task:
    benchmark = whole.benchmark
    name = benchmark.datasets[one.dataset].name
    return Task(
        name=name,
        datasets=(name,),
        cluster=one.dataset,
        evidence=find_evidence(
            benchmark.outcomes, (one.near, one.near_distances), whole.queries[one.rows], reference.data, whole.routing
        ),
        truth=TaskTruth.from_outcomes(benchmark.model_names, benchmark.outcomes[one.rows], reference.columns),
        averages=None,
        groups=np.zeros(len(one.rows), dtype=np.int64),
        seed=(whole.seed, NEW, one.dataset),
    )
