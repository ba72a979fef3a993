"""Lists of tasks sorted and filtered in the gateway: by what it holds in memory, in a thread beside the event loop."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.api.pagination import PageRequest, SortKey, encode_rows, page_to_json
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
from gateway.loop_share import LoopShare
from gateway.usage.timeseries import MINUTE_S
from gateway.vocabulary import TaskFilterKind, TaskSort

NAMES_AT_ONCE = 4000
"""Names after which the thread lets the event loop work: about two milliseconds."""
MAX_SCANNED = 20_000
"""Tasks of a store that one page by last use looks at: a rare filter gives a short page then."""
SCAN = 1000

Filter = Callable[[Sequence[str]], Sequence[str]]
Values = Callable[[Sequence[str]], Sequence[float | None]]


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
    names = await asyncio.to_thread(_names, services, client, recent, with_undecided=details)
    select = await asyncio.to_thread(_filter_of, services, client, query)
    if query.sort == "used":
        found = await _select_by_use(services, query, names, select, after, limit)
    else:
        values = _values_of(services, client, query.sort, recent)
        found = await asyncio.to_thread(_select, names, select, values, query, after, limit)
    if details:
        rows = await summarise_tasks(services, client, found.names)
        more = {"traffic": await traffic_by_kind(services, client)}
    else:
        rows, more = await _plain_rows(services, found.names), {}
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
    share, defaults = LoopShare(), default_tasks(services)
    counts = dict.fromkeys(("tagged", "automatic", "default"), 0)
    for name, count in services.minutes.requests_by_name("task", SPARK_MINUTES):
        counts[task_kind(name, defaults)] += count
        await share.give_way()
    return counts


def _names(services: Services, client: Principal, recent: Mapping[str, int], *, with_undecided: bool) -> list[str]:
    """Return the tasks of a list, in no order. In a thread, and a copy: tasks come and go meanwhile."""
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


def _filter_of(services: Services, client: Principal, query: TaskQuery) -> Filter:
    """Return what selects names. It is called in a thread, and reads what the event loop replaces, never changes."""
    wanted, prefix, kind = query.search.lower(), query.prefix, query.kind
    directory = services.tasks.directory
    targets, defaults = directory.targets, default_tasks(services)
    named = set[str]()
    if wanted:
        named = {task for task, name in directory.named_tasks().items() if wanted in name.lower()}
    pinned = set[str]()
    if kind == "pinned":
        pinned = {task for task, settings in services.config.tasks.items() if settings.pin is not None}
    is_seen = sees_all(services, client)

    def select(names: Sequence[str]) -> Sequence[str]:
        # One pass for each condition that there is: most lists have none, and 100,000 names must not take long.
        if targets:
            names = [name for name in names if name not in targets]
        if wanted:
            names = [name for name in names if wanted in name.lower() or name in named]
        if prefix:
            names = [name for name in names if name.startswith(prefix)]
        if kind == "pinned":
            names = [name for name in names if name in pinned]
        elif kind == "worse":
            names = _worse_of(services, names) if is_seen else []
        elif kind is not None:
            names = [name for name in names if task_kind(name, defaults) == kind]
        return names

    return select


def _worse_of(services: Services, names: Sequence[str]) -> Sequence[str]:
    totals, decisions = services.ledger.lifetime_totals(names), services.table.decisions_of(names)
    return [
        name
        for name, total, decision in zip(names, totals, decisions, strict=True)
        if (total.compared_usd > total.baseline_usd or (decision is not None and decision.measured_gain is not None))
        and worse_in(total, decision)
    ]


def _values_of(services: Services, client: Principal, sort: TaskSort, recent: Mapping[str, int]) -> Values:
    """Return the values that tasks are sorted by; None where one is not known, or not the client's to see."""
    totals, decisions = services.ledger.lifetime_totals, services.table.decisions_of
    if sort in ("requests", "cost", "savings") and not sees_all(services, client):
        return lambda names: [None] * len(names)

    def savings(names: Sequence[str]) -> list[float | None]:
        return [
            float(one.baseline_usd - one.compared_usd) if one.requests > one.unpriced else None for one in totals(names)
        ]

    values: Mapping[TaskSort, Values] = {
        "id": lambda names: [0.0] * len(names),
        "requests": lambda names: [one.requests for one in totals(names)],
        "recent": lambda names: [recent.get(name, 0) for name in names],
        "cost": lambda names: [float(one.usd) if one.requests > one.unpriced else None for one in totals(names)],
        "savings": savings,
        "confidence": lambda names: [None if one is None else one.confidence for one in decisions(names)],
        "inputs": lambda names: [0 if one is None else one.n for one in decisions(names)],
    }
    return values[sort]


def _select(
    names: Sequence[str], select: Filter, values: Values, query: TaskQuery, after: SortKey | None, limit: int
) -> SelectedTasks:
    """Return the first of the selected names behind a key. Works in parts: the interpreter's lock is free between."""
    sign, total, best = -1.0 if query.is_descending else 1.0, 0, list[SortKey]()
    is_reversed = query.sort == "id" and query.is_descending
    for start in range(0, len(names), NAMES_AT_ONCE):
        some = select(names[start : start + NAMES_AT_ONCE])
        total += len(some)
        found = [math.inf if one is None else sign * one for one in values(some)]
        keys = _keys_before(best[limit] if len(best) > limit and not is_reversed else None, found, some)
        if after is not None:
            keys = [key for key in keys if (key < after if is_reversed else key > after)]
        if keys:
            best = sorted([*best, *keys], reverse=is_reversed)[: limit + 1]
        time.sleep(0)
    return _page(best, limit, total)


def _keys_before(last: SortKey | None, values: Sequence[float], names: Sequence[str]) -> list[SortKey]:
    """Return the keys before the last one of a page that is full: of 100,000, few are made."""
    pairs = zip(values, names, strict=True)
    if last is None:
        return list(pairs)
    value, name = last
    return [pair for pair in pairs if pair[0] < value or (pair[0] == value and pair[1] < name)]


async def _select_by_use(
    services: Services,
    query: TaskQuery,
    names: Sequence[str],
    select: Filter,
    after: SortKey | None,
    limit: int,
) -> SelectedTasks:
    """Return the names by their last use, which the store knows; of tasks without a decision the time series does."""
    undecided, allowed = await asyncio.to_thread(_split_names, services, names, select)
    share, found = LoopShare(), list[SortKey]()
    for name in undecided:
        found.append((_last_minute(services.minutes.series_of("task", name)), name))
        await share.give_way()

    def select_stored() -> SelectedTasks:
        is_reversed = query.is_descending
        limit_scan = MAX_SCANNED if is_reversed else len(names) + SCAN
        before, best = after if is_reversed else None, _first_keys(found, after, limit, is_reversed)
        scanned, kept = 0, 0
        while scanned < limit_scan and (kept <= limit or not is_reversed):
            some = services.store.recently_used(SCAN, before)
            chosen = set(select([name for _, name in some if name in allowed]))
            more = [key for key in some if key[1] in chosen]
            best = _first_keys([*best, *more], after, limit, is_reversed)
            scanned, kept = scanned + len(some), kept + len(more)
            if len(some) < SCAN:
                break
            before = some[-1]
        return _page(best, limit, None)

    return await asyncio.to_thread(select_stored)


def _first_keys(keys: Iterable[SortKey], after: SortKey | None, limit: int, is_reversed: bool) -> list[SortKey]:
    """Return the first keys behind one, for a page and whether there is another. is_reversed: the greatest first."""
    left = [key for key in keys if after is None or (key < after if is_reversed else key > after)]
    return sorted(left, reverse=is_reversed)[: limit + 1]


def _split_names(services: Services, names: Sequence[str], select: Filter) -> tuple[Sequence[str], Container[str]]:
    """Return the selected names without a decision, and all names."""
    decisions = services.table.decisions_of(names)
    undecided = [name for name, decision in zip(names, decisions, strict=True) if decision is None]
    return select(undecided), set(names)


def _last_minute(series: Sequence[Any]) -> float:
    return float(series[-1].number * MINUTE_S) if series else 0.0


def _page(keys: Sequence[SortKey], limit: int, total: int | None) -> SelectedTasks:
    last = keys[limit - 1] if len(keys) > limit else None
    return SelectedTasks([name for _, name in keys[:limit]], last, total)


async def _plain_rows(services: Services, names: Sequence[str]) -> list[msgspec.Raw]:
    defaults = default_tasks(services)
    # A generator: a task may be forgotten meanwhile.
    decided = ((name, decision) for name in names if (decision := services.table.decision_of(name)) is not None)
    return await encode_rows(decided, lambda one: {**task_summary(*one), **task_facts(one[0], services, defaults)})
