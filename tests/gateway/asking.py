"""Requests written by hand, for what no client library would send."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

HELLO: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error envelope, which must have exactly its four members."""
        assert set(self.json) == {"error"}
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error

    def ours(self, name: str) -> str:
        return self.headers[f"x-benchroute-{name}"]


class Connection(http.client.HTTPConnection):
    """A connection that ends its responses too: one that is not read to its end keeps the socket open."""

    def __init__(self, netloc: str) -> None:
        super().__init__(netloc, timeout=15)
        self._responses: list[http.client.HTTPResponse] = []

    def getresponse(self) -> http.client.HTTPResponse:
        response = super().getresponse()
        self._responses.append(response)
        return response

    def end(self) -> None:
        self.close()
        for response in self._responses:
            response.close()


@contextmanager
def connection(url: str) -> Iterator[http.client.HTTPConnection]:
    made = Connection(urlsplit(url).netloc)
    try:
        yield made
    finally:
        made.end()


def ask(
    url: str, path: str = "/v1/chat/completions", body: Any = None, method: str | None = None, **headers: str
) -> Response:
    """Send one request on a connection of its own. body: bytes unchanged, anything else as JSON."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with connection(url) as made:
        made.request(method or ("GET" if data is None else "POST"), path, data, sent)
        response = made.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, told, response.read())


def chat(url: str, model: str = "auto", task: str | None = None, **members: Any) -> Response:
    """Send one chat completion."""
    headers = {} if task is None else {"x_task_id": task}
    return ask(url, body={**HELLO, "model": model, **members}, **headers)
