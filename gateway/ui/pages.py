"""GET /ui and what lies below it. Takes no key: nothing in these files is anybody's."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from gateway.errors import NotFound

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
TYPES |= {".svg": "image/svg+xml", ".md": "text/plain; charset=utf-8"}

INDEX = "index.html"

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Nothing from elsewhere, nothing inline, in nobody's frame (https://www.w3.org/TR/CSP3/)."""

HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
"""no-cache: a browser keeps the files, and asks by ETag whether they are still the same: another version of this
program is another dashboard."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    body: bytes
    type: str
    etag: str


def read_assets() -> Mapping[str, Asset]:
    """All files of the dashboard by their path below /ui/."""
    return dict(_below(files("gateway.ui").joinpath("static"), ""))


def ui_router() -> APIRouter:
    """The routes. The files are read once: there are few of them, and they are small."""
    assets = read_assets()
    router = APIRouter(include_in_schema=False)

    @router.get("/ui")
    async def front_door() -> Response:
        """Relative, so that it holds behind a proxy that puts a path in front."""
        return Response(status_code=308, headers={"location": "ui/", **HEADERS})

    @router.get("/ui/{path:path}")
    async def asset(path: str, request: Request) -> Response:
        found = assets.get(path or INDEX)
        if found is None:
            raise NotFound(f"the dashboard has no {path}")
        headers = {**HEADERS, "etag": found.etag}
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(found.body, headers=headers, media_type=found.type)

    return router


def _below(folder: Traversable, path: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        place = f"{path}{entry.name}"
        if entry.is_dir():
            found += _below(entry, f"{place}/")
        elif (kind := TYPES.get(f".{entry.name.rpartition('.')[2]}")) is not None:
            body = entry.read_bytes()
            found.append((place, Asset(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')))
    return found
