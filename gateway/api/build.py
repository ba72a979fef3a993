"""The FastAPI application: all endpoints but the request path and the probes, and its error handlers."""

from collections.abc import Callable
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway.api import activity, management, operations, packs, policies, requests, scoring, task_changes, tasks, usage
from gateway.api.openapi import OpenApiApp, methods_at
from gateway.api.request_faults import describe_request_fault
from gateway.api.responses import log_internal_error
from gateway.api.services import Services
from gateway.errors import InvalidRequest, MethodNotAllowed, NotFound, RequestError, StateError
from gateway.http.endpoints import BY_PATH
from gateway.http.error_envelope import to_dict
from gateway.proxy.passthrough.endpoints import ENDPOINTS
from gateway.proxy.responses import error_headers
from gateway.ui.pages import ui_router


def build_api(services: Callable[[], Services | None]) -> FastAPI:
    """Build the application. services: the running gateway's; None until it has started."""
    api = OpenApiApp(
        title="Benchroute",
        version=version("benchroute"),
        summary="LLM gateway that routes each task to the best model according to benchmark evidence.",
        docs_url=None,
        redoc_url=None,
    )
    api.state.services = services
    _install_error_handlers(api)
    # Those of parts of a task come before tasks: its /v1/tasks/{id} matches any path below.
    for router in (
        operations.models_router,
        policies.router,
        scoring.router,
        task_changes.router,
        tasks.router,
        packs.router,
        requests.router,
        activity.activity_router,
        usage.me_router,
        usage.usage_router,
        management.keys_router,
        management.config_router,
        operations.operations_router,
        ui_router(),
    ):
        # As they are: include_router makes each route a second time, in the event loop at the first request.
        api.router.routes.extend(router.routes)
    return api


def _install_error_handlers(app: FastAPI) -> None:
    """Send every error in OpenAI's envelope: one handler for each kind of exception that can leave an endpoint."""
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(StateError, _unexpected)
    app.add_exception_handler(Exception, _unexpected)


def _to_response(error: RequestError, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(to_dict(error), status_code=error.status, headers=headers)


async def _request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101  # registered for this type
    # The same headers as on the request path, which sets the type of its body itself.
    names = ((name.decode(), value.decode("latin-1")) for name, value in error_headers(error))
    return _to_response(error, {name: value for name, value in names if name != "content-type"})


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this type
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return _to_response(InvalidRequest(f"{place or 'body'}: {describe_request_fault(first)}.", param=place or None))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this type
    headers = dict(error.headers) if error.headers else None
    is_found = error.status_code == MethodNotAllowed.status
    if request.method == "OPTIONS" and (is_found or request.url.path in BY_PATH):
        # RFC 9110, 9.3.7: what the path allows, without a key.
        return Response(status_code=204, headers={"allow": _allowed_methods(request)})
    if error.status_code == NotFound.status:
        return _to_response(NotFound(_path_not_found(request)), headers)
    if is_found:
        # RFC 9110, 15.5.6: a 405 lists the methods that the path allows.
        headers = {"allow": _allowed_methods(request)}
        message = f"Method {request.method} is not allowed at {request.url.path}."
        return _to_response(MethodNotAllowed(message), headers)
    return _to_response(InvalidRequest(str(error.detail)), headers)


def _allowed_methods(request: Request) -> str:
    # The dashboard's files are not in the document; they are read only.
    return ", ".join(methods_at(request.app.openapi(), request.url.path) or ["GET", "HEAD", "OPTIONS"])


def _path_not_found(request: Request) -> str:
    """Return the message for an unknown path; below /v1 it lists what there is for clients."""
    path = request.url.path
    if not path.startswith("/v1/"):
        return f"Path {path} not found."
    known = sorted({*BY_PATH, "/v1/models", *(one.template for one in ENDPOINTS)})
    return f"Path {path} not found. Endpoints for clients: {', '.join(known)}. All: GET /openapi.json."


async def _unexpected(request: Request, error: Exception) -> Response:
    return _to_response(log_internal_error(request.scope, error))
