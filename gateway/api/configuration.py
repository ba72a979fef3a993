"""GET /v1/config, GET /v1/config/versions, POST /v1/config/reload and /v1/config/rollback: by an admin."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from gateway.api.services import Admin, Given
from gateway.config.history import Version, Versions
from gateway.errors import ConfigError, InvalidRequest, PackRefused

router = APIRouter(tags=["configuration"])


class RollbackBody(BaseModel):
    """version: the number of one that GET /v1/config/versions lists."""

    model_config = ConfigDict(extra="forbid")
    version: int


@router.get("/v1/config")
async def config(services: Given, _: Admin) -> dict[str, Any]:
    """The configuration in force: defaults filled in, secrets masked."""
    version = services.versions.in_force
    return {**_shown(version, services.versions), "object": "config", "config": version.config.masked()}


@router.get("/v1/config/versions")
async def versions(services: Given, _: Admin) -> dict[str, Any]:
    """The last configurations, newest last. They live in memory: a restart begins with 1 again."""
    data = [_shown(version, services.versions) for version in services.versions.history()]
    return {"object": "list", "data": data}


@router.post("/v1/config/reload")
async def reload(services: Given, _: Admin) -> dict[str, Any]:
    """Reads the file and its pack again. What cannot be used changes nothing, and the answer says all of why."""
    try:
        version = await services.versions.reload("api")
    except (ConfigError, PackRefused) as error:
        raise refused(error) from error
    return _shown(version, services.versions)


@router.post("/v1/config/rollback")
async def rollback(body: RollbackBody, services: Given, _: Admin) -> dict[str, Any]:
    """Puts an earlier configuration in force again. The file is not changed."""
    try:
        version = await services.versions.rollback(body.version)
    except (ConfigError, PackRefused) as error:
        raise refused(error) from error
    return {**_shown(version, services.versions), "message": services.versions.about_file()}


def refused(error: ConfigError | PackRefused) -> InvalidRequest:
    """What a change that cannot be made is told with."""
    if isinstance(error, PackRefused):
        return InvalidRequest(f"everything stays as it was: {error}", code="pack_refused")
    first = next((path for path, _ in error.faults if path), None)
    return InvalidRequest(f"everything stays as it was: {error}", param=first, code="invalid_config")


def _shown(version: Version, versions: Versions) -> dict[str, Any]:
    return {
        "object": "config.version",
        "version": version.number,
        "at": datetime.fromtimestamp(version.at, UTC).isoformat(timespec="milliseconds"),
        "by": version.by,
        "of": version.of,
        "sha256": version.sha256,
        "in_force": version is versions.in_force,
    }
