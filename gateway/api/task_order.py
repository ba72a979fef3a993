"""Lists of tasks sorted and filtered in the gateway: by what it holds in memory, in a thread beside the event loop."""

import asyncio
import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.api.pagination import LoopShare, PageRequest, SortKey, page_to_json
from gateway.api.services import Services, sees_all
from gateway.api.task_lists import MAX_DETAILED, summarise_tasks
from gateway.api.task_views import (
    SPARK_MINUTES,
    default_tasks,
    task_facts,
    task_kind,
    task_summary,
    worse_in,
)
from gateway.keys.auth import Principal
from gateway.usage.timeseries import MINUTE_S

TaskSort = Literal["id", "requests", "recent", "cost", "savings", "confidence", "inputs", "used"]
TaskFilterKind = Literal["tagged", "automatic", "default", "pinned", "worse"]

NAMES_AT_ONCE = 500
"""Names after which the thread lets the event loop work: about half a millisecond."""
MAX_SCANNED = 20_000
"""Tasks of a store that one page by last use looks at: a rare filter gives a short page then."""
SCAN = 1000

Value = Callable[[str], float | None]


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """Order and filter of a list."""

    sort: TaskSort
    is_descending: bool
    kind: TaskFilterKind | None
    search: str
    prefix: str

    @property
    def list_name(self) -> str:
        """The name that cursors of this list have: with other parameters they are refused."""
        parts = (self.sort, "desc" if self.is_descending else "asc", self.kind or "", self.prefix, self.search)
        return "tasks " + "\n".join(parts)


@dataclass(frozen=True, slots=True)
class SelectedTasks:
    """A page of names, the key that the next one begins behind, and how many match on all pages, None if unknown."""

    names: Sequence[str]
    last: SortKey | None
    total: int | None


async def list_sorted(
    services: Services, client: Principal, query: TaskQuery, page: PageRequest, *, details: bool
) -> dict[str, Any]:
    """Return a page of a sorted list, as JSON. Raises InvalidRequest for a cursor of another list."""
    limit = min(page.limit, MAX_DETAILED) if details else page.limit
    after = page.sort_position(query.list_name)
    recent = await recent_requests(services, client)
    names = _names(services, client, recent, with_undecided=details)
    matches = _matcher(services, client, query)
    if query.sort == "used":
        found = await _select_by_use(services, query, names, matches, after, limit)
    else:
        value = _value_of(services, client, query.sort, recent)
        found = await asyncio.to_thread(_select, names, matches, value, query, after, limit)
    if details:
        rows = await summarise_tasks(services, client, found.names)
        more = {"traffic": await traffic_by_kind(services, client)}
    else:
        rows, more = _plain_rows(services, found.names), {}
    return page_to_json(rows, query.list_name, found.last, total=found.total, **more)


async def recent_requests(services: Services, client: Principal) -> Mapping[str, int]:
    """Return the requests of the last hour of the key's tasks that had any in the last hours."""
    share, requests = LoopShare(), Counter[str]()
    target_of = services.tasks.directory.target_of
    for name, count in services.minutes.requests_by_name("task", SPARK_MINUTES):
        if client.can_use_task(name):
            requests[target_of(name)] += count
        await share.give_way()
    return requests


async def traffic_by_kind(services: Services, client: Principal) -> dict[str, int] | None:
    """Return the requests of the last hour by where they got their task from; None for who sees only a part of them."""
    if not sees_all(services, client):
        return None
    defaults, counts = default_tasks(services), dict.fromkeys(("tagged", "automatic", "default"), 0)
    for name, count in services.minutes.requests_by_name("task", SPARK_MINUTES):
        counts[task_kind(name, defaults)] += count
    return counts


def _names(services: Services, client: Principal, recent: Mapping[str, int], *, with_undecided: bool) -> list[str]:
    """Return the tasks of a list, in no order. A copy: threads read it while tasks come and go."""
    table = services.table
    if client.tasks is not None:
        return [name for name in client.tasks if table.decision_of(name) is not None or name in recent]
    names = list(table.task_names())
    if with_undecided:
        names += [name for name in recent if table.decision_of(name) is None]
        if services.scorer is None:  # tasks of earlier runs: without a pack they are known by their usage alone
            names += [
                one for one in services.ledger.task_names() if one not in recent and table.decision_of(one) is None
            ]
    return names


def _matcher(services: Services, client: Principal, query: TaskQuery) -> Callable[[str], bool]:
    """Return what selects tasks. It is called in a thread, and reads what the event loop replaces, never changes."""
    wanted, prefix, kind = query.search.lower(), query.prefix, query.kind
    directory = services.tasks.directory
    targets, defaults = directory.targets, default_tasks(services)
    named = {task for task, name in directory.named_tasks().items() if wanted in name.lower()}
    pinned = {task for task, settings in services.config.tasks.items() if settings.pin is not None}
    ledger, table, sees_usage = services.ledger, services.table, sees_all(services, client)

    def is_of_kind(name: str) -> bool:
        if kind == "pinned":
            return name in pinned
        if kind == "worse":
            return sees_usage and bool(worse_in(ledger.lifetime_usage(name), table.decision_of(name)))
        return kind is None or task_kind(name, defaults) == kind

    def matches(name: str) -> bool:
        is_found = not wanted or wanted in name.lower() or name in named
        return is_found and name.startswith(prefix) and name not in targets and is_of_kind(name)

    return matches


def _value_of(services: Services, client: Principal, sort: TaskSort, recent: Mapping[str, int]) -> Value:
    """Return the value that a task is sorted by; None where it is not known, or not the client's to see."""
    usage, decision_of = services.ledger.lifetime_usage, services.table.decision_of
    if sort in ("requests", "cost", "savings") and not sees_all(services, client):
        return lambda name: None

    def cost(name: str) -> float | None:
        total = usage(name)
        return float(total.usd) if total.requests > total.unpriced else None

    def savings(name: str) -> float | None:
        total = usage(name)
        return float(total.baseline_usd - total.compared_usd) if total.requests > total.unpriced else None

    def confidence(name: str) -> float | None:
        decision = decision_of(name)
        return None if decision is None else decision.confidence

    def inputs(name: str) -> float:
        decision = decision_of(name)
        return 0.0 if decision is None else decision.n

    values: Mapping[TaskSort, Value] = {
        "id": lambda name: 0.0,
        "requests": lambda name: usage(name).requests,
        "recent": lambda name: recent.get(name, 0),
        "cost": cost,
        "savings": savings,
        "confidence": confidence,
        "inputs": inputs,
    }
    return values[sort]


def _select(
    names: Sequence[str],
    matches: Callable[[str], bool],
    value: Value,
    query: TaskQuery,
    after: SortKey | None,
    limit: int,
) -> SelectedTasks:
    """Return the first of the matching names behind a key."""
    sign, total = -1.0 if query.is_descending else 1.0, 0

    def keys() -> Iterator[SortKey]:
        nonlocal total
        for place, name in enumerate(names):
            if place % NAMES_AT_ONCE == 0:
                time.sleep(0)  # the interpreter's lock is free for a moment
            if matches(name):
                total += 1
                found = value(name)
                yield (math.inf if found is None else sign * found, name)

    if query.sort == "id" and query.is_descending:
        largest = heapq.nlargest(limit + 1, (key for key in keys() if after is None or key < after))
        return _page(largest, limit, total)
    return _page(heapq.nsmallest(limit + 1, (key for key in keys() if after is None or key > after)), limit, total)


async def _select_by_use(
    services: Services,
    query: TaskQuery,
    names: Sequence[str],
    matches: Callable[[str], bool],
    after: SortKey | None,
    limit: int,
) -> SelectedTasks:
    """Return the names by their last use, which the store knows; of tasks without a decision the time series does."""
    minutes, decision_of, allowed = services.minutes, services.table.decision_of, set(names)
    undecided = [name for name in names if decision_of(name) is None and matches(name)]
    found = [(_last_minute(minutes.series_of("task", name)), name) for name in undecided]
    limit_scan = MAX_SCANNED if query.is_descending else len(allowed) + SCAN
    before, scanned, kept = after if query.is_descending else None, 0, 0
    while scanned < limit_scan and (kept <= limit or not query.is_descending):
        some = await asyncio.to_thread(services.store.recently_used, SCAN, before)
        more = [key for key in some if key[1] in allowed and matches(key[1])]
        found, scanned, kept = [*found, *more], scanned + len(some), kept + len(more)
        if len(some) < SCAN:
            break
        before = some[-1]
    if query.is_descending:
        ordered = sorted((key for key in found if after is None or key < after), reverse=True)
    else:
        ordered = sorted(key for key in found if after is None or key > after)
    return _page(ordered[: limit + 1], limit, None)


def _last_minute(series: Sequence[Any]) -> float:
    return float(series[-1].number * MINUTE_S) if series else 0.0


def _page(keys: Sequence[SortKey], limit: int, total: int | None) -> SelectedTasks:
    last = keys[limit - 1] if len(keys) > limit else None
    return SelectedTasks([name for _, name in keys[:limit]], last, total)


def _plain_rows(services: Services, names: Sequence[str]) -> list[dict[str, Any]]:
    defaults, rows = default_tasks(services), []
    for name in names:
        decision = services.table.decision_of(name)
        if decision is not None:
            rows.append({**task_summary(name, decision), **task_facts(name, services, defaults)})
    return rows
