"""GET /v1/config, GET /v1/config/versions, POST /v1/config/reload and /v1/config/rollback: by an admin."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from gateway.api.services import AdminPrincipal, Given
from gateway.config.history import ConfigHistory, ConfigVersion
from gateway.errors import ConfigError, InvalidRequest, PackRejected

router = APIRouter(tags=["configuration"])


class RollbackBody(BaseModel):
    """version: the number of one that GET /v1/config/versions lists."""

    model_config = ConfigDict(extra="forbid")
    version: int


@router.get("/v1/config")
async def get_config(services: Given, _: AdminPrincipal) -> dict[str, Any]:
    """The configuration in force: defaults filled in, secrets masked."""
    version = services.config_history.current_version
    return {**_shown(version, services.config_history), "object": "config", "config": version.config.mask_secrets()}


@router.get("/v1/config/versions")
async def list_versions(services: Given, _: AdminPrincipal) -> dict[str, Any]:
    """The last configurations, newest last. They live in memory: a restart begins with 1 again."""
    data = [_shown(version, services.config_history) for version in services.config_history.list_versions()]
    return {"object": "list", "data": data}


@router.post("/v1/config/reload")
async def reload_config(services: Given, _: AdminPrincipal) -> dict[str, Any]:
    """Reads the file and its pack again. What cannot be used changes nothing, and the answer says all of why."""
    try:
        version = await services.config_history.reload("api")
    except (ConfigError, PackRejected) as error:
        raise config_rejected(error) from error
    return _shown(version, services.config_history)


@router.post("/v1/config/rollback")
async def rollback_config(body: RollbackBody, services: Given, _: AdminPrincipal) -> dict[str, Any]:
    """Puts an earlier configuration in force again. The file is not changed."""
    try:
        version = await services.config_history.rollback(body.version)
    except (ConfigError, PackRejected) as error:
        raise config_rejected(error) from error
    return {**_shown(version, services.config_history), "message": services.config_history.file_note()}


def config_rejected(error: ConfigError | PackRejected) -> InvalidRequest:
    """What a change that cannot be made is told with."""
    if isinstance(error, PackRejected):
        return InvalidRequest(f"Configuration not changed: {error}", code="pack_refused")
    first = next((path for path, _ in error.faults if path), None)
    return InvalidRequest(f"Configuration not changed: {error}", param=first, code="invalid_config")


def _shown(version: ConfigVersion, versions: ConfigHistory) -> dict[str, Any]:
    return {
        "object": "config.version",
        "version": version.number,
        "at": datetime.fromtimestamp(version.at, UTC).isoformat(timespec="milliseconds"),
        "by": version.changed_by,
        "of": version.of,
        "sha256": version.sha256,
        "in_force": version is versions.current_version,
    }
