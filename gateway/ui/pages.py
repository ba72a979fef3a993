"""GET /, GET /ui and the static files below it. Takes no key: the files hold no data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from gateway.errors import NotFound

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".md": "text/plain; charset=utf-8",
}

INDEX = "index.html"

PATHS = {
    "object": "gateway",
    "name": "benchroute",
    "api": "/v1",
    "models": "/v1/models",
    "dashboard": "/ui/",
    "openapi": "/openapi.json",
    "health": "/health/ready",
}
"""Response of `/` to API clients. It says nothing that a key protects."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Content Security Policy: own origin only, no inline script or style, no framing (https://www.w3.org/TR/CSP3/)."""

HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
"""Security headers, and no-cache: browsers store the files and revalidate them by ETag (RFC 9111, section 5.2.2.4).
An upgraded gateway never serves a page with the previous version's scripts."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file, ready to be served.

    Attributes:
        body: The file's bytes.
        media_type: Value of the Content-Type header.
        etag: Quoted hash of the body.
    """

    body: bytes
    media_type: str
    etag: str


def read_assets() -> Mapping[str, Asset]:
    """Return the dashboard's files by their path below /ui/."""
    return dict(_read_folder(files("gateway.ui").joinpath("static"), ""))


def ui_router() -> APIRouter:
    """Build the router. Files are read once, at start: they are few and small."""
    assets = read_assets()
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def show_gateway(request: Request) -> Response:
        """Lead a browser to the dashboard, and tell an API client where the API is."""
        vary = {**HEADERS, "vary": "accept"}
        # RFC 9110, 12.5.1: browsers name text/html; clients of the API name JSON, or anything.
        if "text/html" in request.headers.get("accept", ""):
            return Response(status_code=307, headers={"location": "ui/", **vary})
        return JSONResponse(PATHS, headers=vary)

    @router.get("/ui")
    async def redirect_to_index() -> Response:
        """Redirect with a relative Location, which stays right behind a proxy that adds a path prefix."""
        return Response(status_code=308, headers={"location": "ui/", **HEADERS})

    @router.get("/ui/{path:path}")
    async def serve_asset(path: str, request: Request) -> Response:
        """Serve a static file, or 304 if the client's copy is current. Raises NotFound."""
        asset = assets.get(path or INDEX)
        if asset is None:
            raise NotFound(f"Dashboard file not found: {path}")
        headers = {**HEADERS, "etag": asset.etag}
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(asset.body, headers=headers, media_type=asset.media_type)

    return router


def _read_folder(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _read_folder(entry, f"{path}/")
        elif (media_type := MEDIA_TYPES.get(f".{entry.name.rpartition('.')[2]}")) is not None:
            body = entry.read_bytes()
            found.append((path, Asset(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')))
    return found
