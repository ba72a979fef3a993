"""Build, load and search every index at every size, and draw the growth."""

import argparse
import json
import math
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.indexing.backends import Backend, backends, time_call
from benchmarks.indexing.vectors import DIM, clustered_vectors, draw_queries
from routing.arrays import Embeddings, Ints

NEAREST = 19
QUERIES = 300


def measure_index(backend: Backend, vectors: Embeddings, asked: Embeddings, true: Ints | None) -> dict[str, Any]:
    """Measure one index at one size: CPU seconds on one thread."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build_s, _ = time_call(lambda: backend.build(vectors, folder))
        size = sum(path.stat().st_size for path in folder.iterdir())
        load_s, search = time_call(lambda: backend.load(folder))
        search(asked[:5], NEAREST)
        search_s, found = time_call(lambda: search(asked, NEAREST))
    return {
        "build_s": round(build_s, 2),
        "size_mb": round(size / 1e6, 1),
        "load_s": round(load_s, 3),
        "queries_per_s": round(len(asked) / search_s, 1),
        "recall_at_19": 1.0 if true is None else round(_recall(found, true), 4),
        "found": found,
    }


def _recall(found: Ints, true: Ints) -> float:
    return float(np.mean([len(np.intersect1d(one, other)) / NEAREST for one, other in zip(found, true, strict=True)]))


def fit_growth(rows: list[dict[str, Any]], what: str) -> dict[str, float]:
    """Return the exponent b of time ~ n^b per index, by least squares over at least two sizes."""
    made = {}
    for name in dict.fromkeys(row["index"] for row in rows):
        mine = [row for row in rows if row["index"] == name]
        seconds = [math.log(max(row[what], 1e-6)) for row in mine]
        if len(mine) > 1:
            made[name] = round(float(np.polyfit(np.log([row["n"] for row in mine]), seconds, 1)[0]), 2)
    return made


def draw_figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw four panels over the number of inputs."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6.5), sharex=True)
    panels = (
        ("build_s", "build, CPU s"),
        ("queries_per_s", "queries / CPU s"),
        ("load_s", "load, CPU s"),
        ("recall_at_19", "recall@19"),
    )
    for (what, label), axis in zip(panels, axes.flat, strict=True):
        for name in dict.fromkeys(row["index"] for row in rows):
            mine = [row for row in rows if row["index"] == name]
            axis.plot([row["n"] for row in mine], [max(row[what], 1e-3) for row in mine], "o-", label=name)
        axis.set(xscale="log", yscale="linear" if what == "recall_at_19" else "log", ylabel=label)
        axis.grid(alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("inputs (synthetic, clustered)")
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure size by size; write after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--long", action="store_true", help="a million inputs too, where an index can: an hour")
    parser.add_argument("--results", type=Path, default=Path("results/indexing.json"))
    parser.add_argument("--figure", type=Path, default=None, help="where to draw the growth")
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for size in asked.sizes + ([1_000_000] if asked.long else []):
        vectors, some, true = clustered_vectors(size), draw_queries(QUERIES, size), None
        for backend in backends():
            if size > backend.largest:
                continue
            row = measure_index(backend, vectors, some, true)
            true = row.pop("found") if true is None else (row.pop("found"), true)[1]
            rows.append({"index": backend.name, "n": size, **row})
            print(json.dumps(rows[-1]), flush=True)
        write_results(rows, asked.results)
    if asked.figure:
        draw_figure(rows, asked.figure)


def write_results(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows, growth and versions."""
    made = {
        "vectors": f"synthetic, clustered, {DIM} wide",
        "threads": 1,
        "versions": {name: _version(name) for name in ("hnswlib", "faiss-cpu", "usearch", "numpy")},
        "growth_exponents": {what: fit_growth(rows, what) for what in ("build_s", "load_s")},
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=2) + "\n")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
