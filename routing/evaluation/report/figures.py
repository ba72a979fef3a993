"""Figures of the paper, and one of our own, drawn from an evaluation.

The colours are Okabe and Ito's, distinguishable with colour blindness; markers and line styles repeat them for print.
The same evaluation gives the same bytes.
"""

import io
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from routing.evaluation.results import Evaluation, FoldChoice

STYLES: Mapping[str, tuple[str, str, str]] = {
    "S1": ("#0072B2", "o", "-"),
    "S2": ("#E69F00", "s", "--"),
    "S3": ("#D55E00", "^", "-"),
    "S3_true_p": ("#CC79A7", "v", ":"),
    "S3_atc": ("#8c6d1f", "<", ":"),
    "auto": ("#000080", "X", "-"),
    "LL": ("#6a3d9a", "h", "-."),
    "BMA": ("#000000", "D", "--"),
    "oracle": ("#009E73", "*", "-."),
    "honest_oracle": ("#56B4E9", "P", "-."),
    "random": ("#999999", "x", ":"),
    "S3_shuffled": ("#999999", "+", "--"),
    "auto_permuted": ("#999999", "1", "--"),
}
"""System -> colour, marker, line."""

CURVES: Mapping[str, tuple[str, str, str]] = {
    **{name: STYLES[name] for name in ("S3", "auto", "BMA", "oracle")},
    "auto_max_regret": ("#0072B2", "s", "--"),
    "mixing": STYLES["random"],
}
"""Curve of accuracy against cost -> colour, marker, line."""

SIZE = (6.4, 4.0)
ROUTERS = ("S1", "S2", "S3", "auto")


def make_figures(evaluation: Evaluation) -> dict[str, Figure]:
    """Return the figures by name that the evaluation has data for."""
    drawn: Mapping[str, tuple[bool, Callable[[Evaluation, Axes], None]]] = {
        "accuracy_against_alpha": (_has_alphas(evaluation), _accuracy_against_alpha),
        "pearson_against_alpha": (_has_alphas(evaluation), _pearson_against_alpha),
        "pearson_against_distance": (bool(_correlated(evaluation.choices)), _pearson_against_distance),
        "predictor_against_alpha": (len(evaluation.quality) > 1, _predictor_against_alpha),
        "metric_against_sparsity": (bool(evaluation.sparse), _metric_against_sparsity),
        "accuracy_against_cost": (bool(evaluation.curves), _accuracy_against_cost),
        "accuracy_against_price": (any(model.price for model in evaluation.models), _accuracy_against_price),
        "gain_by_dataset": (any(choice.system == "S3" for choice in evaluation.choices), _gain_by_dataset),
    }
    return {name: _drawn(evaluation, draw) for name, (is_there, draw) in drawn.items() if is_there}


def to_svg(figure: Figure) -> bytes:
    """Render the figure as SVG, without date or random identifiers."""
    # A fixed salt replaces matplotlib's random element ids; text stays text, so that it can be searched and selected.
    with mpl.rc_context({"svg.hashsalt": "benchroute", "svg.fonttype": "none"}):
        return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


def to_png(figure: Figure) -> bytes:
    """Render the figure as PNG."""
    return _saved(figure, format="png", dpi=150, metadata={"Software": None})


def _saved(figure: Figure, **options: object) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, **options)  # type: ignore[arg-type]
    return data.getvalue()


def _drawn(evaluation: Evaluation, draw: Callable[[Evaluation, Axes], None]) -> Figure:
    # Figure without pyplot: no global state, no display, and safe in threads.
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    draw(evaluation, axes)
    return figure


def _has_alphas(evaluation: Evaluation) -> bool:
    return len({row.alpha for row in evaluation.rows if row.system == "S3"}) > 1


def _line(axes: Axes, system: str, x: Sequence[float], y: Sequence[float]) -> None:
    colour, marker, style = STYLES[system]
    axes.plot(x, y, color=colour, marker=marker, linestyle=style, label=system, markersize=5, linewidth=1.5)


def _against_alpha(evaluation: Evaluation, axes: Axes, name: str) -> None:
    for system in STYLES:
        rows = [row for row in evaluation.rows if row.system == system and getattr(row, name) is not None]
        if len(rows) > 1:
            _line(axes, system, [row.alpha for row in rows], [getattr(row, name) for row in rows])
    axes.set_xlabel("share of the task's inputs that are labelled, alpha")
    axes.legend(frameon=False, ncols=2, fontsize="small")


def _accuracy_against_alpha(evaluation: Evaluation, axes: Axes) -> None:
    _against_alpha(evaluation, axes, "accuracy")
    axes.set_ylabel("accuracy of the chosen model")


def _pearson_against_alpha(evaluation: Evaluation, axes: Axes) -> None:
    _against_alpha(evaluation, axes, "pearson")
    axes.set_ylabel("Pearson, scores and accuracies")


def _correlated(choices: Sequence[FoldChoice]) -> dict[str, list[tuple[float, float]]]:
    """Return (u, Pearson) of every dataset and alpha by system, mean over the repeats."""
    found: dict[tuple[str, str, float], list[tuple[float, float]]] = {}
    for one in choices:
        if one.system in ROUTERS and one.pearson is not None:
            found.setdefault((one.system, one.dataset, one.alpha), []).append((one.distance, one.pearson))
    points: dict[str, list[tuple[float, float]]] = {}
    for (system, *_), pairs in found.items():
        u, pearson = np.mean(pairs, axis=0).tolist()
        points.setdefault(system, []).append((u, pearson))
    return points


def _pearson_against_distance(evaluation: Evaluation, axes: Axes) -> None:
    for system, points in _correlated(evaluation.choices).items():
        colour, marker, _ = STYLES[system]
        u, pearson = zip(*points, strict=True)
        axes.scatter(u, pearson, color=colour, marker=marker, label=system, s=18, alpha=0.7)
    axes.set_xlabel("distance of the task to the benchmarks, u")
    axes.set_ylabel("Pearson, scores and accuracies")
    axes.legend(frameon=False)


def _predictor_against_alpha(evaluation: Evaluation, axes: Axes) -> None:
    alphas = [one.alpha for one in evaluation.quality]
    axes.plot(alphas, [one.accuracy for one in evaluation.quality], "o-", color="#0072B2", label="accuracy of g_bar")
    axes.plot(alphas, [one.mae_of_p for one in evaluation.quality], "s--", color="#D55E00", label="mean error of p")
    axes.plot(alphas, [one.mae_of_atc for one in evaluation.quality], "<:", color="#8c6d1f", label="of p by ATC")
    # Errors next to an accuracy: an axis from 0 shows their true proportion.
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of the task's inputs that are labelled, alpha")
    axes.legend(frameon=False)


def _metric_against_sparsity(evaluation: Evaluation, axes: Axes) -> None:
    for system in ("S1", "BMA", "LL", "random", "oracle"):
        found = [one for one in evaluation.sparse if one.system == system]
        if found:
            _line(axes, system, [one.cutoff for one in found], [one.metric for one in found])
    asked = [one for one in evaluation.sparse if one.system == "S1"]
    axes.plot([one.cutoff for one in asked], [one.share for one in asked], color="#999999", label="share of inputs")
    axes.set_xlabel("inputs whose mean distance to their 10 nearest is below C")
    axes.set_ylabel("mean outcome, chosen input by input")
    axes.legend(frameon=False, ncols=2, fontsize="small")


def _accuracy_against_cost(evaluation: Evaluation, axes: Axes) -> None:
    right = max(point.cost for one in evaluation.curves for point in one.points)
    for one in evaluation.curves:
        colour, marker, style = CURVES[one.system]
        x, y = [point.cost for point in one.hull], [point.accuracy for point in one.hull]
        # The area in the legend: curves that cross cannot be ranked by eye.
        label = f"{one.system.replace('_', ', ', 1)}: {one.area:.4f}"
        axes.plot([*x, right], [*y, y[-1]], color=colour, linestyle=style, label=label, linewidth=1.5)
        axes.scatter(x, y, color=colour, marker=marker, s=14)
    axes.set_xlabel("US dollars a million tokens" if evaluation.cost_by == "price" else "size, billions of parameters")
    axes.set_ylabel("accuracy, mean over datasets")
    axes.legend(frameon=False, fontsize="small")


def _accuracy_against_price(evaluation: Evaluation, axes: Axes) -> None:
    priced = [model for model in evaluation.models if model.price]
    prices = [model.price or 0.0 for model in priced]
    axes.scatter(prices, [model.accuracy for model in priced], color="#bbbbbb", s=18, label="single models")
    for row in evaluation.rows:
        if row.alpha == 0 and row.price and row.system in (*ROUTERS, "BMA", "oracle"):
            colour, marker, _ = STYLES[row.system]
            axes.scatter([row.price], [row.accuracy], color=colour, marker=marker, s=60, label=row.system)
    # Prices span orders of magnitude.
    axes.set_xscale("log")
    axes.set_xlabel("US dollars a million tokens (where known)")
    axes.set_ylabel("accuracy, mean over datasets")
    axes.legend(frameon=False, fontsize="small")


def _gain_by_dataset(evaluation: Evaluation, axes: Axes) -> None:
    gains: dict[str, float] = {}
    for one in evaluation.choices:
        if one.system == "S3" and one.alpha == 0:
            gains[one.dataset] = 100 * (one.accuracy - one.bma)
    names = sorted(gains, key=lambda name: gains[name])
    values = np.array([gains[name] for name in names])
    colours = np.where(values < 0, "#D55E00", "#0072B2").tolist()
    axes.bar(range(len(names)), values, color=colours, hatch=["//" if value < 0 else "" for value in values])
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=5)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("points over best on average, S3")
