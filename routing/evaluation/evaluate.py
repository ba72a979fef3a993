"""Leave-one-dataset-out over a benchmark: every system, every alpha."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Embeddings, Ints
from routing.benchmark import Benchmark, Model
from routing.calibration import CalibrationSettings, HeldOut, RoutingSettings, hold_out
from routing.errors import BenchmarkError
from routing.evaluation.folds import Folds
from routing.evaluation.per_input import per_input
from routing.evaluation.results import Choice, Evaluation, PredictorQuality, PriceModel, Row
from routing.evaluation.systems import Fold, Sample, choices, price_of, samples, scores_of
from routing.evaluation.table import rows_of

KNN_SYSTEMS = ("S1", "S2", "S3", "S3_true_p", "BMA", "oracle", "honest_oracle", "random", "S3_shuffled")
SHUFFLED = "S3_shuffled"
LEAST_INPUTS = 30
NEIGHBOURS_KEPT = 64
"""Neighbours found for each input once, more than kappa, so that a fold seldom has to search again."""

Steps = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to evaluate. alphas: shares of labelled inputs, at most `cap` each; repeats: of every share but none."""

    pool: str = "all"
    systems: tuple[str, ...] = KNN_SYSTEMS
    alphas: tuple[float, ...] = (0.0,)
    repeats: int = 10
    cap: int = 50
    per_input: bool = False
    seed: int = 0


def fit_for_evaluation(
    benchmark: Benchmark, allow_partial: bool = False, max_params_b: float | None = None
) -> tuple[Benchmark, Ints]:
    """The datasets with at least 30 inputs, the models with outcomes on each of them, and the rows that stayed.

    A model needs outcomes on every dataset, not on every input; allow_partial: not even that.
    Raises BenchmarkError where fewer than three datasets or two models are left.
    """
    counts = np.bincount(benchmark.dataset_ids, minlength=len(benchmark.datasets))
    small = [dataset.name for dataset, count in zip(benchmark.datasets, counts, strict=True) if count < LEAST_INPUTS]
    if len(benchmark.datasets) - len(small) < 3:
        raise BenchmarkError(benchmark.name, [f"fewer than three datasets have {LEAST_INPUTS} inputs or more"])
    fit, rows = benchmark.without(small)
    lacks_some = np.asarray(np.isnan(fit.dataset_averages()).any(axis=0))
    kept = [
        model.name
        for model, lacks in zip(fit.models, lacks_some.tolist(), strict=True)
        if (allow_partial or not lacks) and _is_small(model, max_params_b)
    ]
    if len(kept) < 2:
        raise BenchmarkError(benchmark.name, ["fewer than two models can be compared on every dataset"])
    return fit.with_models(kept), rows


def evaluate(
    benchmark: Benchmark,
    vectors: Embeddings,
    plan: Plan,
    routing: RoutingSettings | None = None,
    calibration: CalibrationSettings | None = None,
    steps: Steps = lambda what, done, total: None,
) -> Evaluation:
    """Judges every system of the plan. benchmark: as fit_for_evaluation gives it; vectors: (n_inputs, dim), unit rows.

    The same arguments give the same result.
    """
    routing, settings = routing or RoutingSettings(), calibration or CalibrationSettings(seed=plan.seed)
    steps("finding neighbours", 0, len(benchmark.datasets))
    found: list[HeldOut] = []
    for one in hold_out(vectors, benchmark.dataset_ids, len(benchmark.datasets), NEIGHBOURS_KEPT):
        found.append(one)
        steps("finding neighbours", len(found), len(benchmark.datasets))
    fold_maker = _FoldMaker(benchmark, vectors, found, routing, settings, steps)
    real = replace(plan, systems=tuple(name for name in plan.systems if name != SHUFFLED))
    made, quality = _judged(fold_maker.folds(benchmark, "calibrating every fold"), vectors, real, routing)
    if SHUFFLED in plan.systems:
        folds = fold_maker.folds(shuffled(benchmark, plan.seed), "calibrating on shuffled outcomes")
        control = replace(plan, systems=(SHUFFLED,), alphas=(0.0,))
        made += _judged(folds, vectors, control, routing)[0]
    rows: list[Row] = rows_of(benchmark.name, plan.pool, "knn", made, plan.seed)
    return Evaluation(
        benchmark=benchmark.name,
        pool=plan.pool,
        n_inputs=benchmark.n_inputs,
        datasets=[dataset.name for dataset in benchmark.datasets],
        models=_models(benchmark),
        settings=_settings(plan, routing, settings),
        rows=rows,
        choices=made,
        quality=quality,
        sparse=per_input(benchmark, vectors, plan.seed) if plan.per_input else [],
    )


def _is_small(model: Model, max_params_b: float | None) -> bool:
    """A model of unknown size fits no limit."""
    return max_params_b is None or (model.params_b is not None and model.params_b <= max_params_b)


@dataclass(frozen=True, slots=True)
class _FoldMaker:
    benchmark: Benchmark
    vectors: Embeddings
    found: Sequence[HeldOut]
    routing: RoutingSettings
    settings: CalibrationSettings
    steps: Steps

    def folds(self, routed: Benchmark, what: str) -> list[Fold]:
        """Every dataset held out; the systems see `routed`, and are judged by the benchmark itself."""
        maker = Folds(self.vectors, routed, self.found, self.routing, self.settings)
        calibrations = maker.calibrations(lambda done, total: self.steps(what, done, total))
        averages = routed.dataset_averages()
        return [
            Fold(one, self.benchmark, routed, averages, calibration)
            for one, calibration in zip(self.found, calibrations, strict=True)
        ]


def shuffled(benchmark: Benchmark, seed: int) -> Benchmark:
    """The control: every model keeps its outcomes on a dataset, given to other inputs of it."""
    generator, outcomes = np.random.default_rng(seed), benchmark.outcomes.copy()
    for dataset in range(len(benchmark.datasets)):
        rows = np.flatnonzero(benchmark.dataset_ids == dataset)
        outcomes[rows] = generator.permuted(outcomes[rows], axis=0)
    return replace(benchmark, outcomes=outcomes)


def _judged(
    folds: Sequence[Fold], vectors: Embeddings, plan: Plan, routing: RoutingSettings
) -> tuple[list[Choice], list[PredictorQuality]]:
    made: list[Choice] = []
    errors: dict[float, list[tuple[float, float]]] = {alpha: [] for alpha in plan.alphas}
    for fold in folds:
        seed = (plan.seed, 1, fold.held_out.dataset)
        for sample in samples(len(fold.held_out.rows), plan.alphas, plan.repeats, plan.cap, seed):
            made += choices(fold, sample, vectors, routing, plan.systems)
            errors[sample.alpha].append(_quality(fold, sample, vectors, routing))
    quality = [PredictorQuality("knn", alpha, *np.mean(found, axis=0).tolist()) for alpha, found in errors.items()]
    return made, quality


def _quality(fold: Fold, sample: Sample, vectors: Embeddings, routing: RoutingSettings) -> tuple[float, float]:
    """The accuracy of g_bar, mean over models, and how far p is from it."""
    scores, true_p = scores_of(fold, sample, vectors, routing)
    return float(np.nanmean(true_p)), float(np.nanmean(np.abs(scores.reliability - true_p)))


def _models(benchmark: Benchmark) -> list[PriceModel]:
    averages = np.nanmean(benchmark.dataset_averages(), axis=0)
    return [
        PriceModel(model.name, float(average), model.params_b, price_of(model))
        for model, average in zip(benchmark.models, averages, strict=True)
    ]


def _settings(plan: Plan, routing: RoutingSettings, settings: CalibrationSettings) -> dict[str, object]:
    return {
        "k": routing.k,
        "kappa": routing.kappa,
        "threshold": routing.threshold,
        "sigma": routing.sigma,
        "eta": routing.eta,
        "calibration_alphas": list(settings.alphas),
        "calibration_repeats": settings.repeats,
        "cap": plan.cap,
        "repeats": plan.repeats,
        "seed": plan.seed,
    }
