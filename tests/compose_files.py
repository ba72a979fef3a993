"""The Compose files as Compose reads them, as far as they use its format: extended services, variables."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SINGLE = ROOT / "docker-compose.yml"
FLEET = ROOT / "deploy/compose/fleet.yml"

VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Z_]+)(?::-([^}]*))?\})")


def services_of(path: Path, environment: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Return the services of a file by name. environment: for its variables, none by default."""
    found = interpolate(yaml.safe_load(path.read_text())["services"], environment or {})
    return {name: _extended(service, path, environment) for name, service in found.items()}


def interpolate(value: Any, environment: Mapping[str, str]) -> Any:
    """Replace ${NAME:-default} and $$ in all texts."""
    if isinstance(value, dict):
        return {key: interpolate(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolate(one, environment) for one in value]
    if not isinstance(value, str):
        return value
    return VARIABLE.sub(lambda found: "$" if found[1] else environment.get(found[2]) or found[3] or "", value)


def _extended(service: dict[str, Any], path: Path, environment: Mapping[str, str] | None) -> dict[str, Any]:
    extends = service.get("extends")
    if extends is None:
        return service
    base = services_of((path.parent / extends["file"]).resolve(), environment)[extends["service"]]
    own = {key: value for key, value in service.items() if key != "extends"}
    return {**base, **own}
