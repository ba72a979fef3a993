"""`python -m qa.fuzzing.backend PORT`: answers every request, streaming if asked to."""

import json
import sys

from aiohttp import web

WHOLE = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
EVENT = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"ok"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
ENDS = {
    "messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    "responses": b'event: response.completed\ndata: {"type":"response.completed"}\n\n',
}
"""The last event of a complete stream, by endpoint."""


async def handle_post(request: web.Request) -> web.StreamResponse:
    """Handle any POST."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = {}
    if not (isinstance(body, dict) and body.get("stream") is True):
        return web.json_response(WHOLE)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for piece in (EVENT, EVENT, ENDS.get(request.match_info["path"], DONE)):
        await response.write(piece)
    await response.write_eof()
    return response


async def list_models(_: web.Request) -> web.Response:
    """Handle GET /v1/models."""
    return web.json_response({"object": "list", "data": []})


def main(port: int) -> None:
    """Serve until the process ends."""
    app = web.Application(client_max_size=10**7)
    app.router.add_get("/v1/models", list_models)
    app.router.add_post("/v1/{path:.*}", handle_post)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
