"""Build, load and search every index at every size, then build whole packs; write after each."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.indexing.backends import Backend, backends, time_call
from benchmarks.indexing.building import MODELS, measure_build
from benchmarks.indexing.repeated import read_real_embeddings
from benchmarks.indexing.searching import NEAREST
from routing.arrays import Embeddings, Ints

QUERIES = 300
"""Of known tasks, and as many of new ones."""

BLOCK = 100_000


def find_true(vectors: Embeddings, queries: Embeddings) -> Ints:
    """Return the rows of the exact nearest, (n_queries, NEAREST), best first."""
    cosines, rows = np.empty((len(queries), 0), dtype=np.float32), np.empty((len(queries), 0), dtype=np.int64)
    for start in range(0, len(vectors), BLOCK):
        more = queries @ vectors[start : start + BLOCK].T
        cosines = np.hstack([cosines, more])
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + more.shape[1]), more.shape)])
        best = np.argpartition(-cosines, NEAREST - 1, axis=1)[:, :NEAREST]
        cosines, rows = np.take_along_axis(cosines, best, axis=1), np.take_along_axis(rows, best, axis=1)
    return np.take_along_axis(rows, np.argsort(-cosines, axis=1, kind="stable"), axis=1)


def measure_index(
    backend: Backend, inputs: tuple[Embeddings, Ints], queries: Embeddings, true: Ints
) -> Iterator[dict[str, Any]]:
    """Measure one index at one size: a row for each setting of its search. inputs: vectors, and their datasets."""
    vectors, datasets = inputs
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build_s, _ = time_call(lambda: backend.build(vectors, datasets, folder))
        size = sum(path.stat().st_size for path in folder.iterdir())
        np.save(folder / "queries.npy", queries)
        np.save(folder / "true.npy", true)
        command = [sys.executable, "-m", "benchmarks.indexing.searching", backend.name, str(folder)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    for row in json.loads(done.stdout.splitlines()[-1]):
        yield {
            "index": backend.name,
            "n": len(vectors),
            "build_s": round(build_s, 2),
            "size_mb": round(size / 1e6, 1),
            **row,
        }


def main() -> None:
    """Measure size by size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", type=Path, nargs="+", required=True, help="benchmarks with embeddings.f16.npy")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--builds", type=int, nargs="*", default=[], help="inputs of whole packs to build")
    parser.add_argument("--models", type=int, default=MODELS, help="models of these packs")
    parser.add_argument("--long", action="store_true", help="a million inputs too, where an index can: an hour")
    parser.add_argument("--only", default="", help="backends whose names contain this")
    parser.add_argument("--results", type=Path, default=Path("results/indexing.json"))
    asked = parser.parse_args()
    real, rows = read_real_embeddings(asked.benchmark), list[dict[str, Any]]()
    queries = np.concatenate(real.draw_queries(QUERIES))
    for size in asked.sizes + ([1_000_000] if asked.long else []):
        vectors = real.repeat_to(size)
        true = find_true(vectors, queries)
        for backend in backends():
            if size > backend.largest or asked.only not in backend.name:
                continue
            for row in measure_index(backend, (vectors, real.datasets_of(size)), queries, true):
                rows.append(row)
                print(json.dumps(row), flush=True)
            write_results(rows, [], asked.results)
    builds = list[dict[str, Any]]()
    for size in asked.builds + ([1_000_000] if asked.long else []):
        builds.append(measure_build(real, size, asked.models))
        print(json.dumps(builds[-1]), flush=True)
        write_results(rows, builds, asked.results)


def write_results(rows: list[dict[str, Any]], builds: list[dict[str, Any]], path: Path) -> None:
    """Write rows of indexes and of whole builds, and versions."""
    made = {
        "vectors": "real, repeated with noise",
        "threads": 1,
        "versions": {name: _version(name) for name in ("hnswlib", "faiss-cpu", "usearch", "numpy")},
        "rows": rows,
        "builds": builds,
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
