"""The process: aiohttp around the answers, and a memory of every exchange."""

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
    "chat/completions": answers.chat,
    "completions": answers.completion,
    "embeddings": answers.embeddings,
    "responses": answers.response,
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
class Seen:
    """One exchange, while it goes on. ending: "answered" in full, or "left" by the gateway before that."""

    method: str
    path: str
    headers: dict[str, str]
    received: bytes
    sent: bytearray = field(default_factory=bytearray)
    ending: str = "going on"

    def told(self) -> Json:
        """As JSON."""
        plain = {"method": self.method, "path": self.path, "headers": self.headers, "ending": self.ending}
        coded = {"received": self.received, "sent": bytes(self.sent)}
        return {**plain, **{name: base64.b64encode(value).decode() for name, value in coded.items()}}


class Upstream:
    """Answers, and remembers."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []

    def app(self) -> web.Application:
        """As aiohttp serves it."""
        app = web.Application(client_max_size=10**9)
        app.router.add_get("/exchanges", self.exchanges)
        app.router.add_get("/v1/models", self.models)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def exchanges(self, request: web.Request) -> web.Response:
        """Those whose request holds `marker`."""
        marker = request.query.get("marker", "").encode()
        return web.json_response([one.told() for one in self._seen if marker in one.received])

    async def models(self, _: web.Request) -> web.Response:
        """One, so that it can be asked whether this process is ready."""
        return web.json_response({"object": "list", "data": [{"id": "upstream", "object": "model"}]})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Every endpoint that takes a request to a model."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.method, request.path, headers, body)
        self._seen.append(seen)
        try:
            return await self._answered(request, seen)
        except (asyncio.CancelledError, ConnectionError):
            seen.ending = "left"
            raise

    async def _answered(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        asked, path = json.loads(seen.received), request.path.removeprefix("/v1/")
        if asked["model"] in answers.ERRORS:
            status, told = answers.error(asked["model"])
            return _whole(seen, told, status)
        if asked["model"] == "slow":
            await asyncio.sleep(SLOW_S)
        if asked.get("stream"):
            return await _stream(request, seen, STREAMED[path], asked)
        return _whole(seen, WHOLE[path](asked), 200)


def _whole(seen: Seen, told: Json, status: int) -> web.Response:
    """Written with spaces and line ends, so that an answer that was written anew is noticed."""
    data = json.dumps(told, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")
    seen.sent += data
    seen.ending = "answered"
    more = {"retry-after": "7"} if status == 429 else {}
    return web.Response(body=data, status=status, content_type="application/json", headers={**HEADERS, **more})


async def _stream(
    request: web.Request, seen: Seen, events: Callable[[Json], Iterator[bytes]], asked: Json
) -> web.StreamResponse:
    response = web.StreamResponse(headers={**HEADERS, "content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    is_endless = asked["model"] == "endless"
    for event in _endlessly(events(asked)) if is_endless else events(asked):
        seen.sent += event
        await response.write(event)
        await asyncio.sleep(5 * GAP_S if is_endless else GAP_S)
    seen.ending = "answered"
    await response.write_eof()
    return response


def _endlessly(events: Iterator[bytes]) -> Iterator[bytes]:
    first = next(events)
    for _ in range(ENDLESS):
        yield first


async def _serve(port: int) -> None:
    runner: Any = web.AppRunner(Upstream().app(), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
