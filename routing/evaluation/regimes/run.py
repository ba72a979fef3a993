"""Evaluation of a benchmark in every regime that it allows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from routing.arrays import Embeddings
from routing.auto.training_data import TrainingData, build_training_data
from routing.benchmark import Benchmark
from routing.calibration import (
    Calibration,
    CalibrationSettings,
    HeldOutDataset,
    RoutingSettings,
    hold_out_datasets,
)
from routing.evaluation.calibration_folds import CalibrationFolds
from routing.evaluation.controls import permute_outcomes, shuffle_inputs
from routing.evaluation.regimes.aggregate import aggregate_regime
from routing.evaluation.regimes.judge import JudgedTask
from routing.evaluation.regimes.known import MIN_INPUTS as MIN_HALVED
from routing.evaluation.regimes.known import (
    Half,
    build_halves,
    judge_known_tasks,
    judge_mixed_tasks,
    judge_shuffled_tasks,
)
from routing.evaluation.regimes.new import WholeBenchmark, judge_new_tasks, judge_permuted_tasks
from routing.evaluation.regimes.recommend import recommend_score
from routing.evaluation.regimes.reference import MAX_REPEATS
from routing.evaluation.regimes.results import REGIMES, RegimeEvaluation, RegimeResult
from routing.evaluation.regimes.small import draw_benchmarks, judge_small, reason_too_small
from routing.evaluation.replaced_neighbours import NeighboursWithout
from routing.neighbours.grouped import GroupedLists

MAX_NEIGHBOURS = 128
"""Neighbours found once per input, more than kappa, so that leaving out one more dataset seldom needs a search."""

RECOMMENDING = (8, None)
"""Numbers of inputs that the recommended score is chosen by, in `evaluate` as in a pack's report."""

SIZES = (8, 32, None)
"""Numbers of inputs that `evaluate` reports."""

Steps = Callable[[str, int, int], None]
"""Called with (name of the phase, steps done, total steps)."""

Judged = dict[int | None, list[JudgedTask]]


@dataclass(frozen=True, slots=True)
class RegimePlan:
    """Extent of an evaluation by regime.

    Attributes:
        regimes: names from REGIMES.
        sizes: numbers of inputs; None for all.
        controls: include the controls, after all inputs of new and known tasks.
    """

    regimes: tuple[str, ...] = REGIMES
    sizes: tuple[int | None, ...] = SIZES
    controls: bool = True


def learn_benchmark(
    benchmark: Benchmark,
    vectors: Embeddings,
    routing: RoutingSettings,
    settings: CalibrationSettings,
    steps: Steps = lambda phase, done, total: None,
) -> WholeBenchmark:
    """Find each input's neighbours, and learn all that the evaluation needs. vectors: (n_inputs, dim)"""
    n, found = len(benchmark.datasets), list[HeldOutDataset]()
    for one in hold_out_datasets(vectors, benchmark.dataset_ids, n, max(MAX_NEIGHBOURS, routing.kappa)):
        found.append(one)
        steps("finding neighbours", len(found), n)
    return learn_folds(benchmark, (vectors, vectors), found, routing, settings, steps=steps)


def learn_folds(
    benchmark: Benchmark,
    embedded: tuple[Embeddings, Embeddings],
    held_out: Sequence[HeldOutDataset],
    routing: RoutingSettings,
    settings: CalibrationSettings,
    data: TrainingData | None = None,
    steps: Steps = lambda phase, done, total: None,
    lists: GroupedLists | None = None,
) -> WholeBenchmark:
    """Calibrate every fold.

    embedded: vectors of the benchmark, and of the same inputs as tasks embed them, both (n_inputs, dim). held_out:
    every dataset with the nearest of its inputs, as tasks embed them; more than kappa, for speed. data: training data
    of auto, collected here if None. lists: of the vectors, where they are so many that `held_out` is a sample.
    """
    vectors, queries = embedded
    without = NeighboursWithout(vectors, benchmark.dataset_ids, len(held_out), routing.kappa, lists)
    # Pairs (u, p) of every fold at once: the folds share all draws in which the held-out dataset has no part.
    few = replace(settings, repeats=min(settings.repeats, MAX_REPEATS))
    calibrations = list[Calibration]()
    if len(held_out) > 1:
        folds = CalibrationFolds(vectors, [benchmark], held_out, routing, few, without)
        calibrations = folds.fold_calibrations(lambda done, total: steps("calibrating every fold", done, total))[0]
    data = data or build_training_data(benchmark.outcomes, vectors, benchmark.dataset_ids, held_out, routing.kappa)
    return WholeBenchmark(
        benchmark, vectors, queries, held_out, calibrations, data, routing, without, lists, settings.seed
    )


def evaluate_regimes(
    whole: WholeBenchmark,
    settings: CalibrationSettings,
    plan: RegimePlan,
    steps: Steps = lambda phase, done, total: None,
) -> RegimeEvaluation:
    """Evaluate the regimes of the plan; those that the benchmark does not allow are skipped with a reason.

    New and known tasks are judged in any case: the recommended score depends on them. The same arguments give the
    same result.
    """
    return RegimeEvaluator(whole, settings, plan, steps).evaluate()


def recommend_for(
    benchmark: Benchmark, vectors: Embeddings, routing: RoutingSettings, settings: CalibrationSettings
) -> str:
    """Return the score that the report of a benchmark recommends."""
    whole = learn_benchmark(benchmark, vectors, routing, settings)
    return evaluate_regimes(whole, settings, RegimePlan((), RECOMMENDING, controls=False)).recommended


class RegimeEvaluator:
    """One evaluation. `judged` and `controls` hold its tasks after `evaluate`, by regime."""

    def __init__(self, whole: WholeBenchmark, settings: CalibrationSettings, plan: RegimePlan, steps: Steps) -> None:
        self._whole, self._settings, self._plan, self._steps = whole, settings, plan, steps
        self._benchmark, self._seed = whole.benchmark, settings.seed
        self._skipped: dict[str, str] = {}
        self.judged: dict[str, Judged] = {}
        self.controls: dict[str, list[JudgedTask]] = {}
        # Those that recommend come after those asked for: the same draws, whatever is asked for.
        self._sizes = list(dict.fromkeys([*plan.sizes, *RECOMMENDING]))

    def evaluate(self) -> RegimeEvaluation:
        """Judge all tasks and aggregate them."""
        new, halves = self._new(), self._halves()
        self.judged = {"new": new, **self._known(halves)}
        recommended, reason = recommend_score(_some(self.judged["known"]), _some(new))
        if "small known" in self._plan.regimes or "small new" in self._plan.regimes:
            self.judged |= self._small()
        if self._plan.controls:
            self._control()
        results = list[RegimeResult]()
        for regime in self._plan.regimes:
            for size in self._plan.sizes:
                tasks = self.judged.get(regime, {}).get(size, [])
                if tasks:
                    # A control needs all inputs: after a few, chance explains any choice.
                    own = self.controls.get(regime, []) if size is None else []
                    results.append(aggregate_regime(regime, size, tasks, own, recommended, self._seed))
                elif size is None:
                    self._skipped.setdefault(regime, "no task with two measured models")
        skipped = {regime: why for regime, why in self._skipped.items() if regime in self._plan.regimes}
        return RegimeEvaluation(results, recommended, reason, skipped)

    def _new(self) -> Judged:
        if len(self._benchmark.datasets) < 2:
            self._skipped["new"] = "a benchmark of one dataset leaves nothing to hold out"
            return {}
        return _by_size(judge_new_tasks(self._whole, self._sizes, self._counting("holding out datasets")))

    def _halves(self) -> list[Half]:
        if len(self._benchmark.datasets) < 2:
            # Then every known task's best model is m*, and no system can differ from BMA by knowing it.
            why = "in a benchmark of one dataset its winner is also the best on average"
            self._skipped |= {"known": why, "mixed": why}
            return []
        self._steps("halving datasets", 0, 1)
        whole = self._whole
        found = list(build_halves(whole, self._settings))
        if not found:
            why = f"no dataset has the {MIN_HALVED} inputs that halving needs"
            self._skipped |= {"known": why, "mixed": why}
        self._steps("halving datasets", 1, 1)
        return found

    def _known(self, halves: Sequence[Half]) -> dict[str, Judged]:
        known = [task for half in halves for task in judge_known_tasks(half, self._sizes, self._seed)]
        if "mixed" not in self._plan.regimes:
            return {"known": _by_size(known)}
        mixed = [task for half in halves for task in judge_mixed_tasks(half, self._plan.sizes, self._seed)]
        return {"known": _by_size(known), "mixed": _by_size(mixed)}

    def _small(self) -> dict[str, Judged]:
        why = reason_too_small(self._benchmark)
        if why:
            self._skipped |= {"small known": why, "small new": why}
            return {}
        whole, draws = self._whole, list(draw_benchmarks(self._benchmark, self._seed))
        found: dict[str, list[dict[int | None, JudgedTask]]] = {"small known": [], "small new": []}
        for done, small in enumerate(draws, 1):
            judged = judge_small(small, whole.vectors, whole.routing, self._settings, self._plan.sizes, recommend_for)
            for regime, tasks in judged.items():
                found[regime] += tasks
            self._steps("drawing small benchmarks", done, len(draws))
        return {regime: _by_size(tasks) for regime, tasks in found.items()}

    def _control(self) -> None:
        """Judge the controls of the regimes that were evaluated."""
        whole = self._whole
        if "new" in self._plan.regimes and self.judged["new"].get(None):
            permuted = permute_outcomes(self._benchmark, self._seed)
            self.controls["new"] = list(judge_permuted_tasks(whole, permuted, self._counting("permuting outcomes")))
        if "known" in self._plan.regimes and self.judged["known"].get(None):
            shuffled = shuffle_inputs(self._benchmark, self._seed)
            halves = build_halves(replace(whole, benchmark=shuffled), self._settings, calibrate=False)
            self.controls["known"] = [task for half in halves for task in judge_shuffled_tasks(half)]

    def _counting(self, phase: str) -> Callable[[int, int], None]:
        return lambda done, total: self._steps(phase, done, total)


def _by_size(tasks: Iterable[Mapping[int | None, JudgedTask]]) -> Judged:
    found: Judged = {}
    for by_size in tasks:
        for size, task in by_size.items():
            found.setdefault(size, []).append(task)
    return found


def _some(judged: Judged) -> Judged:
    """Return the tasks after the numbers of inputs by which the score is recommended."""
    return {size: tasks for size, tasks in judged.items() if size in RECOMMENDING}
