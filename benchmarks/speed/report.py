"""A run as text and figure: a table of costs, a table of ratios with their targets."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.speed.results import GATEWAY, Figures

AIMS: Mapping[str, tuple[str, float, float]] = {
    "share_of_nginx": ("requests per CPU second, of nginx's", 0.25, 0.5),
    "times_litellm": ("requests per CPU second, LiteLLM's times", 100, 200),
    "chunk_times_nginx": ("CPU per SSE chunk, nginx's times", -2.5, -1.7),
    "chunk_times_litellm": ("SSE chunks per CPU second, LiteLLM's times", 35, 50),
    "added_p50_times_nginx": ("added p50 at one connection, nginx's times", -2, -1.3),
    "body100k_times_nginx": ("CPU per 100 KB body, nginx's times", -2.5, -1.4),
    "slow_added_p50_ms": ("added p50 with a backend of 50 ms, 128 connections, ms", -2, -0.5),
}
"""Ratio -> (description, required, target). Positive values are lower limits, negative ones upper limits."""


def print_tables(found: Figures, console: Console) -> None:
    """Print both tables, the targets' descriptions, and the parts that were left out."""
    console.print(_costs(found))
    console.print(_aims(found))
    for target in found.targets:
        console.print(f"{target.name}: {target.about}", markup=False, soft_wrap=True)
    for line in found.left_out:
        console.print(line, markup=False, soft_wrap=True)


def _costs(found: Figures) -> Table:
    table = Table("target", *(f"{load.about}: CPU us/{load.unit}" for load in found.loads), "MB", "start s")
    for target in found.targets:
        medians = [found.median(target.name, load.name) for load in found.loads]
        shown = [
            "–" if one is None else f"{one.cpu_us:.1f}\n{one.per_second:,.0f}/s\np50 {one.p50_us:,.0f} us"
            for one in medians
        ]
        memory, start = found.memory_mb.get(target.name), found.start_s.get(target.name)
        table.add_row(target.name, *shown, f"{memory:.0f}" if memory else "–", f"{start:.2f}" if start else "–")
    return table


def _aims(found: Figures) -> Table:
    ratios, asgi = found.ratios(GATEWAY), found.ratios(f"{GATEWAY}-asgi")
    table = Table("", "benchroute", "lane: asgi", "required", "target", "")
    for name, (about, least, aim) in AIMS.items():
        if name in ratios:
            verdict = (
                "target met"
                if _holds(ratios[name], aim)
                else "required met"
                if _holds(ratios[name], least)
                else "missed"
            )
            other = f"{asgi[name]:.2f}" if name in asgi else "–"
            table.add_row(about, f"{ratios[name]:.2f}", other, f"{abs(least):g}", f"{abs(aim):g}", verdict)
    return table


def _holds(value: float, limit: float) -> bool:
    return value >= limit if limit > 0 else value <= -limit


def draw_figure(found: Figures, path: Path) -> None:
    """Write an SVG of CPU per request or chunk, by load and target; logarithmic, since costs differ 300-fold."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    colours = {"nginx": "#009E73", "litellm": "#D55E00", GATEWAY: "#0072B2", f"{GATEWAY}-asgi": "#56B4E9"}
    shown = [target.name for target in found.targets if target.name in colours]
    with mpl.rc_context({"svg.hashsalt": "benchroute", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8.0, 4.2), layout="constrained")
        axes = figure.add_subplot()
        for place, name in enumerate(shown):
            medians = [found.median(name, load.name) for load in found.loads]
            at = [n + (place - (len(shown) - 1) / 2) * 0.2 for n, one in enumerate(medians) if one]
            bars = axes.bar(at, [one.cpu_us for one in medians if one], 0.19, label=name, color=colours[name])
            axes.bar_label(bars, fmt="{:.0f}", fontsize=6)
        axes.set_yscale("log")
        axes.set_ylabel("CPU, microseconds per request\n(per chunk for SSE)")
        axes.set_xticks(range(len(found.loads)), [load.about.replace(", ", "\n") for load in found.loads], fontsize=7)
        axes.legend(fontsize=8)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
