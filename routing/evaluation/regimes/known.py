"""The regimes `known` and `mixed`: a random half of every dataset is the benchmark, the other half arrives as tasks.

The halves are exchanged where a benchmark is small, so that each input is judged once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats, Ints
from routing.benchmark import Benchmark
from routing.calibration import CalibrationSettings
from routing.evaluation.regimes.grading import TaskTruth, mean_outcomes, measured_models
from routing.evaluation.regimes.judge import JudgedTask, Task, judge_control, judge_task
from routing.evaluation.regimes.new import WholeBenchmark
from routing.evaluation.regimes.reference import Part, build_part
from routing.input_sample import SAMPLED, sample_inputs
from routing.task import InputEvidence

MIN_INPUTS = 20
"""Inputs of a dataset that is halved; a smaller one stays in the benchmark whole."""

MAX_EXCHANGED = 4000
"""Inputs of a benchmark up to which the halves are exchanged."""

KNOWN, MIXED, HALVES = 2, 3, 4
"""Of the seeds."""


def halve_datasets(dataset_ids: Ints, n_datasets: int, seed: int) -> list[tuple[Ints, Ints]]:
    """Return rows of the benchmark's part and of the tasks, once or, exchanged, twice."""
    generator = np.random.default_rng([seed, HALVES])
    halves: tuple[list[Ints], list[Ints]] = ([], [])
    whole: list[Ints] = []
    for dataset in range(n_datasets):
        rows = np.flatnonzero(dataset_ids == dataset)
        if len(rows) < MIN_INPUTS:
            whole.append(rows)
            continue
        # At random: files are often sorted by topic or difficulty.
        order = generator.permutation(rows)
        for half, some in zip(halves, (order[: len(rows) // 2], order[len(rows) // 2 :]), strict=True):
            half.append(np.sort(some))
    if not halves[0]:
        return []
    first, second = (np.concatenate(half) for half in halves)
    pairs = [(first, second), (second, first)] if len(dataset_ids) <= MAX_EXCHANGED else [(first, second)]
    return [(np.sort(np.concatenate([part, *whole])), np.sort(tasks)) for part, tasks in pairs]


@dataclass(frozen=True, slots=True)
class Half:
    """One part of a benchmark to route with, and the other inputs as tasks.

    Attributes:
        benchmark: the whole.
        part: to route with.
        rows: (n_rows,) of the other inputs in the whole, ascending.
        evidence: of these.
    """

    benchmark: Benchmark
    part: Part
    rows: Ints
    evidence: InputEvidence

    def inputs_of(self, dataset: int) -> Ints:
        """Return the places of a dataset's inputs among the rows."""
        return np.flatnonzero(self.benchmark.dataset_ids[self.rows] == dataset)

    def make_task(self, datasets: Sequence[int], places: Ints, seed: tuple[int, ...]) -> Task:
        """Return some of the inputs, of one or two datasets, as a task."""
        names = tuple(self.benchmark.datasets[dataset].name for dataset in datasets)
        rows = self.rows[places]
        columns = self.part.reference.columns
        return Task(
            name=" + ".join(names),
            datasets=names,
            cluster=datasets[0],
            evidence=self.evidence.select_rows(places),
            truth=TaskTruth.from_outcomes(self.benchmark.model_names, self.benchmark.outcomes[rows], columns),
            averages=_known_averages(self.part.benchmark, datasets),
            groups=(self.benchmark.dataset_ids[rows] != datasets[0]).astype(np.int64),
            seed=seed,
        )

    def gradable_datasets(self) -> list[int]:
        """Return the datasets of which a part arrives as a task, with at least two measured models."""
        found = np.unique(self.benchmark.dataset_ids[self.rows]).tolist()
        return [one for one in found if self.make_task([one], self.inputs_of(one), (0,)).truth.is_gradable]


def build_halves(whole: WholeBenchmark, settings: CalibrationSettings, calibrate: bool = True) -> Iterator[Half]:
    """Yield the halves; of a large benchmark, a sample of the inputs that arrive as tasks."""
    ids, n = whole.benchmark.dataset_ids, len(whole.benchmark.datasets)
    for chosen, rest in halve_datasets(ids, n, settings.seed):
        part = build_part(whole.benchmark, whole.vectors, chosen, whole.routing, settings, calibrate, whole.lists)
        if whole.lists is not None:
            rest = np.sort(rest[np.concatenate(sample_inputs(ids[rest], n, SAMPLED // 2))])
        yield Half(whole.benchmark, part, rest, part.find_evidence(whole.queries[rest]))


def judge_known_tasks(half: Half, sizes: Sequence[int | None], seed: int) -> Iterator[dict[int | None, JudgedTask]]:
    """Yield every dataset's other half as a task."""
    for dataset in half.gradable_datasets():
        task = half.make_task([dataset], half.inputs_of(dataset), (seed, KNOWN, dataset))
        yield judge_task(half.part.reference, task, sizes)


def judge_mixed_tasks(half: Half, sizes: Sequence[int | None], seed: int) -> Iterator[dict[int | None, JudgedTask]]:
    """Yield tasks of two datasets, equally many inputs of each; every dataset is in two of them."""
    datasets = half.gradable_datasets()
    generator = np.random.default_rng([seed, MIXED])
    # Each with the next in a random circle: as many tasks as datasets, and none is over-represented.
    order = generator.permutation(datasets).tolist()
    if len(order) < 2:
        return
    # A cycle through all datasets: each is in exactly two tasks.
    for one, other in zip(order, order[1:] + order[:1], strict=True):
        inputs = [half.inputs_of(dataset) for dataset in (one, other)]
        # Equally many: the larger dataset alone would otherwise decide what is best for the task.
        count = min(len(places) for places in inputs)
        mixed = np.concatenate([generator.choice(places, size=count, replace=False) for places in inputs])
        task = half.make_task([one, other], np.sort(mixed), (seed, MIXED, one))
        if task.truth.is_gradable:
            yield judge_task(half.part.reference, task, sizes)


def judge_shuffled_tasks(half: Half) -> Iterator[JudgedTask]:
    """Yield the control: auto where outcomes were shuffled over all inputs, so that no dataset has a best model."""
    for dataset in half.gradable_datasets():
        task = half.make_task([dataset], half.inputs_of(dataset), (0,))
        yield judge_control(half.part.reference, task)


def _known_averages(part: Benchmark, datasets: Sequence[int]) -> Floats:
    """Return the averages by which a person would choose for these datasets, (n_models,), NaN where not measured."""
    found = []
    for dataset in datasets:
        outcomes = part.outcomes[part.dataset_ids == dataset]
        # A mean over a few of the inputs would win by chance.
        found.append(np.where(measured_models(outcomes), mean_outcomes(outcomes), np.nan))
    return np.asarray(np.mean(found, axis=0))
