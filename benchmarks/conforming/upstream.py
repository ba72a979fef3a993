"""A backend that answers as OpenAI's API does; the model's name says how.

What it has seen is kept, so that a check can compare what the client sent with what came out behind the gateway.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
ARGUMENTS = '{"place": {"city": "Zürich", "codes": [8001]}, "unit": "C"}'
PIECES = ("Hel", "lo", " wörld 🌍")
MODELS = ("chat", "tools", "json", "slow", "endless", "e400", "e401", "e404", "e429", "e500")
STATUSES = {"e400": 400, "e401": 401, "e404": 404, "e429": 429, "e500": 500}


@dataclass
class Seen:
    """What has come. left: streams whose reader left before their end."""

    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    left: int = 0

    def last(self) -> dict[str, Any]:
        """The body of the last request."""
        found: dict[str, Any] = json.loads(self.requests[-1][2])
        return found


@contextmanager
def running() -> Iterator[Seen]:
    """The backend in a thread of its own, on a free port of loopback."""
    seen, loop, started = Seen(), asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        runner = web.AppRunner(_app(seen), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        seen.port = runner.addresses[0][1]
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    if not started.wait(10):
        raise TimeoutError("the backend did not start")
    try:
        yield seen
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def _app(seen: Seen) -> web.Application:
    app = web.Application(client_max_size=2**27)

    async def answer(request: web.Request) -> web.StreamResponse:
        data = await request.read()
        seen.requests.append((request.path, {name.lower(): value for name, value in request.headers.items()}, data))
        body = json.loads(data)
        if body["model"] in STATUSES:
            return _refused(STATUSES[body["model"]])
        if body["model"] == "slow":
            await asyncio.sleep(0.5)
        whole, events = ANSWERS[request.path.removeprefix("/v1")]
        if not body.get("stream"):
            return web.json_response(whole(body))
        return await _streamed(request, events(body), seen)

    for path in ANSWERS:
        app.router.add_post(f"/v1{path}", answer)
    return app


async def _streamed(request: web.Request, events: list[bytes], seen: Seen) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    try:
        async for event in _paced(events):
            await response.write(event)
    except asyncio.CancelledError:
        seen.left += 1
        raise
    except ConnectionError:
        seen.left += 1
    return response


async def _paced(events: list[bytes]) -> AsyncIterator[bytes]:
    for event in events:
        yield event
        await asyncio.sleep(0.002)


def _refused(status: int) -> web.Response:
    error = {"message": f"refused with {status}", "type": "x", "param": "p", "code": f"c{status}"}
    return web.json_response({"error": error}, status=status, headers={"retry-after": "1"} if status == 429 else {})


def _message(body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(PIECES), "refusal": None}
    if body["model"] == "tools":
        call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
        message |= {"content": None, "tool_calls": [call]}
    if body["model"] == "json":
        message["content"] = '{"city": "Zürich", "people": 443000}'
    return message


def chat(body: dict[str, Any]) -> dict[str, Any]:
    """A chat completion."""
    reason = "tool_calls" if body["model"] == "tools" else "stop"
    choice = {"index": 0, "message": _message(body), "finish_reason": reason, "logprobs": _logprobs(body)}
    choices = [{**choice, "index": place} for place in range(body.get("n") or 1)]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": choices,
    } | {
        "usage": USAGE,
        "system_fingerprint": "fp",
        "unknown_field": {"kept": [1.0, 123456789012345678901234567890]},
    }


def _logprobs(body: dict[str, Any]) -> dict[str, Any] | None:
    if not body.get("logprobs"):
        return None
    return {"content": [{"token": "Hel", "logprob": -0.5, "bytes": [72], "top_logprobs": []}], "refusal": None}


def chat_events(body: dict[str, Any]) -> list[bytes]:
    """A chat completion's stream, with the usage event where it is asked for."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if body["model"] == "tools":
        called = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
        deltas.append({"tool_calls": [called]})
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in (ARGUMENTS[:9], ARGUMENTS[9:])
        ]
    elif body["model"] == "endless":
        deltas += [{"content": "more "}] * 2000
    else:
        deltas += [{"content": piece} for piece in PIECES]
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    told = {"usage": None} if asked else {}
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    documents = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **told} for delta in deltas]
    reason = "tool_calls" if body["model"] == "tools" else "stop"
    documents.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **told})
    if asked:
        documents.append({**base, "choices": [], "usage": USAGE})
    return [b": a comment\n\n", *(_data(document) for document in documents), b"data: [DONE]\n\n"]


def completion(body: dict[str, Any]) -> dict[str, Any]:
    """A completion."""
    choice = {"index": 0, "text": "".join(PIECES), "finish_reason": "stop", "logprobs": None}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"]} | {
        "choices": [choice],
        "usage": USAGE,
    }


def completion_events(body: dict[str, Any]) -> list[bytes]:
    """A completion's stream."""
    base = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"]}
    choices = [{"index": 0, "text": piece, "finish_reason": None, "logprobs": None} for piece in PIECES]
    return [*(_data({**base, "choices": [choice]}) for choice in choices), b"data: [DONE]\n\n"]


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """Embeddings of as many inputs as were given."""
    count = len(body["input"]) if isinstance(body["input"], list) else 1
    data = [{"object": "embedding", "index": place, "embedding": [0.25, -0.5]} for place in range(count)]
    return {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 7, "total_tokens": 7}}


def response(body: dict[str, Any]) -> dict[str, Any]:
    """A response (https://platform.openai.com/docs/api-reference/responses)."""
    content = [{"type": "output_text", "text": "".join(PIECES), "annotations": []}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": body["model"],
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 7,
            "output_tokens": 3,
            "total_tokens": 10,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def response_events(body: dict[str, Any]) -> list[bytes]:
    """A response's stream: named events, numbered."""
    begun = {**response(body), "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    documents: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    documents += [{"type": "response.output_text.delta", "delta": piece, **place} for piece in PIECES]
    documents.append({"type": "response.completed", "response": response(body)})
    return [
        f"event: {document['type']}\n".encode() + _data({**document, "sequence_number": number})
        for number, document in enumerate(documents)
    ]


def _data(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def _none(_: dict[str, Any]) -> list[bytes]:
    return []


ANSWERS = {
    "/chat/completions": (chat, chat_events),
    "/completions": (completion, completion_events),
    "/embeddings": (embeddings, _none),
    "/responses": (response, response_events),
}
"""Path -> the whole answer, the stream."""
