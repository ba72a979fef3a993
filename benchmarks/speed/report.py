"""A run for readers: a table of loads, one of ratios against what is aimed at, and a figure."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.speed.results import OURS, Figures

AIMS: Mapping[str, tuple[str, float, float]] = {
    "share_of_nginx": ("requests per CPU second, of nginx's", 0.25, 0.5),
    "times_litellm": ("requests per CPU second, LiteLLM's times", 100, 200),
    "chunk_times_nginx": ("CPU per SSE chunk, nginx's times", -2.5, -1.7),
    "chunk_times_litellm": ("SSE chunks per CPU second, LiteLLM's times", 35, 50),
    "added_p50_times_nginx": ("added p50 at one connection, nginx's times", -2, -1.3),
    "body100k_times_nginx": ("CPU per 100 KB body, nginx's times", -2.5, -1.4),
    "slow_added_p50_ms": ("added p50 with a backend of 50 ms, 128 connections, ms", -2, -0.5),
}
"""Ratio -> what it is, what is wanted at least, what is aimed at. Negative: at most."""


def show(found: Figures, console: Console) -> None:
    """Both tables."""
    console.print(_costs(found))
    console.print(_aims(found))
    for target in found.targets:
        console.print(f"{target.name}: {target.about}", markup=False, soft_wrap=True)


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
    ours, plain = found.ratios(OURS), found.ratios(f"{OURS}-asgi")
    table = Table("", "benchroute", "lane: asgi", "at least", "aim", "")
    for name, (about, least, aim) in AIMS.items():
        if name in ours:
            verdict = "aim" if _holds(ours[name], aim) else "at least" if _holds(ours[name], least) else "missed"
            other = f"{plain[name]:.2f}" if name in plain else "–"
            table.add_row(about, f"{ours[name]:.2f}", other, f"{abs(least):g}", f"{abs(aim):g}", verdict)
    return table


def _holds(value: float, wanted: float) -> bool:
    return value >= wanted if wanted > 0 else value <= -wanted


def draw(found: Figures, path: Path) -> None:
    """CPU per request or chunk of every target, by load; logarithmic, since they lie far apart."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    colours = {"nginx": "#009E73", "litellm": "#D55E00", OURS: "#0072B2", f"{OURS}-asgi": "#56B4E9"}
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
