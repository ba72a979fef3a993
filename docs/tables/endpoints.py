"""Every endpoint, from the application."""

import inspect
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from docs.tables.markdown import code, paragraphs, table
from gateway.api.build import build_api
from gateway.http.endpoints import BY_PATH

INTRO = """\
# Endpoints

`GET /openapi.json` describes our own endpoints for programs. Keys go as `Authorization: Bearer`, or as `x-api-key`.

| takes | |
|---|---|
| nothing | anybody may ask |
| a key | a client's; where none is configured, nothing |
| an operator's key | an admin key, where one is configured; else a client's |
| a manager's key | an admin key that is not `read_only`; without any keys, nothing, on this machine |
| a scraper's key | an admin key, where one is configured; else nothing |
| an admin key | one of `admin.keys`; a `read_only` one looks, and changes nothing |

"""
FORWARDED = "Forwarded to the backend of the model that the task is routed to."
TAKES = {
    "admin_of": "an admin key",
    "scraper_of": "a scraper's key",
    "operator_of": "an operator's key",
    "manager_of": "a manager's key",
    "principal_of": "a key",
}
"""By the dependency that looks at the key; the strictest comes first."""


def endpoints() -> str:
    """The page."""
    rows = [("POST", path, "a key", FORWARDED) for path in BY_PATH]
    rows += sorted(_own(_api()), key=lambda row: (row[1], row[0]))
    return INTRO + table(("", "path", "takes", ""), [(code(row[0]), code(row[1]), row[2], row[3]) for row in rows])


def _api() -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    return build_api(lifespan)


def _own(api: FastAPI) -> Iterator[tuple[str, str, str, str]]:
    for route in _routes(api.routes):
        methods = sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD"})
        endpoint, path = getattr(route, "endpoint", None), str(getattr(route, "path", ""))
        told = " ".join(paragraphs(endpoint)[:1]) if inspect.isfunction(endpoint) else ""
        if path == "/openapi.json":
            told = "Our own endpoints for programs."
        for method in methods:
            yield method, path.replace(":path", ""), _takes(route), told


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Flat, whether FastAPI copies an included router's routes or keeps the router."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        yield from (route,) if inner is None else _routes(inner.routes)


def _takes(route: Any) -> str:
    if not isinstance(route, APIRoute):
        return "nothing"
    asked = set(_dependencies(route.dependant))
    return next((told for name, told in TAKES.items() if name in asked), "nothing")


def _dependencies(dependant: Any) -> Iterator[str]:
    for inner in dependant.dependencies:
        yield getattr(inner.call, "__name__", "")
        yield from _dependencies(inner)
