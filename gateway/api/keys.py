"""GET and POST /v1/keys, DELETE /v1/keys/{name}: clients' keys, by an admin, in force at once."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from gateway.api.services import AdminPrincipal, Given
from gateway.config import KeyTerms
from gateway.keys.client_keys import ClientKey
from gateway.usage.ledger import Ledger, to_json

router = APIRouter(tags=["keys"])


@router.get("/v1/keys")
async def list_keys(services: Given, _: AdminPrincipal) -> dict[str, Any]:
    """Every client's key: what it may do, where it is from, what it spent today. Neither secrets nor their hashes."""
    return {"object": "list", "data": [_shown(held, services.ledger) for held in services.client_keys.list_keys()]}


@router.post("/v1/keys")
async def create_key(body: KeyTerms, services: Given, admin: AdminPrincipal) -> dict[str, Any]:
    """Makes a key. Its secret is in this answer, and nowhere else."""
    held, secret = await services.client_keys.create_key(body, admin.name)
    return {**_shown(held, services.ledger), "secret": secret}


@router.delete("/v1/keys/{name:path}")
async def revoke_key(name: str, services: Given, admin: AdminPrincipal) -> dict[str, Any]:
    """Takes a created key out of force; requests under way end as they began."""
    await services.client_keys.revoke_key(name, admin.name)
    return {"object": "key.deleted", "name": name, "deleted": True}


def _shown(held: ClientKey, ledger: Ledger) -> dict[str, Any]:
    at = held.created_at
    return {
        "object": "key",
        **held.key.model_dump(mode="json", exclude={"sha256"}),
        "source": held.source,
        "created_at": None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "today": to_json(ledger.usage_on("key", held.key.name, ledger.current_day())),
    }
