"""The process: an aiohttp server and a record of every exchange."""

import asyncio
import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from qa.conformance.upstream import answers, streams
from qa.conformance.upstream.answers import Json

WHOLE: Mapping[str, Callable[[Json], Json]] = {
    "chat/completions": answers.chat_response,
    "completions": answers.completion_response,
    "embeddings": answers.embeddings_response,
    "responses": answers.responses_response,
}
STREAMED: Mapping[str, Callable[[Json], Iterator[bytes]]] = {
    "chat/completions": streams.chat,
    "completions": streams.completion,
    "responses": streams.response,
}
HEADERS = {
    "openai-processing-ms": "12",
    "openai-version": "2020-10-01",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
}
GAP_S = 0.002
ENDLESS = 100_000
SLOW_S = 1.0


@dataclass
class RecordedExchange:
    """One exchange in progress.

    Attributes:
        method: of the request.
        path: of the request.
        headers: with lower-case names.
        received: the request's body.
        sent: the response's body so far.
        ending: "going on", "answered" in full, or "left" if the gateway disconnected.
    """

    method: str
    path: str
    headers: dict[str, str]
    received: bytes
    sent: bytearray = field(default_factory=bytearray)
    ending: str = "going on"

    def to_dict(self) -> Json:
        """Return the exchange as JSON; bytes in base64."""
        plain = {"method": self.method, "path": self.path, "headers": self.headers, "ending": self.ending}
        coded = {"received": self.received, "sent": bytes(self.sent)}
        return {**plain, **{name: base64.b64encode(value).decode() for name, value in coded.items()}}


class Upstream:
    """The HTTP handlers and the recorded exchanges."""

    def __init__(self) -> None:
        self._seen: list[RecordedExchange] = []

    def create_app(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=10**9)
        app.router.add_get("/exchanges", self.list_exchanges)
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_route("*", "/{path:.*}", self.handle_request)
        return app

    async def list_exchanges(self, request: web.Request) -> web.Response:
        """Handle GET /exchanges: those whose request contains `marker`."""
        marker = request.query.get("marker", "").encode()
        return web.json_response([one.to_dict() for one in self._seen if marker in one.received])

    async def list_models(self, _: web.Request) -> web.Response:
        """Handle GET /v1/models: one model, for readiness probes."""
        return web.json_response({"object": "list", "data": [{"id": "upstream", "object": "model"}]})

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Handle every endpoint that takes a request to a model."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        exchange = RecordedExchange(request.method, request.path, headers, body)
        self._seen.append(exchange)
        try:
            return await self._answered(request, exchange)
        except (asyncio.CancelledError, ConnectionError):
            exchange.ending = "left"
            raise

    async def _answered(self, request: web.Request, exchange: RecordedExchange) -> web.StreamResponse:
        requested, path = json.loads(exchange.received), request.path.removeprefix("/v1/")
        if requested["model"] in answers.ERRORS:
            status, envelope = answers.error_response(requested["model"])
            return _whole(exchange, envelope, status)
        if requested["model"] == "slow":
            await asyncio.sleep(SLOW_S)
        if requested.get("stream"):
            return await _stream(request, exchange, STREAMED[path], requested)
        return _whole(exchange, WHOLE[path](requested), 200)


def _whole(exchange: RecordedExchange, document: Json, status: int) -> web.Response:
    """Return the response, pretty-printed, so that a re-encoded one is noticed."""
    data = json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")
    exchange.sent += data
    exchange.ending = "answered"
    more = {"retry-after": "7"} if status == 429 else {}
    return web.Response(body=data, status=status, content_type="application/json", headers={**HEADERS, **more})


async def _stream(
    request: web.Request, exchange: RecordedExchange, events: Callable[[Json], Iterator[bytes]], requested: Json
) -> web.StreamResponse:
    response = web.StreamResponse(headers={**HEADERS, "content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    is_endless = requested["model"] == "endless"
    for event in _endlessly(events(requested)) if is_endless else events(requested):
        exchange.sent += event
        await response.write(event)
        await asyncio.sleep(5 * GAP_S if is_endless else GAP_S)
    exchange.ending = "answered"
    await response.write_eof()
    return response


def _endlessly(events: Iterator[bytes]) -> Iterator[bytes]:
    first = next(events)
    for _ in range(ENDLESS):
        yield first


async def _serve(port: int) -> None:
    runner: Any = web.AppRunner(Upstream().create_app(), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
