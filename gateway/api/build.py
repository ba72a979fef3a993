"""All endpoints but the request path in one FastAPI application."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version

from fastapi import FastAPI

from gateway.api import (
    activity,
    configuration,
    decisions,
    errors,
    evidence,
    feedback,
    keys,
    models,
    operations,
    overview,
    packs,
    policies,
    suggestions,
    tasks,
    usage,
)
from gateway.api.openapi import OpenApiApp
from gateway.ui.pages import ui_router


def build_api(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """The application. Its `state.services`, a function, is set by `lifespan` before the first request."""
    api = OpenApiApp(
        title="Benchroute",
        version=version("benchroute"),
        summary="Sends every task to the model that benchmark evidence says is best for it.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    errors.install_handlers(api)
    for part in (
        models,
        policies,
        evidence,
        feedback,
        suggestions,
        overview,
        tasks,
        packs,
        decisions,
        activity,
        usage,
        keys,
        configuration,
        operations,
    ):
        api.include_router(part.router)
    api.include_router(ui_router())
    return api
