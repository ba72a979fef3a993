"""Fill a store, time its pages, and print Markdown."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.request_log.cost import cpu_per_request_us
from benchmarks.request_log.fill import fill_store, size_on_disk
from benchmarks.request_log.pages import PageTimes, time_pages
from gateway.request_log.sqlite import SqliteRequestStore
from gateway.request_log.storage import RequestStore

BATCHES = (1, 20, 200, 1000)
"""Requests that are written at once: half a second of 2 to 2,000 requests a second."""

REMOVED_SHARE = 10


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[tuple[RequestStore, Any]]:
    """Yield an empty store, and a function that returns the bytes it takes."""
    if kind == "sqlite":
        path = folder / "log.db"
        store = SqliteRequestStore(str(path))
        yield store, lambda: size_on_disk(path)
        store.close()
        return
    from gateway.distributed.redis_client import RedisClient
    from gateway.distributed.request_log import RedisRequestStore
    from tests.gateway.redis_servers import running_redis

    with running_redis(folder) as server, server.client() as client:
        shared = RedisRequestStore(RedisClient(server.url), 14)
        yield shared, lambda: client.info("memory")["used_memory"]
        shared.close()


def measure_store(kind: str, rows: int, repeats: int) -> dict[str, Any]:
    """Return what a filled store takes, by name."""
    with tempfile.TemporaryDirectory() as folder, opened(kind, Path(folder)) as (store, taken):
        spent, size = fill_store(store, rows), taken()
        print(f"filled: {1e6 * spent / rows:.1f} µs of CPU and {size / rows:.0f} bytes a request", file=sys.stderr)
        pages = list(time_pages(store, repeats))
        print_pages(pages)
        held = store.measure()
        before = time.perf_counter()
        removed = store.remove_old(0, held.bytes - held.bytes // REMOVED_SHARE)
        removal_s = time.perf_counter() - before
        print(f"\nRemoving {removed} of {rows} requests took {removal_s:.2f} s.")
    return {
        "store": kind,
        "rows": rows,
        "write_cpu_us": 1e6 * spent / rows,
        "bytes_per_request": size / rows,
        "pages": [asdict(page) for page in pages],
        "removed": removed,
        "removal_s": removal_s,
    }


def print_pages(pages: list[PageTimes]) -> None:
    """Print the times as a table."""
    print("| page of 100 | rows | median, ms | max, ms |\n|---|--:|--:|--:|")
    for page in pages:
        print(f"| {page.name} | {page.rows} | {page.median_ms:.1f} | {page.max_ms:.1f} |")


def measure_cpu(requests: int) -> dict[str, float]:
    """Return CPU per request by the size of batches, in microseconds."""
    found = {str(batch): cpu_per_request_us(requests if batch > 1 else requests // 10, batch) for batch in BATCHES}
    for batch, spent in found.items():
        print(f"{batch} at a time: {spent:.1f} µs of CPU a request")
    return found


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.request_log")
    parser.add_argument("--store", choices=("sqlite", "redis"), default="sqlite")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--cpu", action="store_true", help="measure the CPU per request instead")
    parser.add_argument("--results", type=Path, help="write the figures here, as JSON")
    asked = parser.parse_args()
    found = measure_cpu(asked.rows // 50) if asked.cpu else measure_store(asked.store, asked.rows, asked.repeats)
    if asked.results is not None:
        asked.results.parent.mkdir(parents=True, exist_ok=True)
        asked.results.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
