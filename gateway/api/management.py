"""Endpoints for admins: client keys at /v1/keys, configuration versions at /v1/config."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from gateway.api.pagination import Paging, json_response, page_of_sorted, page_to_json
from gateway.api.schemas import RollbackBody
from gateway.api.services import AdminPrincipal, Given
from gateway.config import KeyTerms
from gateway.config.history import ConfigHistory, ConfigVersion
from gateway.errors import ConfigError, InvalidRequest, PackRejected
from gateway.keys.client_keys import ClientKey
from gateway.usage.ledger import Ledger, to_json

keys_router = APIRouter(tags=["keys"])
config_router = APIRouter(tags=["configuration"])


@keys_router.get("/v1/keys", response_model=dict[str, Any])
async def list_keys(services: Given, _: AdminPrincipal, page: Paging) -> Response:
    """List client keys with their permissions, source and usage today, without secrets or hashes."""
    keys = sorted(services.client_keys.list_keys(), key=_key_place)
    rows, last = page_of_sorted(keys, _key_place, page, "keys")
    return json_response(page_to_json([_key_to_json(key, services.ledger) for key in rows], "keys", last))


@keys_router.post("/v1/keys")
async def create_key(body: KeyTerms, services: Given, admin: AdminPrincipal) -> dict[str, Any]:
    """Create a client key, valid immediately. Only this response contains its secret."""
    key, secret = await services.client_keys.create_key(body, admin.name)
    return {**_key_to_json(key, services.ledger), "secret": secret}


@keys_router.delete("/v1/keys/{name:path}")
async def revoke_key(name: str, services: Given, admin: AdminPrincipal) -> dict[str, Any]:
    """Revoke a created key immediately. Requests in flight complete."""
    await services.client_keys.revoke_key(name, admin.name)
    return {"object": "key.deleted", "name": name, "deleted": True}


@config_router.get("/v1/config")
async def get_config(services: Given, _: AdminPrincipal) -> dict[str, Any]:
    """Return the active configuration with defaults filled in and secrets masked."""
    history = services.config_history
    version = history.current_version
    return {**_version_to_json(version, history), "object": "config", "config": version.config.mask_secrets()}


@config_router.get("/v1/config/versions")
async def list_versions(services: Given, _: AdminPrincipal, page: Paging) -> dict[str, Any]:
    """List the last configuration versions, newest last. They are in memory: numbers start at 1 after a restart."""
    history = services.config_history
    rows, last = page_of_sorted(history.list_versions(), lambda version: version.number, page, "versions")
    return page_to_json([_version_to_json(version, history) for version in rows], "versions", last)


@config_router.post("/v1/config/reload")
async def reload_config(services: Given, _: AdminPrincipal) -> dict[str, Any]:
    """Reload the configuration file and its pack. An invalid file changes nothing; the error lists every problem."""
    try:
        version = await services.config_history.reload("api")
    except (ConfigError, PackRejected) as error:
        raise config_rejected(error) from error
    return _version_to_json(version, services.config_history)


@config_router.post("/v1/config/rollback")
async def rollback_config(body: RollbackBody, services: Given, _: AdminPrincipal) -> dict[str, Any]:
    """Restore an earlier configuration version. The file is not changed."""
    history = services.config_history
    try:
        version = await history.rollback(body.version)
    except (ConfigError, PackRejected) as error:
        raise config_rejected(error) from error
    return {**_version_to_json(version, history), "message": history.file_note()}


def config_rejected(error: ConfigError | PackRejected) -> InvalidRequest:
    """Return the response to a change of the configuration or the pack that was rejected."""
    if isinstance(error, PackRejected):
        return InvalidRequest(f"Configuration not changed: {error}", code="pack_refused")
    first = next((path for path, _ in error.faults if path), None)
    return InvalidRequest(f"Configuration not changed: {error}", param=first, code="invalid_config")


def _key_place(key: ClientKey) -> str:
    """Return what keys are listed by: the configuration's by name, then the created ones, oldest first."""
    return f"{key.created_at or 0.0:020.6f} {key.key.name}"


def _key_to_json(key: ClientKey, ledger: Ledger) -> dict[str, Any]:
    at = key.created_at
    return {
        "object": "key",
        **key.key.model_dump(mode="json", exclude={"sha256"}),
        "source": key.source,
        "created_at": None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "today": to_json(ledger.usage_on("key", key.key.name, ledger.current_day())),
    }


def _version_to_json(version: ConfigVersion, history: ConfigHistory) -> dict[str, Any]:
    return {
        "object": "config.version",
        "version": version.number,
        "at": datetime.fromtimestamp(version.at, UTC).isoformat(timespec="milliseconds"),
        "changed_by": version.changed_by,
        "of": version.of,
        "sha256": version.sha256,
        "active": version is history.current_version,
    }
