"""A running gateway's endpoints, as the commands ask them."""

import http.client
import json
import os
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from gateway.cli.errors import AdminRequestError, OptionError

TIMEOUT_S = 30.0
LOCAL = "http://127.0.0.1:8100"
ADMIN_KEY = "BENCHROUTE_ADMIN_KEY"

Url = Annotated[str, typer.Option(envvar="BENCHROUTE_URL", help="The gateway.")]
KeyEnv = Annotated[
    str, typer.Option(help="The environment variable that holds a key: an admin's, or one that may see the tasks.")
]
AdminKeyEnv = Annotated[str, typer.Option(help="The environment variable that holds an admin key.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the gateway's answer.")]

NEXT_STEPS = {
    401: "name the variable that holds a key with --key-env, or export BENCHROUTE_ADMIN_KEY",
    403: "an admin key may do this: export BENCHROUTE_ADMIN_KEY",
}


class AdminClient:
    """A gateway. No proxies, no redirects: the key goes where it is meant to go, or nowhere."""

    def __init__(self, url: str, key_env: str, *, needs_key: bool = False) -> None:
        """Raises OptionError for what is no URL, or a variable that is not set though a key is needed."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(f"--url {url!r} is no http:// or https:// URL")
        self._key = os.environ.get(key_env, "").strip()
        if needs_key and not self._key:
            raise OptionError(f"the environment variable {key_env} holds no admin key; --admin-key-env names another")
        self._url = url
        self._is_safe = parts.scheme == "https"
        self._netloc = parts.netloc
        self._below = parts.path.rstrip("/").removesuffix("/v1")

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's document. Raises AdminRequestError for a refusal, and where there is no gateway."""
        kind = http.client.HTTPSConnection if self._is_safe else http.client.HTTPConnection
        connection = kind(self._netloc, timeout=TIMEOUT_S)
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        try:
            connection.request(method, self._below + path, data, headers)
            response = connection.getresponse()
            return self._document(response.status, response.read())
        except ConnectionRefusedError as error:
            told = f"{self._url}: nothing listens there; start it with `benchroute serve`, or name it with --url"
            raise AdminRequestError(told) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AdminRequestError(f"{self._url}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _document(self, status: int, body: bytes) -> Any:
        try:
            document = json.loads(body)
        except ValueError as error:
            raise AdminRequestError(
                f"{self._url} answered with status {status} and no JSON: is it a gateway?"
            ) from error
        if status == http.client.OK:
            return document
        told = document.get("error") if isinstance(document, dict) else None
        message = told.get("message") if isinstance(told, dict) else None
        step = f"; {NEXT_STEPS[status]}" if status in NEXT_STEPS else ""
        raise AdminRequestError(f"the gateway refused with status {status}: {message or document}{step}")
