"""Errors of a document's settings, from pydantic's."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.config.expand import ConfigFault
from gateway.config.field_messages import describe_fault, kind_message
from gateway.config.schema import BACKEND_KINDS
from gateway.config.schema_paths import Location, describe_types, is_number, types_at
from gateway.config.unknown_settings import renamed_value_message, unknown_setting_message

UNION_ERRORS = ("union_tag_not_found", "union_tag_invalid")


def find_faults(root: type[BaseModel], error: ValidationError, missing: set[str]) -> list[ConfigFault]:
    """Return the errors without consequential ones: of a missing variable, of a list whose items are invalid.

    root: the section that the document is. missing: paths of settings with a variable that is not set.
    """
    details = [(*_fault(root, detail), detail["type"]) for detail in error.errors()]
    within = [path for path, _, _ in details]
    return [
        (path, message)
        for path, message, kind in details
        if path not in missing and not (kind == "too_short" and any(other.startswith(f"{path}[") for other in within))
    ]


def find_booleans(root: type[BaseModel], value: object, location: Location = ()) -> Iterator[ConfigFault]:
    """Yield errors for booleans where a number belongs: pydantic takes `yes` for 1."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from find_booleans(root, member, (*location, name))
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from find_booleans(root, member, (*location, place))
    elif isinstance(value, bool) and is_number(found := types_at(root, location)):
        yield format_location(location), f"must be {describe_types(found)}; got {str(value).lower()}"


def format_location(location: Location) -> str:
    """Return a location as a path: models[0].backends[1].base_url."""
    path = ""
    for part in location:
        if part in BACKEND_KINDS and path.endswith("]"):
            continue  # the member of the union that was tried is no part of the path
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _fault(root: type[BaseModel], error: Any) -> ConfigFault:
    kind, location = error["type"], error["loc"]
    path = format_location(location)
    if kind in UNION_ERRORS:
        given = error["input"].get("kind") if isinstance(error["input"], dict) else None
        return f"{path}.kind", kind_message(sorted(BACKEND_KINDS), given)
    if kind == "extra_forbidden":
        return path, unknown_setting_message(location)
    if kind == "literal_error" and (renamed := renamed_value_message(path, error["input"])):
        return path, renamed
    is_key = location and location[-1] == "[key]"
    message = describe_fault(root, kind, location[:-1] if is_key else location, error["input"], error["msg"])
    return path.removesuffix(".[key]"), message
