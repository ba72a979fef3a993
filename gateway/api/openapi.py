"""The OpenAPI document (https://spec.openapis.org/oas/v3.1.0), with the request path's endpoints and the probes.

All errors have one schema; FastAPI's own 422 is never sent. Of the request path's bodies only the members that the
gateway reads are described: all others are forwarded unchanged.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI

from gateway.api.probes import PROBES, Probe
from gateway.http.endpoints import BY_PATH, Endpoint
from gateway.proxy.passthrough.endpoints import ENDPOINTS, PassthroughEndpoint

TASK_ID = {"type": "string", "pattern": r"^[A-Za-z0-9._:/-]{1,128}$"}
SECONDS = {"type": "string", "pattern": r"^[1-9][0-9]{0,3}(\.[0-9]{1,3})?$"}
HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Task-Id": (
        "Task ID; else metadata.task_id, else model task/<id>, else the key's default task, else `default`.",
        TASK_ID,
    ),
    "X-Session-Id": ("Session ID of a conversation, which keeps its model.", TASK_ID),
    "x-benchroute-connect-s": ("Connect timeout, seconds.", SECONDS),
    "x-benchroute-first-byte-s": ("Timeout until the first byte of the response, seconds.", SECONDS),
    "x-benchroute-between-chunks-s": ("Idle timeout within a stream, seconds.", SECONDS),
    "x-benchroute-total-s": ("Total timeout including retries, seconds.", SECONDS),
}
ERROR = {
    "description": "Error in OpenAI's envelope.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


class OpenApiApp(FastAPI):
    """FastAPI application with an OpenAPI document of all endpoints, also of those that are not its own."""

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        document = super().openapi()
        document.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR_SCHEMA
        document["paths"] |= {path: {"post": _operation(operation)} for path, operation in BY_PATH.items()}
        for one in ENDPOINTS:
            document["paths"].setdefault(one.template, {})[one.method.lower()] = _passed_through(one)
        document["paths"] |= {probe.path: {"get": _probe(probe)} for probe in PROBES}
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = ERROR
        return document


def methods_at(document: Mapping[str, Any], path: str) -> list[str]:
    """Return the methods that any endpoint allows at a path: several can match, since task IDs contain slashes."""
    found = [about for name, about in document["paths"].items() if _pattern(name).fullmatch(path)]
    methods = {method.upper() for about in found for method in about}
    # RFC 9110, 9.3.2: HEAD is there wherever GET is.
    return sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())) if methods else []


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)))


def _probe(probe: Probe) -> dict[str, Any]:
    operation = "_".join([probe.name, *probe.path.strip("/").split("/"), "get"])
    schema: dict[str, Any] = {"type": "string"}
    if probe.is_json:
        title = f"Response {operation.replace('_', ' ').title()}"  # as FastAPI names those of all others
        schema = {"type": "object", "additionalProperties": True, "title": title}
    return {
        "tags": ["operations"],
        "summary": probe.name.replace("_", " ").title(),
        "description": probe.description,
        "operationId": operation,
        "responses": {
            "200": {
                "description": "Successful Response",
                "content": {probe.media_type.partition(";")[0]: {"schema": schema}},
            }
        },
    }


def _passed_through(endpoint: PassthroughEndpoint) -> dict[str, Any]:
    names = re.findall(r"\w+", endpoint.template.replace("{id}", "id"))
    described: dict[str, Any] = {
        "tags": ["passed through"],
        "summary": endpoint.description,
        "operationId": "_".join([endpoint.method.lower(), *names]),
        "responses": {"200": {"description": "The backend's response, byte for byte."}},
    }
    if "{id}" in endpoint.template:
        described["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    return described


def _operation(operation: Endpoint) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "array", "items": {}} if operation.is_array else {}
    body = {
        "type": "object",
        "required": ["model"],
        "properties": {
            "model": {
                "type": "string",
                "description": "`auto`, `task/<id>`, or the name of a configured model.",
                "example": "auto",
            },
            operation.content: content,
            "stream": {"type": "boolean"},
            "metadata": {
                "type": "object",
                "description": "The members task_id and session_id are for the gateway, and are not forwarded.",
            },
        },
    }
    answers = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}}
    return {
        "tags": ["request path"],
        "summary": f"Send a request to the model of its task: {operation.path}",
        "operationId": "_".join(["post", *operation.path.strip("/").split("/")]),
        "parameters": [
            {"name": name, "in": "header", "required": False, "description": about, "schema": schema}
            for name, (about, schema) in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "The backend's response, byte for byte.", "content": answers}},
    }
