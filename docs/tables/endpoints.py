"""Endpoints reference, from the application."""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from docs.tables.markdown import code, paragraphs, table
from gateway.api.build import build_api
from gateway.api.probes import PROBES, Probe
from gateway.http.endpoints import BY_PATH
from gateway.proxy.passthrough.endpoints import ENDPOINTS

INTRO = """\
# Endpoints

`GET /openapi.json` is the OpenAPI document. Keys are sent as `Authorization: Bearer`, or as `x-api-key`.

| Access | Required key |
|---|---|
| open | none |
| client | a client key or an admin key; none if no keys are configured |
| operator | an admin key if one is configured, else as client |
| manager | an admin key that is not `read_only`; none on localhost if no keys are configured |
| scraper | an admin key if one is configured, else none |
| admin | an admin key; a `read_only` key can only read |

"""
FORWARDED = "Forward the request to a backend of the task's model."
ACCESS = {
    "admin_of": "admin",
    "operator_of": "operator",
    "manager_of": "manager",
    "principal_of": "client",
}
"""By the dependency that checks the key, the strictest first."""


def endpoints() -> str:
    """Return the text of the page."""
    heads = ("Method", "Path", "Access", "Description")
    return INTRO + table(heads, [(code(row[0]), code(row[1]), row[2], row[3]) for row in endpoint_rows()])


def endpoint_rows() -> list[tuple[str, str, str, str]]:
    """Return method, path, access and description of every endpoint."""
    rows = [("POST", path, "client", FORWARDED) for path in BY_PATH]
    rows += [(one.method, one.template, "client", f"Passed through: {one.description}") for one in ENDPOINTS]
    own = [*_own(build_api(lambda: None)), *(_probe_row(probe) for probe in PROBES)]
    return rows + sorted(own, key=lambda row: (row[1], row[0]))


def _probe_row(probe: Probe) -> tuple[str, str, str, str]:
    return "GET", probe.path, probe.access, probe.description.partition("\n\n")[0]


def _own(api: FastAPI) -> Iterator[tuple[str, str, str, str]]:
    for route in _routes(api.routes):
        methods = sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD"})
        endpoint, path = getattr(route, "endpoint", None), str(getattr(route, "path", ""))
        text = " ".join(paragraphs(endpoint)[:1]) if inspect.isfunction(endpoint) else ""
        description = text.partition(" Raises ")[0]
        if path == "/openapi.json":
            description = "Return the OpenAPI document."
        for method in methods:
            yield method, path.replace(":path", ""), _access(route), description


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    """All routes: depending on its version, FastAPI copies an included router's routes or keeps the router."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        yield from (route,) if inner is None else _routes(inner.routes)


def _access(route: Any) -> str:
    if not isinstance(route, APIRoute):
        return "open"
    used = set(_dependencies(route.dependant))
    return next((access for name, access in ACCESS.items() if name in used), "open")


def _dependencies(dependant: Any) -> Iterator[str]:
    for inner in dependant.dependencies:
        yield getattr(inner.call, "__name__", "")
        yield from _dependencies(inner)
