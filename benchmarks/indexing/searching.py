"""An index opened and searched in a process of its own: `python -m benchmarks.indexing.searching NAME FOLDER`.

FOLDER has the index, queries.npy and true.npy; rows of JSON out, one for each setting of the search.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.indexing.backends import Search, find_backend, time_call
from routing.arrays import Embeddings, Ints

NEAREST = 19
ALONE = 100
"""Queries that are asked one at a time."""


def read_memory_mb() -> dict[str, float]:
    """Return this process's own memory, and what of mapped files is in memory, MB."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith("Rss")}
    return {"memory_mb": found["RssAnon"], "mapped_mb": found["RssFile"]}


def find_recall(found: Ints, true: Ints) -> float:
    """Return the share of the true nearest that were found."""
    return float(np.mean([len(np.intersect1d(one, other)) / NEAREST for one, other in zip(found, true, strict=True)]))


def measure_search(name: str, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each setting: CPU seconds and milliseconds, memory above that of the imports, recall.

    The first half of the queries are of known tasks, the second of new ones.
    """
    queries, true, backend = np.load(folder / "queries.npy"), np.load(folder / "true.npy"), find_backend(name)
    half, before = len(queries) // 2, read_memory_mb()
    load_s, searches = time_call(lambda: backend.load(folder))
    rows = []
    for setting, search in searches.items():
        search(queries[:5], NEAREST)
        batch_s, found = _time_search(search, queries)
        alone = [_time_search(search, queries[at : at + 1])[0] for at in range(ALONE)]
        rows.append(
            {
                "setting": setting,
                "load_s": round(load_s, 3),
                "recall_known": round(find_recall(found[:half], true[:half]), 4),
                "recall_new": round(find_recall(found[half:], true[half:]), 4),
                "ms_in_batches": round(1000 * batch_s / len(queries), 3),
                "ms_alone": round(1000 * float(np.median(alone)), 3),
                **{what: round(mb - before[what]) for what, mb in read_memory_mb().items()},
            }
        )
    return rows


def _time_search(search: Search, queries: Embeddings) -> tuple[float, Ints]:
    """Return the CPU seconds of a search, and the rows found."""
    return time_call(lambda: search(queries, NEAREST))


if __name__ == "__main__":
    print(json.dumps(measure_search(sys.argv[1], Path(sys.argv[2]))))
