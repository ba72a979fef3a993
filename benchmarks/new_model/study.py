"""Every model of a pool hidden in turn and imputed from N of its outcomes, selected or random."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.new_model.routed import Away, Routed
from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark
from routing.evaluation.scoring import average_ranks, pearson_correlation
from routing.new_model.factors import InputFactors, KnownModels, build_factors
from routing.new_model.impute import expected_outcomes, fit_posterior, impute
from routing.new_model.select_inputs import select_inputs

DRAWS = 3
"""Random samples of each model and size; only the first is routed by."""
LEAST_GAIN = 0.005
"""Accuracy that a model must add to the pool for its share of the gain to be reported."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """One model, imputed once.

    Attributes:
        off: error of its average.
        predicted: the standard error that was predicted.
        off_of_one: root mean square error over datasets.
        predicted_of_one: root mean square of the predicted ones.
        routed: accuracy with the imputed column; None if not tried.
        best_on_average: accuracy of the best on average; None if not tried.
    """

    model: int
    n: int
    how: str
    average: float
    off: float
    predicted: float
    off_of_one: float
    predicted_of_one: float
    routed: float | None = None
    best_on_average: float | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """A model's place in the pool.

    Attributes:
        average: true average.
        full: auto's accuracy with its whole column.
        without: auto's accuracy without the model.
    """

    model: int
    average: float
    full: float
    without: float


def impute_each(benchmark: Benchmark, vectors: Embeddings, counts: Sequence[int]) -> Iterator[Whole | list[Hidden]]:
    """Yield for every model its worth to the pool, then its imputations."""
    known = KnownModels.from_outcomes(benchmark.outcomes, benchmark.dataset_ids, len(benchmark.datasets))
    routed = Routed(benchmark, vectors, known.outcomes)
    n_models = len(benchmark.models)
    everyone = list(range(n_models))
    full = routed.accuracy(everyone)
    for model in everyone:
        without = routed.accuracy([place for place in everyone if place != model])
        yield Whole(model, float(known.averages[:, model].mean()), full, without)
        yield list(_estimated(known, routed, model, counts))


def _estimated(known: KnownModels, routed: Routed, model: int, counts: Sequence[int]) -> Iterator[Hidden]:
    factors = build_factors(known.without_model(model))
    truth, true = known.outcomes[:, model], known.averages[:, model]
    linear = routed.mean_nearest(np.column_stack([factors.offset, factors.design_matrix()]))
    chosen = select_inputs(factors, max(counts))
    for n in counts:
        for how, draw, rows in _samples(chosen, n, len(truth), model):
            found = impute(factors, rows, truth[rows])
            off = found.averages - true
            one = Hidden(
                model=model,
                n=n,
                how=how,
                average=found.average,
                off=found.average - float(true.mean()),
                predicted=found.error,
                off_of_one=float(np.sqrt((off**2).mean())),
                predicted_of_one=float(np.sqrt((found.errors**2).mean())),
            )
            if draw:
                yield one
                continue
            everyone = list(range(routed.true.shape[1]))
            away = [_without(factors, linear, rows, truth, dataset) for dataset in range(routed.n)]
            accuracy = routed.accuracy(everyone, model, away)
            yield Hidden(
                **{**asdict(one), "routed": accuracy, "best_on_average": routed.best_on_average(everyone, model, away)}
            )


def _samples(chosen: Ints, n: int, n_inputs: int, model: int) -> Iterator[tuple[str, int, Ints]]:
    yield "chosen", 0, chosen[:n]
    for draw in range(DRAWS):
        yield "random", draw, np.random.default_rng([model, n, draw]).choice(n_inputs, size=n, replace=False)


def _without(factors: InputFactors, linear: Floats, rows: Ints, truth: Floats, dataset: int) -> Away:
    """Return what a fold knows: none of the model's outcomes on its own dataset.

    Mean outcomes of nearest inputs are those of the linear model, not clipped to [0, 1].
    """
    others = rows[factors.known.dataset_ids[rows] != dataset]
    weights, _ = fit_posterior(factors, others, truth[others])
    _, averages = expected_outcomes(factors, weights, others, truth[others])
    return Away(averages, linear[:, dataset] @ np.concatenate([[1.0], weights]))


def summarize_rows(wholes: Sequence[Whole], found: Sequence[Hidden]) -> list[dict[str, Any]]:
    """Return one row for every size and way of selection."""
    place = {one.model: one for one in wholes}
    worth_seeing = {one.model for one in wholes if one.full - one.without >= LEAST_GAIN}
    rows = []
    for n in sorted({one.n for one in found}):
        for how in ("chosen", "random"):
            some = [one for one in found if (one.n, one.how) == (n, how)]
            routed = [one for one in some if one.routed is not None]
            rows.append(
                {
                    "n": n,
                    "how": how,
                    "mean_absolute_error": float(np.mean([abs(one.off) for one in some])),
                    "error": _root([one.off for one in some]),
                    "predicted": _root([one.predicted for one in some]),
                    "error_of_one": _root([one.off_of_one for one in some]),
                    "predicted_of_one": _root([one.predicted_of_one for one in some]),
                    **_rank_correlations(some, place),
                    "lost": _mean([place[one.model].full - (one.routed or 0) for one in routed]),
                    "gained": _mean(
                        [(one.routed or 0) - place[one.model].without for one in routed if one.model in worth_seeing]
                    ),
                    "to_gain": _mean([place[model].full - place[model].without for model in sorted(worth_seeing)]),
                    "models_worth_it": len(worth_seeing),
                }
            )
    return rows


def _rank_correlations(some: Sequence[Hidden], place: dict[int, Whole]) -> dict[str, float | None]:
    """Return means over draws of Spearman's and Kendall's correlation of imputed with true averages."""
    draws = max(1, len(some) // max(1, len(place)))
    spearman, kendall = [], []
    for draw in range(draws):
        part = some[draw::draws]
        imputed = np.array([one.average for one in part])
        true = np.array([place[one.model].average for one in part])
        spearman.append(pearson_correlation(average_ranks(imputed), average_ranks(true)) or 0.0)
        kendall.append(_kendall(imputed, true))
    return {"spearman": float(np.mean(spearman)), "kendall": float(np.mean(kendall))}


def _kendall(a: Floats, b: Floats) -> float:
    over = np.triu_indices(len(a), 1)
    return float((np.sign(a[over[0]] - a[over[1]]) * np.sign(b[over[0]] - b[over[1]])).mean())


def _root(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
