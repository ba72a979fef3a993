"""A store filled with made-up requests, as a gateway's thread writes them."""

import time
from itertools import islice
from pathlib import Path

from benchmarks.request_log.traffic import make_traffic
from gateway.request_log.compactor import Compactor
from gateway.request_log.entry import to_columns
from gateway.request_log.storage import RequestStore

BATCH = 200
"""Requests written at once: what ends within half a second at 400 a second."""


def fill_store(store: RequestStore, count: int) -> float:
    """Fill a store. Return the seconds of CPU that the writing took, of this process."""
    compactor, spent = Compactor(store), 0.0
    rows = make_traffic(count, int(time.time() * 1e6))
    while batch := list(islice(rows, BATCH)):
        before = time.process_time()
        compactor.write_columns(to_columns(batch))
        spent += time.process_time() - before
    return spent


def size_on_disk(path: Path) -> int:
    """Return the bytes of a SQLite file with its journal."""
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))
