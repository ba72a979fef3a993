"""The replay's tables."""

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.replaying.results import TaskResult, Totals
from demo.results import Comparison

LEFT = ("task", "model", "reason")


def print_results(console: Console, results: Sequence[TaskResult], totals: Totals, best_on_average: str) -> None:
    """Print accuracy, cost, changed choices, and the agreement of gateway and library."""
    best = short_name(best_on_average)
    _title(console, f"accuracy, %: routed with the cold start included, {best} (best on average), oracle; eq. 6 once")
    console.print(_accuracy(results, totals))
    _title(console, "estimated cost, US cents: four characters a token, 100 tokens an answer")
    console.print(_costs(results, totals))
    _title(console, "decisions that changed the model, and after how many inputs")
    for result in results:
        moves = " → ".join(f"{short_name(turn.model)} ({turn.n})" for turn in result.history)
        console.print(f"  {result.task}: {moves}", highlight=False, soft_wrap=True)
    console.print()
    _print_check(console, results, totals)


def short_name(model: str) -> str:
    """Return a model's name without its organisation."""
    return model.rpartition("/")[2]


def _accuracy(results: Sequence[TaskResult], totals: Totals) -> Table:
    table = _table(("task", "model", "reason", "n", "u", "routed", "average", "oracle", "eq. 6"))
    for result in results:
        cells = (
            str(result.n),
            f"{result.u:.3f}",
            *_each(result.accuracy, 100),
            f"{100 * result.scratch.accuracy:.1f}",
        )
        table.add_row(result.task, short_name(result.model), result.reason, *cells)
    table.add_section()
    means = (*_each(totals.accuracy, 100), f"{100 * totals.scratch:.1f}")
    table.add_row("every task weighing the same", "", "", str(totals.n), "", *means, style="bold")
    return table


def _costs(results: Sequence[TaskResult], totals: Totals) -> Table:
    table = _table(("task", "routed", "average", "oracle"))
    for result in results:
        table.add_row(result.task, *_each(result.cost_usd, 100))
    table.add_section()
    table.add_row("all tasks", *_each(totals.cost_usd, 100), style="bold")
    return table


def _print_check(console: Console, results: Sequence[TaskResult], totals: Totals) -> None:
    largest = ", ".join(f"{kind} {gap:.1e}" for kind, gap in totals.largest_difference.items())
    console.print(f"gateway against library, largest differences: {largest}", highlight=False)
    far = {kind: max(result.given_difference[kind] for result in results) for kind in totals.largest_difference}
    gaps = ", ".join(f"{kind} {gap:.1e}" for kind, gap in far.items())
    same = sum(result.given.model == result.scratch.model for result in results)
    console.print(
        f"library on the benchmark's own embeddings: {same} of {len(results)} choices of eq. 6 the same, "
        f"accuracy {totals.given:.1%}, largest differences: {gaps}",
        highlight=False,
        soft_wrap=True,
    )
    for result in results:
        for difference in result.differences:
            console.print(f"[bold red]DIFFERENT[/]  {escape(difference)}", highlight=False, soft_wrap=True)
    if not totals.differences:
        console.print("every decision, score and history equals the library's", style="bold", highlight=False)


def _title(console: Console, title: str) -> None:
    console.print(f"\n{title}", highlight=False, soft_wrap=True)


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="left" if name in LEFT else "right", no_wrap=True)
    return table


def _each(comparison: Comparison, factor: float) -> tuple[str, ...]:
    values = (comparison.routed, comparison.best_on_average, comparison.oracle)
    return tuple("–" if math.isnan(value) else f"{factor * value:.1f}" for value in values)
