"""Endpoint for history: /v1/activity."""

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from gateway.api.activity_json import counts_to_json
from gateway.api.activity_series import IN_MEMORY, SeriesSteps, read_series, series_in_memory, to_iso
from gateway.api.dependencies import Given, Operator
from gateway.api.pagination import json_response
from gateway.api.services import Services, check_task_access
from gateway.api.time_range import RangeQuery, TimeRange, range_of, resolve_range
from gateway.errors import Forbidden, InvalidRequest, ModelNotFound, NotFound, StateError
from gateway.keys.auth import Principal
from gateway.usage.history import MINUTE_S, SeriesName, give_way
from gateway.usage.history_counts import Counts
from gateway.usage.ledger import OTHER_NAMES
from gateway.usage.prices import Price
from gateway.usage.timeseries import SeriesKind

activity_router = APIRouter(tags=["operations"])

Compared = Annotated[
    str, Query(max_length=200, description="Name of a model: what the routed requests would have cost with it.")
]
Kind = Annotated[SeriesKind, Query(description="Whose requests; all of the gateway's without it.")]
Name = Annotated[str, Query(max_length=200, description="Name of the task, model, backend or key.")]

UNWRITTEN = "The state cannot be written: this gateway's latest requests are missing, and are added once it can be."


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model to compare costs with. price: None for no comparison."""

    model: str | None = None
    price: Price | None = None


def series_of(
    kind: Kind | None = None, name: Name | None = None, task: str | None = None, backend: str | None = None
) -> SeriesName:
    """Return the series that a request names. task, backend: short for kind and name. Raises InvalidRequest."""
    found: list[SeriesName] = []
    if kind is not None and kind != "gateway":
        if not name:
            raise InvalidRequest(f"kind={kind} needs `name`: the {kind}.", param="name")
        found.append((kind, name))
    elif name:
        raise InvalidRequest("`name` needs `kind`: task, model, backend or key.", param="kind")
    if task is not None:
        found.append(("task", task))
    if backend is not None:
        found.append(("backend", backend))
    if len(found) > 1:
        raise InvalidRequest("Give one of `kind` with `name`, `task` and `backend`.", param="kind")
    return found[0] if found else ("gateway", "")


@activity_router.get("/v1/activity", response_model=dict[str, Any])
async def get_activity(
    services: Given,
    client: Operator,
    series: Annotated[SeriesName, Depends(series_of)],
    ranged: Annotated[RangeQuery, Depends(range_of)],
    compare_with: Compared | None = None,
) -> Response:
    """Return requests, errors, latency, tokens, cost and savings over a time range, in at most 500 steps.

    Of all requests, or of those of a task, model, backend or key. Minutes are stored for 48 hours, hours for 90
    days, of all gateways that share the state. Steps without requests are left out.
    """
    _check_access(series, client)
    wanted = resolve_range(ranged, services.minutes.now())
    compared = _comparison(services, compare_with)
    merged = services.tasks.directory.sources_of(series[1]) if series[0] == "task" else ()
    is_written = await services.flush_history()
    try:
        found = await asyncio.to_thread(read_series, services.store, series, wanted, merged)
    except StateError as error:
        if series[0] not in IN_MEMORY:
            raise
        found = series_in_memory(services.minutes, series, wanted, error)
    else:
        found = found if is_written else replace(found, note=UNWRITTEN)
    if not found.total:
        _check_exists(services, series)
    return await asyncio.to_thread(_answer, series, wanted, compared, found)


def _check_access(series: SeriesName, client: Principal) -> None:
    """Raise InvalidRequest, Forbidden unless the key may see a series."""
    if series[0] == "task" and series[1] != OTHER_NAMES:
        check_task_access(series[1], client)
    elif client.tasks is not None:
        raise Forbidden(f"Key {client.name!r} has a list of tasks: `task` must be one of them.", param="task")


def _comparison(services: Services, model: str | None) -> Comparison:
    if model is None:
        return Comparison()
    if model not in {one.name for one in services.config.models}:
        raise ModelNotFound(f"Unknown model {model!r}.", param="compare_with")
    price = services.ledger.price_of(model)
    if price is None:
        raise InvalidRequest(f"Model {model!r} has no price: set `models[].price`.", param="compare_with")
    return Comparison(model, price)


def _answer(series: SeriesName, wanted: TimeRange, compared: Comparison, found: SeriesSteps) -> Response:
    """Return a series as JSON. In a thread: the event loop does not wait for it."""
    document = {
        "object": "activity",
        "of": series[0],
        "name": series[1] or None,
        "from": to_iso(wanted.start),
        "until": to_iso(wanted.end),
        "step_s": wanted.step_s,
        "minutes": (wanted.end - wanted.start) // MINUTE_S,
        "source": found.source,
        "note": found.note,
        "compare_with": compared.model,
        "total": counts_to_json(found.total, compared.price),
        "data": [_step_to_json(place, at, found.steps[at], compared) for place, at in enumerate(sorted(found.steps))],
    }
    return json_response(document if series[0] != "task" else {**document, "changes": found.changes})


def _step_to_json(place: int, at: int, counts: Counts, compared: Comparison) -> dict[str, Any]:
    give_way(place, every=8)
    return {"at": to_iso(at), **counts_to_json(counts, compared.price)}


def _check_exists(services: Services, series: SeriesName) -> None:
    """Raise NotFound for a backend or model that is neither configured nor in the history."""
    kind, name = series
    if kind == "backend" and name not in {state.backend.name for state in services.backends.all_backends()}:
        raise NotFound(f"Unknown backend {name!r}.", param="name")
    if kind == "model" and name not in {one.name for one in services.config.models}:
        raise ModelNotFound(f"Unknown model {name!r}.", param="name")
