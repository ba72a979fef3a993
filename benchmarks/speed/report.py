"""A run as text and figure: a table of costs, a table of ratios with their targets."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.speed.lag import describe_lag
from benchmarks.speed.machine import describe_machine
from benchmarks.speed.measure import Sample
from benchmarks.speed.results import GATEWAY, Figures

AIMS: Mapping[str, tuple[str, float, float]] = {
    "share_of_nginx": ("requests per CPU second, of nginx's", 0.25, 0.5),
    "chunk_times_nginx": ("CPU per SSE chunk, nginx's times", -2, -1.4),
    "added_p50_times_nginx": ("added p50 at one connection, nginx's times", -2.5, -1.5),
    "body100k_times_nginx": ("CPU per 100 KB body, nginx's times", -2.5, -1.4),
    "slow_added_p50_ms": ("added p50 with a backend of 50 ms, 128 connections, ms", -3, -0.5),
    "times_litellm": ("requests per CPU second, LiteLLM's times", 120, 250),
    "start_s": ("start to the first response, s", -0.8, -0.5),
    "memory_mb": ("memory without the scorer, MB", -80, -60),
}
"""Ratio -> (description, required, target). Positive values are lower limits, negative ones upper limits."""


def print_tables(found: Figures, console: Console) -> None:
    """Print both tables, the event loop's lag, the machine, and what was left out or measured again."""
    console.print(_costs(found))
    console.print(_aims(found))
    machine, _ = describe_machine(found.run.python, found.run.load_before)
    lines = [
        *_instructions(found),
        *_lags(found),
        *(f"{target.name}: {target.about}" for target in found.targets),
        "machine: " + ", ".join(f"{name} {value}" for name, value in machine.items()),
        *found.run.left_out,
        *found.run.remarks,
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True, highlight=False)


def _instructions(found: Figures) -> Iterator[str]:
    """Yield instructions per request or chunk: under load where they are counted, else of replayed requests."""
    for target in found.targets:
        medians = [(load, found.median(target.name, load.name)) for load in found.loads]
        counted = [
            f"{load.about}: {one.instructions:,.0f} a {load.unit}" for load, one in medians if one and one.instructions
        ]
        if counted:
            yield f"instructions of {target.name}, user and kernel: " + "; ".join(counted)
    if found.run.replayed:
        shown = "; ".join(f"{name} {value:,.0f}" for name, value in found.run.replayed.items())
        yield f"instructions of the gateway without sockets and kernel, replayed under valgrind: {shown}"


def _lags(found: Figures) -> Iterator[str]:
    """Yield how late the event loop of each gateway was during each load."""
    for target in found.targets:
        for load in found.loads:
            one = found.median(target.name, load.name)
            if one is not None and one.lag:
                yield f"event loop lag of {target.name}, {load.about}: {describe_lag(one.lag)}"


def _costs(found: Figures) -> Table:
    table = Table("target", *(f"{load.about}: CPU us/{load.unit}" for load in found.loads), "MB", "start s")
    for target in found.targets:
        medians = [found.median(target.name, load.name) for load in found.loads]
        shown = [
            "–" if one is None else f"{one.cpu_us:.1f}{_scorer(one)}\n{one.per_second:,.0f}/s\np50 {one.p50_us:,.0f} us"
            for one in medians
        ]
        memory, start = found.memory_mb.get(target.name), found.start_s.get(target.name)
        table.add_row(target.name, *shown, f"{memory:.0f}" if memory else "–", f"{start:.2f}" if start else "–")
    return table


def _scorer(one: Sample) -> str:
    return f"\nscorer {one.scorer_us:.1f}" if one.scorer_us else ""


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
