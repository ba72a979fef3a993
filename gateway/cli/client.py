"""HTTP client for a running gateway, and the options of commands that use it."""

import http.client
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import typer

from gateway.cli.errors import AdminRequestError, OptionError

TIMEOUT_S = 30.0
PIECE_BYTES = 64 * 1024
MAX_PAGE = 1000
"""Rows of a page: the most that a gateway sends."""

LOCAL = ""
"""Default of --url: the gateway of CONFIG, else DEFAULT_URL."""
CONFIG = Path("config.yaml")
"""Where `benchroute serve` looks for its configuration."""
DEFAULT_URL = "http://127.0.0.1:8100"
ADMIN_KEY = "BENCHROUTE_ADMIN_KEY"

Url = Annotated[
    str,
    typer.Option(
        envvar="BENCHROUTE_URL",
        help="URL of the gateway.",
        show_default="host and port of ./config.yaml, else http://127.0.0.1:8100",
    ),
]
KeyEnv = Annotated[
    str, typer.Option(help="Environment variable with the API key: an admin key, or a client key of these tasks.")
]
AdminKeyEnv = Annotated[str, typer.Option(help="Environment variable with the admin key.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the gateway's response as JSON.")]

NEXT_STEPS = {
    401: "export an API key as BENCHROUTE_ADMIN_KEY, or name its variable with --key-env",
    403: "this requires an admin key: export BENCHROUTE_ADMIN_KEY",
}


class AdminClient:
    """Client of a gateway. Without proxies and redirects: only this gateway gets the key."""

    def __init__(self, url: str, key_env: str, *, needs_key: bool = False) -> None:
        """url: LOCAL for the gateway of config.yaml.

        Raises OptionError for an invalid URL, and for a variable that is not set although a key is needed.
        """
        url = url or _find_gateway()
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(f"--url {url!r}: expected an http:// or https:// URL")
        self._key = os.environ.get(key_env, "").strip()
        if needs_key and not self._key:
            raise OptionError(f"environment variable {key_env} is not set; set it, or use --admin-key-env")
        self._url = url
        self._is_safe = parts.scheme == "https"
        self._netloc = parts.netloc
        self._below = parts.path.rstrip("/").removesuffix("/v1")

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request and return the response's document.

        Raises AdminRequestError for an error response, and if the gateway is unreachable.
        """
        with self._asked(method, path, body) as response:
            return self._document(response.status, response.read())

    def download(self, path: str) -> Iterator[bytes]:
        """Yield a document as it comes. Raises what `send` raises."""
        with self._asked("GET", path, None) as response:
            if response.status != http.client.OK:
                self._document(response.status, response.read())
            while piece := response.read(PIECE_BYTES):
                yield piece

    @contextmanager
    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None) -> Iterator[http.client.HTTPResponse]:
        """Send a request and yield the response."""
        kind = http.client.HTTPSConnection if self._is_safe else http.client.HTTPConnection
        connection = kind(self._netloc, timeout=TIMEOUT_S)
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        try:
            connection.request(method, self._below + path, data, headers)
            yield connection.getresponse()
        except ConnectionRefusedError as error:
            message = f"{self._url}: connection refused; start a gateway with `benchroute serve`, or set --url"
            raise AdminRequestError(message) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AdminRequestError(f"{self._url}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def read_pages(self, path: str, limit: int | None = None, **parameters: str | int) -> Iterator[Any]:
        """Yield the rows of a list, page by page. limit: how many at most. Raises what `send` raises."""
        left, cursor = limit, ""
        while left is None or left > 0:
            asked = {**parameters, "limit": MAX_PAGE if left is None else min(MAX_PAGE, left)}
            page = self.send("GET", f"{path}?{urlencode({**asked, 'cursor': cursor} if cursor else asked)}")
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return
            left = None if left is None else left - len(page["data"])

    def _document(self, status: int, body: bytes) -> Any:
        try:
            document = json.loads(body)
        except ValueError as error:
            raise AdminRequestError(
                f"{self._url} returned status {status} without JSON: check that it is a gateway"
            ) from error
        if status == http.client.OK:
            return document
        details = document.get("error") if isinstance(document, dict) else None
        message = details.get("message") if isinstance(details, dict) else None
        step = f"; {NEXT_STEPS[status]}" if status in NEXT_STEPS else ""
        raise AdminRequestError(f"the gateway returned status {status}: {message or document}{step}", status)


def _find_gateway() -> str:
    """Return the URL of the gateway that `benchroute serve` starts in this folder. Raises OptionError."""
    if not CONFIG.exists():
        return DEFAULT_URL
    from gateway.config.address import read_base_url
    from gateway.errors import ConfigError

    try:
        return read_base_url(CONFIG, os.environ)
    except ConfigError as error:
        raise OptionError(f"{error}\n  To reach a gateway at another address, set --url or BENCHROUTE_URL.") from error
