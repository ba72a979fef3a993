"""The process: an aiohttp server and a record of every exchange."""

import asyncio
import base64
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from qa.conformance.upstream import answers, messages, streams
from qa.conformance.upstream.answers import Json
from qa.conformance.upstream.errors import REFUSALS, UNKNOWN_MODEL, WRONG, WRONG_KEY, Refusal, error_envelope
from qa.conformance.upstream.models import SERVED
from qa.conformance.upstream.other_paths import AUDIO, OTHERS, stored_response
from qa.conformance.upstream.scenarios import BEGUN, NO_ANSWERS, SCENARIOS, Abort, Step

WHOLE: Mapping[str, Callable[[Json], Json]] = {
    "chat/completions": answers.chat_response,
    "completions": answers.completion_response,
    "embeddings": answers.embeddings_response,
    "responses": answers.responses_response,
    "messages": messages.messages_response,
    "messages/count_tokens": messages.count_tokens,
}
STREAMED: Mapping[str, Callable[[Json], Iterator[bytes]]] = {
    "chat/completions": streams.chat,
    "completions": streams.completion,
    "responses": streams.response,
    "messages": messages.message_events,
}
HEADERS = {
    "openai-processing-ms": "12",
    "openai-version": "2020-10-01",
    "openai-organization": "org-conformance",
    "request-id": "req_conformance",
    "x-provider-extra": "kept",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
    "anthropic-ratelimit-requests-remaining": "41",
}
MARK = re.compile(rb"matrix-[a-z0-9-]+_[a-z0-9-]+-end")
AZURE = re.compile(r"/openai/deployments/[^/]+/(.+)")
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

    @property
    def asked(self) -> bytes:
        """The mark of the request's cell, else its body: coding agents put other IDs into the body when they retry."""
        found = MARK.search(self.received)
        return found[0] if found else self.received

    @property
    def key(self) -> str:
        """The API key of the request."""
        return _key(self.headers)

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
        app.router.add_get("/v1/models/{model}", self.list_models)
        app.router.add_route("*", "/{path:.*}", self.handle_request)
        return app

    async def list_exchanges(self, request: web.Request) -> web.Response:
        """Handle GET /exchanges: those whose request contains `marker`."""
        marker = request.query.get("marker", "").encode()
        return web.json_response([one.to_dict() for one in self._seen if marker in one.received])

    async def list_models(self, request: web.Request) -> web.Response:
        """Handle GET /v1/models and /v1/models/{model}: those that the gateway serves too."""
        if _sent_key(request) == WRONG_KEY:
            return web.json_response(error_envelope(WRONG, "models"), status=WRONG.status)
        found = [{"id": name, "object": "model", "created": answers.CREATED, "owned_by": "x"} for name in SERVED]
        named = [one for one in found if one["id"] == request.match_info.get("model")]
        return web.json_response(named[0] if named else {"object": "list", "data": found})

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
        path = _api_path(request)
        if _sent_key(request) == WRONG_KEY:
            return _refused(exchange, WRONG, path)
        if path not in WHOLE:
            return _other(exchange, path)
        requested = json.loads(exchange.received)
        model = requested.setdefault("model", request.path.split("/deployments/")[-1].split("/")[0])  # Azure's clients
        if model in REFUSALS and not (model == "busy-once" and self._is_repeated(exchange)):
            return _refused(exchange, REFUSALS[model], path)
        if model not in SERVED and not model.startswith("task/"):
            return _refused(exchange, UNKNOWN_MODEL, path)
        if model == "slow":
            await asyncio.sleep(SLOW_S)
        if requested.get("stream"):
            return await _stream(request, exchange, path, requested)
        return _whole(exchange, NO_ANSWERS.get(model) or WHOLE[path](requested), 200)

    def _is_repeated(self, exchange: RecordedExchange) -> bool:
        """Return True if the same client asked the same before."""
        same = [one for one in self._seen if one.asked == exchange.asked and one.key == exchange.key]
        return len(same) > 1


def _api_path(request: web.Request) -> str:
    """Return the path below the version, for Azure's paths too."""
    azure = AZURE.fullmatch(request.path)
    return azure[1] if azure else request.path.removeprefix("/openai").removeprefix("/v1/")


def _sent_key(request: web.Request) -> str:
    return _key({name.lower(): value for name, value in request.headers.items()})


def _key(headers: Mapping[str, str]) -> str:
    sent = headers.get("x-api-key") or headers.get("api-key") or headers.get("authorization", "")
    return sent.removeprefix("Bearer ")


def _refused(exchange: RecordedExchange, refusal: Refusal, path: str) -> web.Response:
    return _whole(exchange, error_envelope(refusal, path), refusal.status, dict(refusal.headers))


def _other(exchange: RecordedExchange, path: str) -> web.Response:
    if path == "audio/speech":
        exchange.sent += AUDIO
        exchange.ending = "answered"
        return web.Response(body=AUDIO, content_type="audio/mpeg", headers=HEADERS)
    if path.startswith("responses/"):
        return _whole(exchange, stored_response(path), 200)
    if path in OTHERS:
        return _whole(exchange, OTHERS[path](path), 200)
    return _refused(exchange, Refusal(404, "invalid_request_error", "unknown_url"), path)


def _whole(
    exchange: RecordedExchange, document: Json, status: int, more: Mapping[str, str] | None = None
) -> web.Response:
    """Return the response, pretty-printed, so that a re-encoded one is noticed."""
    data = json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")
    exchange.sent += data
    exchange.ending = "answered"
    return web.Response(body=data, status=status, content_type="application/json", headers={**HEADERS, **(more or {})})


async def _stream(request: web.Request, exchange: RecordedExchange, path: str, requested: Json) -> web.StreamResponse:
    response = web.StreamResponse(headers={**HEADERS, "content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    is_endless = requested["model"] == "endless"
    for step in _steps(path, requested):
        if isinstance(step, Abort):
            request.transport.abort()  # type: ignore[union-attr]  # connected: the response has begun
            break
        if isinstance(step, float):
            await asyncio.sleep(step)
            continue
        exchange.sent += step
        await response.write(step)
        await asyncio.sleep(5 * GAP_S if is_endless else GAP_S)
    exchange.ending = "answered"
    await response.write_eof()
    return response


def _steps(path: str, requested: Json) -> Iterator[Step]:
    events = STREAMED[path](requested)
    if requested["model"] == "endless":
        return _endlessly(events)
    scenario = SCENARIOS.get(requested["model"])
    return scenario(events, path) if scenario else iter(events)


def _endlessly(events: Iterator[bytes]) -> Iterator[bytes]:
    """Begin as a stream does, then repeat a piece of text for ever."""
    begun = list(events)[:BEGUN]
    yield from begun
    for _ in range(ENDLESS):
        yield begun[-1]


async def _serve(port: int) -> None:
    runner: Any = web.AppRunner(Upstream().create_app(), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
