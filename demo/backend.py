"""OpenAI-compatible server of all demo models.

POST /v1/chat/completions     JSON, or server-sent events with "stream": true
GET  /v1/models
"""

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from demo.models import MODELS

DEFAULT_PORT = 8101
WORDS_PER_CHUNK = 3
TOKENS_PER_MESSAGE = 3
"""Tokens counted for the role and the separators of a message."""

_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


class _BadRequest(Exception):
    """A request that is answered with an error."""

    def __init__(self, message: str, param: str | None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.code, self.status = param, code, status


class ServedModel(Protocol):
    """A model with a name."""

    @property
    def name(self) -> str:
        """Name in requests."""

    def answer(self, text: str) -> str:
        """Return the answer to one user message."""


@runtime_checkable
class HasLogprobs(Protocol):
    """A model with log-probabilities of its answers."""

    def logprobs(self, text: str, answer: str) -> Sequence[tuple[str, float]]:
        """Return the answer's tokens, with natural log-probabilities."""


@dataclass(frozen=True, slots=True)
class _Completion:
    """A completion.

    Attributes:
        tokens: with log-probabilities, if requested and known.
    """

    id: str
    created: int
    model: str
    text: str
    prompt_tokens: int
    completion_tokens: int
    tokens: Sequence[tuple[str, float]] | None = None

    @property
    def usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }

    @property
    def logprobs(self) -> dict[str, Any] | None:
        if self.tokens is None:
            return None
        content = [
            {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": []}
            for token, logprob in self.tokens
        ]
        return {"content": content, "refusal": None}

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def count_tokens(text: str) -> int:
    """Count pieces of words of up to six letters, and punctuation marks."""
    return len(_TOKEN.findall(text))


def build_app(models: Sequence[ServedModel] = MODELS) -> Starlette:
    """Build the server."""
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/models", _models, methods=["GET"]),
        ],
        exception_handlers={_BadRequest: _error, HTTPException: _http_error},
    )
    app.state.models = {model.name: model for model in models}
    return app


def serve(host: str = "127.0.0.1", port: int = DEFAULT_PORT, models: Sequence[ServedModel] = MODELS) -> None:
    """Serve models, the demo's by default, until interrupted."""
    uvicorn.run(build_app(models), host=host, port=port, log_level="warning", access_log=False)


async def _models(request: Request) -> Response:
    names = request.app.state.models
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "benchroute-demo"} for name in names]
    return JSONResponse({"object": "list", "data": data})


async def _chat(request: Request) -> Response:
    body = _body(await request.body())
    completion = _complete(body, request.app.state.models)
    if body.get("stream"):
        options = body.get("stream_options")
        with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        return StreamingResponse(_events(completion, with_usage), media_type="text/event-stream")
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": completion.text, "refusal": None},
        "logprobs": completion.logprobs,
        "finish_reason": "stop",
    }
    return JSONResponse({**completion.head("chat.completion"), "choices": [choice], "usage": completion.usage})


def _body(raw: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise _BadRequest(f"The body is not JSON: {error}", None) from error
    if not isinstance(body, dict):
        raise _BadRequest("The body must be a JSON object.", None)
    return body


def _complete(body: Mapping[str, Any], models: Mapping[str, ServedModel]) -> _Completion:
    name, messages = body.get("model"), body.get("messages")
    if not isinstance(name, str):
        raise _BadRequest("model must be given as a string.", "model")
    if name not in models:
        raise _BadRequest(f"The model {name!r} does not exist.", "model", "model_not_found", 404)
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise _BadRequest("messages must be a list of at least one message.", "messages")
    texts = [_text(message.get("content")) for message in messages]
    asked = [text for text, message in zip(texts, messages, strict=True) if message.get("role") == "user"]
    model, question = models[name], asked[-1] if asked else texts[-1]
    answer = model.answer(question)
    tokens = model.logprobs(question, answer) if body.get("logprobs") and isinstance(model, HasLogprobs) else None
    prompt_tokens = sum(count_tokens(text) + TOKENS_PER_MESSAGE for text in texts)
    n_tokens = max(count_tokens(answer) if tokens is None else len(tokens), 1)
    return _Completion(f"chatcmpl-{uuid4().hex}", int(time.time()), name, answer, prompt_tokens, n_tokens, tokens)


def _text(content: Any) -> str:
    """Return a message's content: a string, the text parts of a list, or nothing."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        raise _BadRequest("content must be a string or a list of parts.", "messages")
    return "\n".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def _events(completion: _Completion, with_usage: bool) -> Iterator[str]:
    """Yield a role, the text in pieces, the end, and the usage if requested."""
    words = re.findall(r"\s*\S+\s*$|\s*\S+", completion.text)
    pieces = ["".join(words[at : at + WORDS_PER_CHUNK]) for at in range(0, len(words), WORDS_PER_CHUNK)]
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces]
    deltas += [({}, "stop")]
    head, usage = completion.head("chat.completion.chunk"), {"usage": None} if with_usage else {}
    for delta, finish in deltas:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        yield _event({**head, "choices": [choice], **usage})
    if with_usage:
        yield _event({**head, "choices": [], "usage": completion.usage})
    yield "data: [DONE]\n\n"


def _event(chunk: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n"


def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, _BadRequest)  # noqa: S101 - registered for this class only
    envelope = {"message": str(error), "type": "invalid_request_error", "param": error.param, "code": error.code}
    return JSONResponse({"error": envelope}, error.status)


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    envelope = {"message": error.detail, "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": envelope}, error.status_code)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
