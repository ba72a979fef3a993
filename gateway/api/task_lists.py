"""Which tasks a list shows: those with a decision, and in detailed lists those with requests but no decision yet."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import msgspec

from gateway.api.pagination import encode_rows
from gateway.api.services import Services
from gateway.api.task_views import default_tasks, detailed_summary, task_facts
from gateway.decision import Decision
from gateway.keys.auth import Principal
from gateway.state.store import TaskFilter

MAX_DETAILED = 200
"""Rows of a detailed page: each has an explanation to read. A longer page is short, and has a `next_cursor`."""

CHUNK = 500
"""Tasks of a key that are read at once."""


async def list_decided(services: Services, client: Principal, listed: TaskFilter) -> Mapping[str, Decision]:
    """Return the decisions of a page and of the task after it, by name. listed: with the limit of the page."""
    assert listed.limit is not None  # noqa: S101 - pages have one
    more = replace(listed, limit=listed.limit + 1)
    if client.tasks is None:
        return await asyncio.to_thread(services.store.read_decisions, more)
    # The key's own tasks are few, and all others are many: they are looked up by name.
    allowed = sorted(filter(listed.matches, client.tasks))
    found: dict[str, Decision] = {}
    for start in range(0, len(allowed), CHUNK):
        chunk = allowed[start : start + CHUNK]
        explained = await asyncio.to_thread(services.store.read_explanations, chunk)
        found |= {task: explained[task].decision for task in chunk if task in explained}
        if len(found) > listed.limit:
            break
    return dict(islice(found.items(), listed.limit + 1))


async def list_detailed(
    services: Services, client: Principal, listed: TaskFilter
) -> tuple[list[msgspec.Raw], str | None]:
    """Return a page of detailed summaries, and the name that the next one begins behind.

    With tasks that had requests in the last hours but no decision: without a pack, that is all of them.
    """
    assert listed.limit is not None  # noqa: S101 - pages have one
    limit = min(listed.limit, MAX_DETAILED)
    listed = replace(listed, limit=limit)
    decided = await list_decided(services, client, listed)
    merged = services.tasks.directory.targets
    busy = [name for name in services.minutes.series_names("task") if listed.matches(name) and name not in merged]
    names = sorted({*decided, *filter(client.can_use_task, busy)})
    last = names[limit - 1] if len(names) > limit else None
    return await summarise_tasks(services, client, names[:limit]), last


async def summarise_tasks(services: Services, client: Principal, names: Sequence[str]) -> list[msgspec.Raw]:
    """Return detailed summaries of tasks as JSON, with the stored explanations.

    The scorer is not asked: a page would wait for it, since each of 100 explanations takes about as long as scoring an
    input. Each row says how many inputs its explanation rests on.
    """
    found = await asyncio.to_thread(services.store.read_explanations, names)
    defaults = default_tasks(services)

    def to_json(name: str) -> dict[str, Any]:
        return detailed_summary(name, found.get(name), services, client, task_facts(name, services, defaults))

    return await encode_rows(names, to_json)
