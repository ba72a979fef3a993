"""GET /v1/models, GET /v1/models/{model}."""

from typing import Any

from fastapi import APIRouter

from gateway.api.services import ClientPrincipal, Given
from gateway.config import ModelConfig
from gateway.errors import ModelNotFound
from gateway.keys.auth import Principal
from gateway.vocabulary import AUTO

router = APIRouter(tags=["models"])


@router.get("/v1/models")
async def list_models(services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """The models a client may ask for: `auto`, which routes, and each configured one by name."""
    return {"object": "list", "data": [_auto(), *(_shown(model) for model in _visible(services, client))]}


@router.get("/v1/models/{model:path}")
async def get_model(model: str, services: Given, client: ClientPrincipal) -> dict[str, Any]:
    """One of them."""
    if model == AUTO:
        return _auto()
    for known in _visible(services, client):
        if known.name == model:
            return _shown(known)
    raise ModelNotFound(f"the model {model!r} does not exist here", param="model")


def _visible(services: Given, client: Principal) -> list[ModelConfig]:
    return [model for model in services.config.models if client.can_use_model(model.name)]


def _auto() -> dict[str, Any]:
    return {"id": AUTO, "object": "model", "created": 0, "owned_by": "benchroute"}


def _shown(model: ModelConfig) -> dict[str, Any]:
    about = model.model_dump(mode="json", include={"params_b", "price", "context_window", "supports"})
    return {"id": model.name, "object": "model", "created": 0, "owned_by": "benchroute", "benchroute": about}
