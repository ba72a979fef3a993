"""Endpoints for models and operations: /v1/models, /v1/backends.

With admin keys configured, /v1/backends requires one; without, a client key.
"""

from typing import Any

from fastapi import APIRouter, Depends, Response

from gateway.api.dependencies import ClientPrincipal, Given, operator_of
from gateway.api.pagination import Paging, encode_rows, json_response, page_of_sorted, page_to_json
from gateway.api.services import Services
from gateway.api.usage import sample_to_json
from gateway.config import ModelConfig
from gateway.errors import ModelNotFound
from gateway.keys.auth import Principal
from gateway.scorer.evidence import evidence_to_json
from gateway.upstream.load_balancer import BackendState
from gateway.usage.timeseries import merge_minutes
from gateway.vocabulary import AUTO

models_router = APIRouter(tags=["models"])
operations_router = APIRouter(tags=["operations"])

HOUR = 60


@models_router.get("/v1/models", response_model=dict[str, Any])
async def list_models(services: Given, client: ClientPrincipal) -> Response:
    """List the models that the key may request: `auto`, which routes, and each configured model.

    `benchroute.evidence` tells whose outcomes in the pack the model has; it is null without a pack.
    """
    models = await encode_rows(_visible(services, client), lambda model: _to_json(model, services))
    return json_response({"object": "list", "data": [_auto(), *models]})


@models_router.get("/v1/models/{model:path}")
async def get_model(model: str, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """Return a model."""
    if model == AUTO:
        return _auto()
    for known in _visible(services, client):
        if known.name == model:
            return _to_json(known, services)
    raise ModelNotFound(f"Unknown model {model!r}.", param="model")


@operations_router.get("/v1/backends", response_model=dict[str, Any], dependencies=[Depends(operator_of)])
async def list_backends(services: Given, page: Paging) -> Response:
    """List backends by ID, with the state of their breaker, requests in flight, and the last hour's activity."""
    states = sorted(services.backends.all_backends(), key=_backend_id)
    rows, last = page_of_sorted(states, _backend_id, page, "backends")
    data = await encode_rows(rows, lambda state: _backend_to_json(state, services))
    return json_response(page_to_json(data, "backends", last))


def _backend_id(state: BackendState) -> str:
    return f"{state.backend.name}\n{state.model}"  # two models may have a backend of the same address


def _backend_to_json(state: BackendState, services: Services) -> dict[str, Any]:
    return {
        "object": "backend",
        "id": state.backend.name,
        "model": state.model,
        "weight": state.backend.weight,
        "breaker": state.breaker.state,
        "retry_in_s": round(state.breaker.retry_in_s, 3),
        "outstanding": state.outstanding,
        "last_hour": sample_to_json(merge_minutes(services.minutes.series_of("backend", state.backend.name, HOUR))),
    }


def _visible(services: Given, client: Principal) -> list[ModelConfig]:
    return [model for model in services.config.models if client.can_use_model(model.name)]


def _auto() -> dict[str, Any]:
    return {"id": AUTO, "object": "model", "created": 0, "owned_by": "benchroute"}


def _to_json(model: ModelConfig, services: Services) -> dict[str, Any]:
    about = model.model_dump(mode="json", include={"kind", "params_b", "price", "context_window", "supports"})
    match = services.evidence.get(model.name)
    about["evidence"] = match and evidence_to_json(match)
    return {"id": model.name, "object": "model", "created": 0, "owned_by": "benchroute", "benchroute": about}
