"""A value that a JSON Schema allows, for structured output and tool calls' arguments."""

from collections.abc import Mapping
from typing import Any

DEPTH = 20


def instance(schema: Mapping[str, Any]) -> Any:
    """Return an instance of the schema, always the same. Supports the part of JSON Schema that client libraries use."""
    return _of(schema, schema, 0)


def _of(schema: Mapping[str, Any], top: Mapping[str, Any], depth: int) -> Any:
    if depth > DEPTH:
        return None
    if "$ref" in schema:
        found: Any = top
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return _of(found, top, depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return _of(schema[name][0], top, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    return _typed(schema, top, depth)


def _typed(schema: Mapping[str, Any], top: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object")
    if kind == "object":
        members = schema.get("properties", {})
        return {name: _of(one, top, depth + 1) for name, one in members.items()}
    if kind == "array":
        return [_of(schema.get("items", {"type": "string"}), top, depth + 1)] * 2
    return {"string": 'Grüße "€" 😀', "integer": 7, "number": 2.5, "boolean": True}.get(kind)
