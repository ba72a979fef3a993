"""Every error in OpenAI's envelope."""

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway.api.openapi import methods_at
from gateway.errors import Internal, InvalidRequest, MethodNotAllowed, NotFound, RequestError, StateError
from gateway.http.error_envelope import to_dict

log = logging.getLogger("benchroute.api")


def install_handlers(app: FastAPI) -> None:
    """One handler for each kind of exception that can leave an endpoint."""
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(StateError, _unexpected)
    app.add_exception_handler(Exception, _unexpected)


def _shown(error: RequestError, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(to_dict(error), status_code=error.status, headers=headers)


async def _request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101  # what it is installed for
    return _shown(error)


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # what it is installed for
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return _shown(InvalidRequest(f"{place or 'body'}: {first['msg']}", param=place or None))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # what it is installed for
    headers = dict(error.headers) if error.headers else None
    if error.status_code == NotFound.status:
        return _shown(NotFound(f"{request.url.path} is no path of this gateway"), headers)
    if error.status_code == MethodNotAllowed.status:
        headers = {"allow": ", ".join(methods_at(request.app.openapi(), request.url.path))}
        return _shown(MethodNotAllowed(f"{request.method} is not answered at {request.url.path}"), headers)
    return _shown(InvalidRequest(str(error.detail)), headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed inside the gateway", request.method, request.url.path, exc_info=error)
    return _shown(Internal("the gateway failed; its log says why"))
