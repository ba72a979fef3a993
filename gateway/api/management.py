"""Endpoints for admins: client keys at /v1/keys, configuration versions at /v1/config."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from fastapi import APIRouter, Response

from gateway.api.dependencies import AdminPrincipal, Given
from gateway.api.pagination import Paging, encode_rows, json_response, page_of_sorted, page_to_json
from gateway.api.schemas import RollbackBody, RotationBody
from gateway.api.services import Services
from gateway.config import Config, KeyLimits, KeyTerms
from gateway.config.fields import ConfigSection
from gateway.config.history import ConfigHistory, ConfigVersion
from gateway.errors import ConfigError, InvalidRequest, PackRejected
from gateway.keys.key_records import ClientKey
from gateway.usage.ledger import to_json

keys_router = APIRouter(tags=["keys"])
config_router = APIRouter(tags=["configuration"])


@keys_router.get("/v1/keys", response_model=dict[str, Any])
async def list_keys(services: Given, _: AdminPrincipal, page: Paging) -> Response:
    """List client keys with their permissions, source and usage today, without secrets or hashes."""
    found = list(islice(services.client_keys.keys_after(page.name_position("keys")), page.limit + 1))
    rows = found[: page.limit]
    last = rows[-1].place if len(found) > page.limit else None
    uses = await services.client_keys.last_uses(rows)
    listed = await encode_rows(rows, lambda key: _key_to_json(key, services, uses))
    return json_response(page_to_json(listed, "keys", last))


@keys_router.post("/v1/keys")
async def create_key(body: KeyTerms, services: Given, admin: AdminPrincipal) -> dict[str, Any]:
    """Create a client key, valid immediately. Only this response contains its secret."""
    key, secret = await services.client_keys.create_key(body, admin.name)
    return {**await _describe_key(services, key), "secret": secret}


@keys_router.patch("/v1/keys/{name:path}")
async def update_key(name: str, body: KeyLimits, services: Given, admin: AdminPrincipal) -> dict[str, Any]:
    """Change permissions, limits, budgets or expiry of a created key. What the body leaves out stays as it is."""
    key = await services.client_keys.update_key(name, body, admin.name)
    return await _describe_key(services, key)


@keys_router.post("/v1/keys/{name:path}/rotate")
async def rotate_key(
    name: str, services: Given, admin: AdminPrincipal, body: RotationBody | None = None
) -> dict[str, Any]:
    """Give a created key a new secret. The former one stays valid until a time, or until it is revoked."""
    until = None if body is None else body.old_expires_at
    key, secret = await services.client_keys.rotate_key(name, until, admin.name)
    return {**await _describe_key(services, key), "secret": secret}


@keys_router.delete("/v1/keys/{name:path}/secrets/{number}")
async def revoke_secret(name: str, number: int, services: Given, admin: AdminPrincipal) -> dict[str, Any]:
    """Revoke one of the two secrets of a created key immediately. Requests in flight complete."""
    key = await services.client_keys.revoke_secret(name, number, admin.name)
    return await _describe_key(services, key)


@keys_router.delete("/v1/keys/{name:path}")
async def revoke_key(name: str, services: Given, admin: AdminPrincipal) -> dict[str, Any]:
    """Revoke a created key immediately. Requests in flight complete."""
    await services.client_keys.revoke_key(name, admin.name)
    return {"object": "key.deleted", "name": name, "deleted": True}


@config_router.get("/v1/config", response_model=dict[str, Any])
async def get_config(services: Given, _: AdminPrincipal) -> Response:
    """Return the active configuration with defaults filled in and secrets masked."""
    history = services.config_history
    version = history.current_version
    shown = {**_version_to_json(version, history), "object": "config"}
    return json_response({**shown, "config": await _masked_config(version.config)})


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


async def _masked_config(config: Config) -> dict[str, Any]:
    """Return `config.mask_secrets()` as JSON; requests come between: a thousand tasks and models take 15 ms."""
    found = dict[str, Any]()
    for name, section in config:
        if isinstance(section, tuple):
            found[name] = await encode_rows(section, ConfigSection.mask_secrets)
        elif isinstance(section, dict):
            rows = await encode_rows(section.values(), ConfigSection.mask_secrets)
            found[name] = dict(zip(section, rows, strict=True))
        else:
            found[name] = section.mask_secrets()
    return found


async def _describe_key(services: Services, key: ClientKey) -> dict[str, Any]:
    return _key_to_json(key, services, await services.client_keys.last_uses([key]))


def _key_to_json(key: ClientKey, services: Services, uses: Mapping[str, float]) -> dict[str, Any]:
    ledger = services.ledger
    return {
        "object": "key",
        **key.key.model_dump(mode="json", exclude={"sha256", "previous_sha256", "previous_expires_at"}),
        "is_expired": services.client_keys.is_expired(key),
        "source": key.source,
        "created_at": _time(key.created_at),
        "last_used_at": _time(max((uses[one.sha256] for one in key.secrets if one.sha256 in uses), default=None)),
        "secrets": [
            {
                "number": one.number,
                "is_current": one is key.secrets[-1],
                "created_at": _time(one.created_at),
                "expires_at": _time(one.expires_at),
                "last_used_at": _time(uses.get(one.sha256)),
            }
            for one in key.secrets
        ],
        "today": to_json(ledger.usage_on("key", key.key.name, ledger.current_day())),
    }


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _version_to_json(version: ConfigVersion, history: ConfigHistory) -> dict[str, Any]:
    return {
        "object": "config.version",
        "version": version.number,
        "at": _time(version.at),
        "changed_by": version.changed_by,
        "of": version.of,
        "sha256": version.sha256,
        "active": version is history.current_version,
    }
