"""One OpenAI-compatible server for every model of a benchmark: the response is the recorded outcome.

POST /v1/chat/completions     `model` and the last message's text select the outcome; `user` distinguishes equal texts
GET  /v1/models

An input that is not in the recording gets an error, so a text that a gateway altered is noticed.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.replaying.recording import ANSWER_TOKENS, Recording, prompt_tokens

RECORDING: web.AppKey[Recording] = web.AppKey("recording", Recording)


def build_app(recording: Recording) -> web.Application:
    """Return the server."""
    app = web.Application()
    app[RECORDING] = recording
    app.add_routes([web.post("/v1/chat/completions", _chat), web.get("/v1/models", _models)])
    return app


async def _models(request: web.Request) -> web.Response:
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "replay"} for name in request.app[RECORDING].columns
    ]
    return web.json_response({"object": "list", "data": data})


async def _chat(request: web.Request) -> web.Response:
    recording, body = request.app[RECORDING], await request.json()
    model, text = body["model"], body["messages"][-1]["content"]
    if model not in recording.columns:
        return _error(f"The model {model!r} does not exist.", "model_not_found")
    outcomes = recording.outcomes.get((text, body.get("user", "")))
    if outcomes is None:
        return _error(f"No outcome is recorded for this text and user {body.get('user')!r}.", "not_recorded")
    return web.json_response(_completion(model, text, outcomes[recording.columns[model]]))


def _completion(model: str, text: str, outcome: float | None) -> Mapping[str, Any]:
    asked = prompt_tokens(text)
    message = {"role": "assistant", "content": json.dumps({"outcome": outcome})}
    return {
        "id": "chatcmpl-replay",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": ANSWER_TOKENS, "total_tokens": asked + ANSWER_TOKENS},
    }


def _error(message: str, code: str) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}, status=404
    )


if __name__ == "__main__":
    web.run_app(
        build_app(Recording.read_recording(Path(sys.argv[1]))), host="127.0.0.1", port=int(sys.argv[2]), print=None
    )
