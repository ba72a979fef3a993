"""A benchmark, or a part of it, ready to route with: what a pack holds, in memory, and its decisions on tasks.

Evidence, task state, scores and decision are the product's own; only the index is exact instead of approximate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.auto.fit import AutoFit, fit_auto
from routing.auto.training_data import TrainingData, build_training_data
from routing.averages import estimate_averages
from routing.benchmark import Benchmark
from routing.calibration import (
    Calibration,
    CalibrationSettings,
    RoutingSettings,
    calibrate_reliability,
    hold_out_datasets,
)
from routing.decision import RoutingDecision, make_decision
from routing.input_sample import SAMPLED, sample_inputs
from routing.neighbours import Neighbours
from routing.neighbours.exact import ExactIndex
from routing.neighbours.grouped import GroupedLists
from routing.predictor import predict_correct, predict_outcomes
from routing.scores import ScoreKind, TaskScores
from routing.task import InputEvidence, TaskState, score_task

SCORE_SYSTEMS: Mapping[str, ScoreKind] = {
    "S1": ScoreKind.S1,
    "S2": ScoreKind.S2,
    "S3": ScoreKind.S3,
    "auto": ScoreKind.AUTO,
}
"""Systems that decide by a score of the product."""

MAX_REPEATS = 2
"""Draws per mixing share when a part of a benchmark is calibrated. 10, as for a pack, move S3's gain by less than the
choice of the part does, and cost five times as much."""

NO_PAIRS = Calibration(np.empty(0), np.empty((0, 0)), np.empty(0), np.empty(0, dtype=np.int64))
"""Calibration where only `auto` decides."""


@dataclass(frozen=True, slots=True)
class MeasuredBenchmark:
    """What of a benchmark was measured.

    Attributes:
        names: of the models.
        counts: (n_datasets, n_models) outcomes.
        sizes: (n_datasets,) inputs.
        min_coverage: as in Benchmark.
    """

    names: tuple[str, ...]
    counts: Ints
    sizes: Ints
    min_coverage: float

    @classmethod
    def of(cls, benchmark: Benchmark) -> "MeasuredBenchmark":
        """Count the outcomes of a benchmark."""
        return cls(benchmark.model_names, benchmark.outcome_counts(), benchmark.dataset_sizes(), benchmark.min_coverage)

    def without_dataset(self, dataset: int) -> "MeasuredBenchmark":
        """Return what was measured on all other datasets."""
        others = np.delete(np.arange(len(self.sizes)), dataset)
        return replace(self, counts=self.counts[others], sizes=self.sizes[others])

    def order_models(self, averages: Floats) -> list[int]:
        """Return the models best on average first, by the averages of these datasets, (n_datasets, n_models)."""
        return estimate_averages(averages, self.counts, self.sizes, self.min_coverage).order()


@dataclass(frozen=True, slots=True)
class Reference:
    """What decisions are made from.

    Attributes:
        names: of the benchmark's models.
        columns: of the models, best on average first.
        data: training data of auto.
        fit: of auto, for all models.
        calibration: pairs (u, p), of the models in the order of `columns`.
        routing: parameters of the paper.
    """

    names: tuple[str, ...]
    columns: list[int]
    data: TrainingData
    fit: AutoFit
    calibration: Calibration
    routing: RoutingSettings

    @classmethod
    def from_training_data(
        cls, benchmark: "MeasuredBenchmark", data: TrainingData, calibration: Calibration, routing: RoutingSettings
    ) -> "Reference":
        """Fit auto and order the models. benchmark, calibration: of the same datasets as the data."""
        columns = benchmark.order_models(data.averages)
        pairs = calibration.select_models(columns)
        return cls(benchmark.names, columns, data, fit_auto(data, columns), pairs, routing)

    def score_state(self, state: TaskState) -> TaskScores:
        """Return all scores of a task."""
        # The posterior is computed for S1 to S3 too: one set of scores serves every system's decision.
        posterior = state.prior_accuracies(self.fit, self.columns)
        return score_task(state, self.names, self.columns, self.calibration, self.routing, posterior)

    def decide(self, scores: TaskScores) -> dict[str, RoutingDecision]:
        """Return the decision of every system in SCORE_SYSTEMS, as for a task without a current model."""
        return {name: make_decision(scores, self.routing.eta, score=score) for name, score in SCORE_SYSTEMS.items()}


def find_evidence(
    outcomes: Floats,
    nearest: tuple[Ints, Floats],
    vectors: Embeddings,
    data: TrainingData,
    routing: RoutingSettings,
) -> InputEvidence:
    """Return the evidence of some inputs.

    outcomes: (n_benchmark, n_models). nearest: rows and distances of the inputs' nearest, (n_inputs, at least kappa),
    nearest first. vectors: (n_inputs, dim). data: of the datasets that an input may belong to.
    """
    near, distances = nearest
    g, wide = (predict_outcomes(outcomes, near[:, :count]) for count in (routing.k, routing.kappa))
    # Eq. 8 takes the kappa nearest, eq. 7 the k nearest of the same search.
    u = distances[:, : routing.kappa].mean(axis=1)
    membership = data.membership.find_features(vectors) if data.membership else None
    return InputEvidence(g, predict_correct(g, routing.threshold), u, vectors, wide, membership)


@dataclass(frozen=True, slots=True)
class Part:
    """Some inputs of a benchmark as a benchmark of its own, with the index over them.

    Attributes:
        benchmark: of the part, all datasets kept.
        vectors: (n_inputs, dim).
        reference: decisions from it.
        index: over the vectors.
    """

    benchmark: Benchmark
    vectors: Embeddings
    reference: Reference
    index: Neighbours

    def find_evidence(self, vectors: Embeddings) -> InputEvidence:
        """Return the evidence of other inputs, (n, dim)."""
        routing, size = self.reference.routing, len(self.vectors)
        count = min(max(routing.k, routing.kappa), size)
        nearest = self.index.find_nearest(vectors, count)
        return find_evidence(self.benchmark.outcomes, nearest, vectors, self.reference.data, routing)


def build_part(
    benchmark: Benchmark,
    vectors: Embeddings,
    rows: Ints,
    routing: RoutingSettings,
    settings: CalibrationSettings,
    calibrate: bool = True,
    lists: GroupedLists | None = None,
) -> Part:
    """Build a part of a benchmark as a pack would be built of it.

    benchmark: the whole. vectors: (n_inputs, dim) of the whole. rows: of the part, of every dataset some. calibrate:
    False where only auto and the averages are needed. lists: of the whole, to search in, and to measure on a sample
    of the part; None to search exactly: an approximate index would add its own errors to the comparison.
    """
    part, own = take_rows(benchmark, rows), vectors[rows]
    n = len(part.datasets)
    inside = None if lists is None else lists.select_rows(rows)
    sample = None if lists is None else sample_inputs(part.dataset_ids, n, SAMPLED // 2)
    held_out = list(hold_out_datasets(own, part.dataset_ids, n, routing.kappa, lists=inside, sample=sample))
    # Drawn less often than for a pack: see MAX_REPEATS.
    few = replace(settings, repeats=min(settings.repeats, MAX_REPEATS))
    pairs = calibrate_reliability(own, part, held_out, routing, few) if calibrate else NO_PAIRS
    data = build_training_data(part.outcomes, own, part.dataset_ids, held_out, routing.kappa)
    reference = Reference.from_training_data(MeasuredBenchmark.of(part), data, pairs, routing)
    return Part(part, own, reference, inside or ExactIndex(own))


def take_rows(benchmark: Benchmark, rows: Ints) -> Benchmark:
    """Return some inputs of a benchmark, without texts; datasets and models stay."""
    return replace(benchmark, texts=(), input_ids=(), loglik=None).select_inputs(rows)
