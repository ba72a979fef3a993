"""Endpoint for history: /v1/activity."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from gateway.api.activity_json import counts_to_json
from gateway.api.pagination import json_response
from gateway.api.services import Given, Operator, Services, check_task_access
from gateway.api.time_range import RangeQuery, TimeRange, range_of, resolve_range
from gateway.errors import Forbidden, InvalidRequest, ModelNotFound, NotFound, StateError
from gateway.keys.auth import Principal
from gateway.state.store import Store
from gateway.usage.history import MINUTE_S, SeriesName
from gateway.usage.history_counts import (
    OVERHEAD_TIMES,
    TOTAL_TIMES,
    Counts,
    Slot,
    add_counts,
    to_pico_usd,
)
from gateway.usage.ledger import OTHER_NAMES
from gateway.usage.prices import Price
from gateway.usage.timeseries import Minute, MinuteSeries, SeriesKind

activity_router = APIRouter(tags=["operations"])

Compared = Annotated[
    str, Query(max_length=200, description="Name of a model: what the routed calls would have cost with it.")
]
Kind = Annotated[SeriesKind, Query(description="Whose requests; all of the gateway's without it.")]
Name = Annotated[str, Query(max_length=200, description="Name of the task, model, backend or key.")]

MEMORY_ONLY: tuple[SeriesKind, ...] = ("gateway", "task", "backend")


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
    await services.flush_history()
    return await asyncio.to_thread(_answer, services, series, wanted, compared)


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


def _answer(services: Services, series: SeriesName, wanted: TimeRange, compared: Comparison) -> Response:
    """Read a series and return it as JSON. In a thread: the event loop does not wait for it. Raises NotFound."""
    source, note = "state", None
    try:
        steps = _read_steps(services.store, series, wanted)
        changes = _changes_of(services.store, series, wanted)
    except StateError as error:
        if series[0] not in MEMORY_ONLY:
            raise
        steps, changes, source = _steps_in_memory(services.minutes, series, wanted), [], "memory"
        note = f"The state cannot be read: this gateway's requests of the last three hours only. {error}"
    total = Counts()
    for counts in steps.values():
        add_counts(total, counts)
    if not total:
        _check_exists(services, series)
        note = note or _note_of_folded(services.store, series, wanted)
    document = {
        "object": "activity",
        "of": series[0],
        "name": series[1] or None,
        "from": _iso(wanted.start),
        "until": _iso(wanted.end),
        "step_s": wanted.step_s,
        "minutes": (wanted.end - wanted.start) // MINUTE_S,
        "source": source,
        "note": note,
        "compare_with": compared.model,
        "total": counts_to_json(total, compared.price),
        "data": [{"at": _iso(at), **counts_to_json(counts, compared.price)} for at, counts in sorted(steps.items())],
    }
    return json_response(document if series[0] != "task" else {**document, "changes": changes})


def _read_steps(store: Store, series: SeriesName, wanted: TimeRange) -> Mapping[int, Counts]:
    """Return the counts by the start of their step."""
    stored_s = wanted.stored_s
    found = store.read_history(series, stored_s, wanted.start // stored_s, wanted.end // stored_s - 1)
    steps: dict[int, Counts] = {}
    for number, counts in found.items():
        add_counts(steps.setdefault(_step_of(number * stored_s, wanted), {}), counts)
    return steps


def _steps_in_memory(minutes: MinuteSeries, series: SeriesName, wanted: TimeRange) -> Mapping[int, Counts]:
    steps: dict[int, Counts] = {}
    for minute in minutes.series_of(*series):
        at = minute.number * MINUTE_S
        if wanted.start <= at < wanted.end:
            add_counts(steps.setdefault(_step_of(at, wanted), {}), _to_counts(minute))
    return steps


def _step_of(at: int, wanted: TimeRange) -> int:
    return wanted.start + (at - wanted.start) // wanted.step_s * wanted.step_s


def _to_counts(minute: Minute) -> Counts:
    counts: Counts = {
        Slot.REQUESTS: minute.requests,
        Slot.ERRORS: minute.errors,
        Slot.REJECTED: minute.refused,
        Slot.TOTAL_US: minute.total_us,
        Slot.OVERHEAD_US: minute.overhead_us,
        Slot.USD: to_pico_usd(Decimal(minute.usd)),
        Slot.COMPARED_USD: to_pico_usd(Decimal(minute.compared_usd)),
        Slot.BASELINE_USD: to_pico_usd(Decimal(minute.baseline_usd)),
    }
    for first, buckets in ((TOTAL_TIMES, minute.total_buckets), (OVERHEAD_TIMES, minute.overhead_buckets)):
        counts |= {first + bucket: number for bucket, number in buckets.items()}
    return counts


def _changes_of(store: Store, series: SeriesName, wanted: TimeRange) -> list[dict[str, Any]]:
    """Return when a task's model changed, and to which."""
    if series[0] != "task":
        return []
    decisions = store.decision_changes(series[1])
    return [
        {"at": _iso(later.at), "before": earlier.model, "model": later.model, "version": later.version}
        for earlier, later in pairwise(decisions)
        if wanted.start <= later.at < wanted.end
    ]


def _check_exists(services: Services, series: SeriesName) -> None:
    """Raise NotFound for a backend or model that is neither configured nor in the history."""
    kind, name = series
    if kind == "backend" and name not in {state.backend.name for state in services.backends.all_backends()}:
        raise NotFound(f"Unknown backend {name!r}.", param="name")
    if kind == "model" and name not in {one.name for one in services.config.models}:
        raise ModelNotFound(f"Unknown model {name!r}.", param="name")


def _note_of_folded(store: Store, series: SeriesName, wanted: TimeRange) -> str | None:
    """Return where requests of a name may be that has none of its own."""
    kind, name = series
    if kind == "gateway" or name == OTHER_NAMES:
        return None
    try:
        has_others = bool(_read_steps(store, (kind, OTHER_NAMES), wanted))
    except StateError:
        return None
    return f"Requests of less busy {kind}s are counted together, as {OTHER_NAMES!r}." if has_others else None


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
