"""What accuracy costs: a system's whole curve, from a taste for cheap models to none, and the area under it.

A point is what one setting chose over all held-out datasets: mean accuracy and mean cost, every dataset weighing the
same. Between two points, and between a point and the cheapest model, one can choose by a coin, so a curve is the
non-decreasing concave hull of its points; the area under it, over the costs from the cheapest model's to the dearest's
and divided by their distance, is RouterBench's average improvement in quality (AIQ, arXiv 2403.12031).

| curve            | its points                                                                               |
|------------------|------------------------------------------------------------------------------------------|
| auto, S3         | as `objective` decides: score - price * share of the dearest's cost, for prices from 0 on |
| auto_max_regret  | the cheapest that probably loses no more, for what may be lost                           |
| BMA              | the best on average, and the cheapest: what one would do without routing                 |
| mixing           | every single model, with hindsight: all that choosing by a coin can give                 |
| oracle           | argmax of the same, with the datasets' own accuracies for scores                         |
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats
from routing.benchmark import Benchmark, Model
from routing.decision import CostPreference, make_decision
from routing.evaluation.results import CostCurve, CurvePoint
from routing.scores import ScoreKind, TaskScores

PRICES = (0.0, *(float(price) for price in np.geomspace(0.002, 50.0, 100)))
"""Accuracy given for the dearest model's cost, from nothing to everything."""
REGRETS = tuple(float(regret) for regret in np.linspace(0.0, 0.5, 41))
UNKNOWN_SIZE = 1.5
"""A model of unknown size counts as so many of the largest."""

ChooseFunction = Callable[["PricedChoices", float], int]


@dataclass(frozen=True, slots=True)
class PricedChoices:
    """One held-out dataset. accuracy: (n_candidates,) true. costs: by model. Candidates as in scores."""

    scores: TaskScores
    accuracy: Floats
    costs: dict[str, float]

    @property
    def candidate_prices(self) -> Floats:
        """The candidates' costs, (n_candidates,)."""
        return np.array([self.costs[model] for model in self.scores.models])


def dataset_costs(benchmark: Benchmark) -> tuple[str, list[dict[str, float]]] | None:
    """By what models cost, and every dataset's costs by model; None where neither prices nor sizes are known.

    Prices, where all have one: US dollars per million tokens, input and output weighted as the dataset has them, or
    alike where it does not say. Else sizes, billions of parameters.
    """
    models = benchmark.models
    if all(_priced(model) for model in models):
        shares = [dataset.input_share for dataset in benchmark.datasets]
        return "price", [{model.name: _price(model, share) for model in models} for share in shares]
    known = [model.params_b for model in models if model.params_b is not None]
    if not known:
        return None
    sizes = {m.name: m.params_b if m.params_b is not None else UNKNOWN_SIZE * max(known) for m in models}
    return "size", [sizes] * len(benchmark.datasets)


def cost_curves(faced: Sequence[PricedChoices], eta: float, wanted: Sequence[str]) -> list[CostCurve]:
    """Every curve that can be drawn. faced: all datasets. None where all models cost the same, or there is but one."""
    mean_costs = {model: float(np.mean([one.costs[model] for one in faced])) for model in faced[0].costs}
    low, high = min(mean_costs.values()), max(mean_costs.values())
    if high <= low:
        return []
    accuracy = {m: float(np.mean([one.accuracy[one.scores.models.index(m)] for one in faced])) for m in mean_costs}
    single = [CurvePoint(0.0, mean_costs[model], accuracy[model]) for model in mean_costs]
    cheapest = min(single, key=lambda point: (point.cost, -point.accuracy))
    made: dict[str, Callable[[], list[CurvePoint]]] = {
        "S3": lambda: _swept(faced, PRICES, lambda one, price: _decided(one, eta, ScoreKind.S3, None, price)),
        "auto": lambda: _swept(faced, PRICES, lambda one, price: _decided(one, eta, ScoreKind.AUTO, None, price)),
        "auto_max_regret": lambda: _swept(
            faced, REGRETS, lambda one, regret: _decided(one, eta, ScoreKind.AUTO, regret)
        ),
        "BMA": lambda: _swept(faced, (0.0,), lambda one, _: 0),
        "oracle": lambda: _swept(faced, PRICES, lambda one, price: _best(one, one.accuracy, price)),
    }
    has_auto = all(one.scores.posterior is not None for one in faced)
    found = [_curve("mixing", single, cheapest, low, high)]
    for name, points in made.items():
        if (name.split("_")[0] in wanted) and (has_auto or not name.startswith("auto")):
            found.append(_curve(name, points(), cheapest, low, high))
    return found


def convex_hull(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """The non-decreasing concave hull, by rising cost: what choosing between the points by a coin can give at best."""
    kept: list[CurvePoint] = []
    for point in sorted(points, key=lambda one: (one.cost, -one.accuracy)):
        if kept and point.accuracy <= kept[-1].accuracy:
            continue
        while len(kept) > 1 and _is_below(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def area_under_curve(points: Sequence[CurvePoint], low: float, high: float) -> float:
    """The mean height of the hull over [low, high], flat beyond its last point. The first must not lie right of low."""
    kept = convex_hull(points)
    at = np.array([point.cost for point in kept])
    grid = np.unique(np.concatenate([[low, high], at[(at > low) & (at < high)]]))
    heights = np.interp(grid, at, [point.accuracy for point in kept])
    return float(np.sum((heights[1:] + heights[:-1]) / 2 * np.diff(grid)) / (high - low))


def _curve(system: str, points: Sequence[CurvePoint], cheapest: CurvePoint, low: float, high: float) -> CostCurve:
    return CostCurve(
        system, area_under_curve([*points, cheapest], low, high), tuple(points), tuple(convex_hull([*points, cheapest]))
    )


def _swept(faced: Sequence[PricedChoices], settings: Sequence[float], choose: ChooseFunction) -> list[CurvePoint]:
    made = []
    for setting in settings:
        places = [choose(one, setting) for one in faced]
        cost = np.mean([one.candidate_prices[place] for one, place in zip(faced, places, strict=True)])
        accuracy = np.mean([one.accuracy[place] for one, place in zip(faced, places, strict=True)])
        made.append(CurvePoint(setting, float(cost), float(accuracy)))
    return made


def _best(one: PricedChoices, values: Floats, price: float) -> int:
    worth = CostPreference(None, one.costs, price=price).utility(one.scores.models, values)
    return int(np.argmax(np.nan_to_num(worth, nan=-np.inf)))


def _decided(one: PricedChoices, eta: float, score: ScoreKind, regret: float | None, price: float = 0.0) -> int:
    made = make_decision(one.scores, eta, score=score, preference=CostPreference(regret, one.costs, price=price))
    return one.scores.models.index(made.model)


def _is_below(a: CurvePoint, b: CurvePoint, c: CurvePoint) -> bool:
    """Whether b lies on or below the line from a to c."""
    return (b.accuracy - a.accuracy) * (c.cost - a.cost) <= (c.accuracy - a.accuracy) * (b.cost - a.cost)


def _priced(model: Model) -> bool:
    return model.input_usd_per_mtok is not None and model.output_usd_per_mtok is not None


def _price(model: Model, input_share: float | None) -> float:
    share = 0.5 if input_share is None else input_share
    return share * (model.input_usd_per_mtok or 0.0) + (1 - share) * (model.output_usd_per_mtok or 0.0)
