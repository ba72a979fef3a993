"""Endpoints for tasks, decisions and the overview: /v1/tasks, /v1/tasks/{id}, /v1/decisions, /v1/overview.

Task IDs may contain slashes, so the path parameter takes the rest of the path. A key with a list of tasks sees only
those.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from gateway.api.dependencies import ClientPrincipal, Given, Operator, TaskOfKey
from gateway.api.pagination import MAX_LIMIT, Paging, encode_rows, json_response, page_of_sorted, page_to_json
from gateway.api.services import Services, sees_usage_of, task_not_found
from gateway.api.task_lists import list_decided, list_detailed, summarise_tasks
from gateway.api.task_order import TaskQuery, list_sorted, recent_requests, traffic_by_kind
from gateway.api.task_views import default_tasks, explanation_view, task_facts, task_summary
from gateway.config.schema import TaskConfig
from gateway.decision import Decision, ExplainedDecision
from gateway.errors import InvalidRequest, ScorerUnavailable
from gateway.keys.auth import Principal
from gateway.state.store import Store, TaskFilter
from gateway.tasks.decision_feed import DecisionEvent
from gateway.tasks.eviction_log import NumberedEviction
from gateway.usage.ledger import to_json as usage_to_json
from gateway.vocabulary import TaskFilterKind, TaskSort

router = APIRouter(tags=["tasks"])

MAX_WAIT_S = 20.0


@router.get("/v1/tasks", response_model=dict[str, Any])
async def list_tasks(
    services: Given,
    client: ClientPrincipal,
    page: Paging,
    search: Annotated[str, Query(max_length=128, description="Part of the ID or name, in lower or upper case.")] = "",
    prefix: Annotated[str, Query(max_length=128, description="Beginning of the task ID.")] = "",
    after: Annotated[str, Query(max_length=128, description="A task ID, in place of `cursor`.")] = "",
    sort: Annotated[TaskSort, Query(description="What the tasks are sorted by; unknown values come last.")] = "id",
    order: Annotated[Literal["asc", "desc"] | None, Query(description="`asc` for `id`, else `desc`.")] = None,
    kind: Annotated[TaskFilterKind | None, Query(description="Only tasks of this kind.")] = None,
    details: bool = False,
) -> Response:
    """List tasks, page by page; `search` and `prefix` select by ID, with `details` `search` also by display name.

    `sort`: `id`; `requests`, `cost` and `savings` of all time; `recent` requests of the last hour; `confidence` of the
    decision; `inputs` scored; last time `used`. `kind`: `tagged`, `automatic` (by their system prompts), `default` (of
    a key), `pinned`, or `worse`: routing costs more, or was measured worse, than the best model on average.

    With `details`: also scores, usage and the last hour's requests, tasks that have requests but no decision yet, and
    `traffic`, the last hour's requests by kind. `total` is the number of tasks on all pages, where it is known.
    `explained_n` is the number of inputs that a row's scores and reasons rest on: up to 15 fewer than `n`.
    """
    if after and page.cursor:
        raise InvalidRequest("cursor: conflicts with `after`: send only one of them.", param="cursor")
    if sort != "id" or kind is not None or order == "desc" or (search and details):
        if after:
            raise InvalidRequest("after: works only in the list by ID: use `cursor`.", param="after")
        query = TaskQuery(sort, (order or ("asc" if sort == "id" else "desc")) == "desc", kind, search, prefix)
        return json_response(await list_sorted(services, client, query, page, details=details))
    listed = TaskFilter(after or page.name_position("tasks"), prefix, search, page.limit)
    if details:
        rows, last = await list_detailed(services, client, listed)
        return json_response(page_to_json(rows, "tasks", last, traffic=await traffic_by_kind(services, client)))
    decisions = list((await list_decided(services, client, listed)).items())
    last = decisions[page.limit - 1][0] if len(decisions) > page.limit else None
    return json_response(page_to_json([task_summary(*one) for one in decisions[: page.limit]], "tasks", last))


@router.get("/v1/tasks/{task:path}", response_model=dict[str, Any])
async def get_task(task: TaskOfKey, services: Given, client: ClientPrincipal) -> Response:
    """Return a task: its scores, and its decision with the explanation. 404 for a task of which nothing is known.

    `kind` says where its requests get it from: `tagged` by the client, `automatic` by their system prompt, `default` by
    their key. `label` is the beginning of an automatic task's template, where texts are kept. `merged` lists the tasks
    that were merged into this one. `n` is the number of inputs that the decision rests on, `explained_n` that of
    everything that explains it: they differ while the scorer does not answer.
    """
    explained, history = await _read_explained(services, task, client)
    if explained is None and not services.tasks.is_known(task):
        raise task_not_found(task, services)
    shown = explanation_view(task, services.table.route_task(task), explained, history, services.evidence)
    declared = services.config.tasks.get(task, TaskConfig()).dataset
    is_seen = sees_usage_of(services, client, task)
    return json_response(
        {
            **shown,
            **task_facts(task, services, default_tasks(services)),
            "merged": list(services.tasks.directory.sources_of(task)),
            "dataset": declared,
            "warning": services.unknown_datasets.get(task),
            "spent": usage_to_json(services.ledger.usage_on("task", task)) if is_seen else None,
        }
    )


@router.get("/v1/decisions", response_model=dict[str, Any])
async def stream_decisions(
    services: Given,
    client: ClientPrincipal,
    page: Paging,
    after: Annotated[int, Query(ge=0)] = 0,
    wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0,
    changes: bool = False,
    latest: Annotated[int | None, Query(ge=0, le=MAX_LIMIT, description="Only the latest of them, so many.")] = None,
) -> Response:
    """List decisions after number `after`, oldest first; if there are none, wait up to `wait_s` seconds for the next.

    With `changes`: only decisions that moved a task to another model. `last` is the `after` of the next request.
    Numbers start at 1 when the gateway starts; the last 2,000 decisions are available.
    """

    def is_selected(event: DecisionEvent) -> bool:
        return client.can_use_task(event.task) and (event.is_change or not changes)

    if after and page.cursor:
        raise InvalidRequest("cursor: conflicts with `after`: send only one of them.", param="cursor")
    feed, begin = services.decision_feed, page.number_position("decisions") or after
    found = await feed.wait_for(begin, wait_s, is_selected)
    rows = found[: page.limit] if latest is None else found[max(0, len(found) - latest) :]
    has_more = latest is None and len(found) > page.limit
    last = rows[-1].number if has_more else feed.last_number
    if client.tasks is not None and not has_more:  # how many decisions others' tasks had is not told
        last = found[-1].number if found else min(begin, last)
    shown = page_to_json(await encode_rows(rows, _to_json), "decisions", last if has_more else None)
    return json_response({**shown, "last": last})


@router.get("/v1/evictions", response_model=dict[str, Any])
async def list_evictions(services: Given, client: Operator, page: Paging) -> Response:
    """List the latest tasks that `state.max_tasks` or `state.idle_days` evicted, oldest first; `total` by reason.

    Numbers start at 1 when the gateway starts; the last 2,000 evictions are available. A key with a list of tasks sees
    those tasks alone, and their `total` among the available ones.
    """
    found = [one for one in services.evictions.latest() if client.can_use_task(one.eviction.task)]
    total = services.evictions.counts if client.tasks is None else Counter(one.eviction.reason for one in found)
    rows, last = page_of_sorted(found, lambda one: one.number, page, "evictions")
    data = await encode_rows(rows, _eviction_to_json)
    return json_response(page_to_json(data, "evictions", last, total=dict(total)))


@router.get("/v1/overview", response_model=dict[str, Any])
async def get_overview(services: Given, client: Operator, limit: Annotated[int, Query(ge=1, le=100)] = 12) -> Response:
    """Count tasks by model and by reason, and list those with the most requests in the last hour."""
    requests = await recent_requests(services, client)
    undecided = await asyncio.to_thread(_undecided_of, services, list(requests))
    if client.tasks is None:
        decided = len(services.table)
        models, reasons = await services.table.count_routes(undecided)
    else:  # few, and looked up by name
        own = [name for name in client.tasks if services.table.decision_of(name) is not None]
        decided = len(own)
        models, reasons = await services.table.count_routes_of([*own, *undecided])
    busiest = await asyncio.to_thread(_busiest_of, requests, limit)
    if len(busiest) < limit:
        others = await list_decided(services, client, TaskFilter(limit=limit))
        busiest += [name for name in others if name not in requests][: limit - len(busiest)]
    tasks = decided + len(undecided)
    return json_response(
        {
            "object": "overview",
            "tasks": tasks,
            "counted": tasks,
            "by_model": dict(models.most_common()),
            "by_reason": dict(reasons.most_common()),
            "busiest": await summarise_tasks(services, client, busiest),
        }
    )


def _undecided_of(services: Services, names: Sequence[str]) -> list[str]:
    found = services.table.decisions_of(names)
    return [name for name, decision in zip(names, found, strict=True) if decision is None]


def _busiest_of(requests: Mapping[str, int], limit: int) -> list[str]:
    return sorted(requests, key=lambda name: (-requests[name], name))[:limit]


async def _read_explained(
    services: Services, task: str, client: Principal
) -> tuple[ExplainedDecision | None, Sequence[Decision]]:
    """Return a task's decision with its explanation and the changes before it, all of one moment; None without one.

    The scorer stores an explanation when a decision changes and every few inputs; those in between are derived on
    demand. Without a scorer the stored one is shown, of a few inputs before.
    """
    found, history = await asyncio.to_thread(_read_stored, services.store, task)
    if found is None:
        return None, history
    if not found.explanation.describes(found.decision) and services.scorer is not None:
        with suppress(ScorerUnavailable, InvalidRequest):
            derived = (await services.scorer.explain_tasks([task], client.name)).get(task, found)
            if derived.decision.version != found.decision.version:
                history = await asyncio.to_thread(services.store.decision_changes, task)
            found = derived
    # The store can be ahead of the scorer's message: apply its decision, so that requests follow what is shown.
    services.table.apply_decision(found.decision)
    latest = services.table.decision_of(task)
    if latest is not None and latest.version > found.decision.version:
        # Decided again between both reads.
        found, history = await asyncio.to_thread(_read_stored, services.store, task)
    version = found.decision.version if found else 0
    return found, [change for change in history if change.version <= version]


def _read_stored(store: Store, task: str) -> tuple[ExplainedDecision | None, Sequence[Decision]]:
    """Return a decision and the changes before it. In this order: a change in between is cut off by its version."""
    return store.read_explanations([task]).get(task), store.decision_changes(task)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _eviction_to_json(one: NumberedEviction) -> dict[str, Any]:
    evicted = one.eviction
    at = _time(evicted.at)
    return {"object": "eviction", "number": one.number, "task": evicted.task, "reason": evicted.reason, "at": at}


def _to_json(event: DecisionEvent) -> dict[str, Any]:
    decision = event.decision
    return {
        "object": "decision",
        "number": event.number,
        "at": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
        "task": event.task,
        "model": decision.model,
        "before": event.before,
        "reason": decision.reason,
        "version": decision.version,
        "n": decision.n,
        "ranking": list(decision.ranking),
    }
