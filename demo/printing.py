"""Tables of the demo."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from demo.models import MODELS
from demo.results import Comparison, TaskResult, compute_totals


def print_models(console: Console) -> None:
    """Print the demo models and their prices."""
    table = Table(
        title="demo models (sizes and prices are made up, skills are real)", title_justify="left", box=SIMPLE_HEAD
    )
    for name, justify in (
        ("model", "left"),
        ("good at", "left"),
        ("size, B", "right"),
        ("in/out, USD per Mtok", "right"),
    ):
        table.add_column(name, justify="right" if justify == "right" else "left")
    for model in MODELS:
        prices = f"{model.input_usd_per_mtok:g} / {model.output_usd_per_mtok:g}"
        table.add_row(model.name, model.about, f"{model.params_b:g}", prices)
    console.print(table)


def print_task(console: Console, result: TaskResult) -> None:
    """Print a task: the chosen model and the reason, the scores of every model, and changes of the choice."""
    console.print()
    console.print(f"[bold]{result.task}[/]  →  [bold green]{result.model}[/]  ({result.reason})", highlight=False)
    console.print(f"  {result.why}", highlight=False)
    near = ", ".join(f"{row['dataset']} {row['cosine']:.2f}" for row in result.nearest_datasets)
    if result.u is not None and near:
        console.print(f"  u = {result.u:.2f}; nearest datasets (cosine): {near}", highlight=False)
    console.print(f"  decisions: {_moves(result.history)}", highlight=False)
    console.print(_scores(result.scores, result.model))


def print_summary(console: Console, results: Sequence[TaskResult], best_on_average: str) -> None:
    """Print all tasks against the best model on average and the oracle: accuracy, then cost."""
    everything = compute_totals(results)
    accuracy = _comparison(f"accuracy: routed, {best_on_average} (best on average), oracle", ("reason", "n"))
    cost = _comparison("cost of these requests, US cents", ())
    for result in results:
        head = (result.task, result.model)
        accuracy.add_row(*head, result.reason, str(result.n), *_each(result.accuracy, "{:.1%}"))
        cost.add_row(*head, *_each(_cents(result.cost_usd), "{:.3f}"))
    accuracy.add_section()
    accuracy.add_row("all tasks", "", "", str(everything.n), *_each(everything.accuracy, "{:.1%}"), style="bold")
    cost.add_section()
    cost.add_row("all tasks", "", *_each(_cents(everything.cost_usd), "{:.3f}"), style="bold")
    for table in (accuracy, cost):
        console.print()
        console.print(table)
    console.print()
    console.print(_sentence(everything.accuracy, everything.cost_usd), highlight=False)


def _comparison(title: str, between: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("task", "model"):
        table.add_column(name)
    for name in (*between, "routed", "average", "oracle"):
        table.add_column(name, justify="left" if name == "reason" else "right")
    return table


def _each(comparison: Comparison, pattern: str) -> tuple[str, ...]:
    return tuple(pattern.format(value) for value in (comparison.routed, comparison.best_on_average, comparison.oracle))


def _cents(usd: Comparison) -> Comparison:
    return Comparison(100 * usd.routed, 100 * usd.best_on_average, 100 * usd.oracle)


def _scores(scores: Sequence[Mapping[str, Any]], chosen: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("  model")
    for name in ("S1", "S2", "S3", "p"):
        table.add_column(name, justify="right")
    for row in scores:
        numbers = (_number(row[name]) for name in ("s1", "s2", "s3", "p"))
        table.add_row(f"  {row['model']}", *numbers, style="green" if row["model"] == chosen else "")
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _moves(history: Sequence[Mapping[str, Any]]) -> str:
    """Return the first choice, and the n at which it changed."""
    moves: list[tuple[str, Any]] = []
    for row in sorted(history, key=lambda row: int(row["version"])):
        if not moves or moves[-1][0] != row["model"]:
            moves.append((row["model"], row["n"]))
    return " → ".join(f"{model} (n = {n})" for model, n in moves) or "none yet"


def _sentence(accuracy: Comparison, cost_usd: Comparison) -> str:
    points = 100 * (accuracy.routed - accuracy.best_on_average)
    share = cost_usd.routed / cost_usd.best_on_average if cost_usd.best_on_average else float("nan")
    return (
        f"Routed accuracy {accuracy.routed:.1%}, {points:+.1f} points against always using the best model on average, "
        f"for {share:.0%} of its cost. The cold start of every task is included."
    )
