"""Time of pages by filter: the first page, and one far behind it."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.request_log.traffic import model_name, task_name
from gateway.request_log.entry import TIME_BITS
from gateway.request_log.filters import RequestFilter
from gateway.request_log.pages import read_following, read_newest, read_request
from gateway.request_log.storage import RequestStore

LIMIT = 100
DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class PageTimes:
    """Times of one kind of page, in milliseconds. rows: on the first page."""

    name: str
    rows: int
    median_ms: float
    max_ms: float


def page_kinds() -> dict[str, RequestFilter]:
    """Return the filters: frequent and rare values, combinations, and those that match nothing and so read all."""
    now = int(time.time() * 1e6)
    busy, rare = task_name(1), task_name(299)
    everything = {"task": rare, "model": model_name(3), "key": "key-3", "reason": "session"}
    return {
        "no filter": RequestFilter(),
        "one hour, ten days ago": RequestFilter(since_us=now - 10 * DAY_US, until_us=now - 10 * DAY_US + DAY_US // 24),
        "busiest task": RequestFilter(equal={"task": busy}),
        "rare task": RequestFilter(equal={"task": rare}),
        "model": RequestFilter(equal={"model": model_name(3)}),
        "backend": RequestFilter(equal={"backend": f"{model_name(3)}/1"}),
        "reason": RequestFilter(equal={"reason": "cold-start"}),
        "key": RequestFilter(equal={"key": "key-3"}),
        "status 5xx": RequestFilter(statuses=((500, 599),)),
        "rare task and status 5xx": RequestFilter(equal={"task": rare}, statuses=((500, 599),)),
        "latency, few": RequestFilter(min_latency_ms=60_000),
        "cost, few": RequestFilter(min_cost_usd=0.5),
        "all at once, nothing": RequestFilter(
            equal=everything, statuses=((500, 599),), min_latency_ms=1e6, min_cost_usd=9, search="req_0"
        ),
        "an unknown task": RequestFilter(equal={"task": "nowhere"}),
        "latency and cost, nothing": RequestFilter(min_latency_ms=1e9, min_cost_usd=0),
        "beginning of an ID": RequestFilter(search="req_0123"),
        "beginning of a client's ID": RequestFilter(search="order-01"),
    }


def time_pages(store: RequestStore, repeats: int) -> Iterator[PageTimes]:
    """Yield the times of every kind of page."""
    middle = _middle_number(store)
    for name, wanted in page_kinds().items():
        first = read_newest(store, wanted, None, LIMIT)
        yield _timed(name, len(first.rows), repeats, partial(read_newest, store, wanted, None, LIMIT))
        further = partial(read_newest, store, wanted, middle, LIMIT)
        yield _timed(f"{name}; from the middle on", len(further().rows), repeats, further)
    newest = read_newest(store, RequestFilter(), None, 1).rows[0]
    following = partial(read_following, store, RequestFilter(), newest.number, LIMIT)
    yield _timed("live tail, nothing new", 0, repeats, following)
    yield _timed("one request, the newest", 1, repeats, partial(read_request, store, newest.id))
    yield _timed("one request, unknown", 0, repeats, partial(read_request, store, f"req_{'f' * 24}"))


def _middle_number(store: RequestStore) -> int:
    size = store.measure()
    newest = read_newest(store, RequestFilter(), None, 1).rows[0]
    return ((size.oldest_us or 0) + newest.at_us) // 2 << TIME_BITS


def _timed(name: str, rows: int, repeats: int, read: Callable[[], object]) -> PageTimes:
    times = []
    for _ in range(repeats):
        before = time.perf_counter()
        read()
        times.append(1000 * (time.perf_counter() - before))
    return PageTimes(name, rows, statistics.median(times), max(times))
