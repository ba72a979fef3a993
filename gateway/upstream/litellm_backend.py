"""Providers that do not speak OpenAI's API, through litellm.

Importing litellm takes seconds and hundreds of megabytes, so it happens in the constructor: a gateway without such a
backend never does it.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from types import ModuleType
from typing import Any

from gateway.config.schema import LitellmBackendConfig
from gateway.errors import ConfigError
from gateway.http.endpoints import CHAT, MESSAGES
from gateway.http.headers import Headers
from gateway.upstream.errors import (
    ErrorStatus,
    TimedOut,
    Unreachable,
    Unsupported,
    UpstreamFault,
    UpstreamProtocolError,
)
from gateway.upstream.interface import UpstreamRequest, UpstreamResponse

JSON_HEADERS = ((b"content-type", b"application/json"),)
SSE_HEADERS = ((b"content-type", b"text/event-stream; charset=utf-8"),)

CHAT_ARGUMENTS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""The members of a body that become litellm's arguments (https://platform.openai.com/docs/api-reference/chat/create).

An allow-list, for litellm's other arguments are not the client's to give: `api_base` would send our key elsewhere.
"""


MESSAGES_ARGUMENTS = frozenset(
    {
        "max_tokens",
        "messages",
        "metadata",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
"""The same for Anthropic's (https://docs.anthropic.com/en/api/messages)."""


class LitellmBackend:
    """One provider's model."""

    def __init__(self, name: str, config: LitellmBackendConfig) -> None:
        """Raises ConfigError if litellm is not installed."""
        self.name = name
        self.weight = config.weight
        self._litellm = _import(name)
        self._arguments: dict[str, Any] = {"model": config.model, "num_retries": 0, "drop_params": False}
        if config.base_url:
            self._arguments["api_base"] = config.base_url
        if config.api_key:
            self._arguments["api_key"] = config.api_key.get_secret_value()

    async def open_response(self, call: UpstreamRequest) -> UpstreamResponse:
        """See Backend.open. An answer of the client's own making (400, 422, …) comes back as such."""
        if call.body.operation is CHAT:
            ask, names, written = self._litellm.acompletion, CHAT_ARGUMENTS, _chat_chunks
        elif call.body.operation is MESSAGES:
            ask, names, written = self._litellm.anthropic_messages, MESSAGES_ARGUMENTS, _messages_chunks
            if "max_tokens" not in call.body.members:
                return _refused(400, "max_tokens: field required")
        else:
            raise Unsupported(f"answers only {CHAT.path} and {MESSAGES.path}")
        body = {name: json.loads(value) for name, value in call.body.members.items() if name in names}
        if call.with_usage:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        try:
            made = await ask(**body, **self._arguments)
        except Exception as error:  # litellm's tree is its own; this is where it becomes ours
            return self._refusal(error)
        if body.get("stream"):
            return LitellmStream(written(made), self._fault)
        return BufferedResponse(200, json.dumps(_document(made)).encode())

    async def close(self) -> None:
        """Lets go of litellm's cached clients."""
        close = getattr(self._litellm, "close_litellm_async_clients", None)
        if close is not None:
            await close()

    def _refusal(self, error: Exception) -> UpstreamResponse:
        fault = self._fault(error)
        if isinstance(fault, ErrorStatus) and fault.status in (400, 413, 422):
            return _refused(fault.status, str(getattr(error, "message", error)))
        raise fault from error

    def _fault(self, error: Exception) -> UpstreamFault:
        """Our fault for litellm's exception, most specific first."""
        litellm = self._litellm
        if isinstance(error, UpstreamFault):
            return error
        if isinstance(error, ImportError):
            return missing_dependency(error)
        if isinstance(error, litellm.exceptions.Timeout):
            return TimedOut("did not answer in time")
        if isinstance(error, litellm.exceptions.APIConnectionError):
            return Unreachable("could not be reached")
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            response = getattr(error, "response", None)
            headers = getattr(response, "headers", None) or {}
            return ErrorStatus(status, headers.get("retry-after"))
        return UpstreamProtocolError(f"could not be asked: {type(error).__name__}")


class BufferedResponse:
    """An answer that is there in one piece."""

    is_stream = False

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: Headers = JSON_HEADERS
        self._body = body

    async def read_body(self) -> bytes:
        """See Answer.read."""
        return self._body

    async def iter_chunks(self) -> AsyncIterator[bytes]:
        """See Answer.chunks."""
        yield self._body

    def close(self) -> None:
        """Nothing is held."""


class LitellmStream:
    """litellm's stream of chunks, written as their API writes them."""

    status = 200
    is_stream = True

    def __init__(self, stream: AsyncIterator[bytes], fault: Callable[[Exception], UpstreamFault]) -> None:
        self.headers: Headers = SSE_HEADERS
        self._stream = stream
        self._fault = fault

    async def read_body(self) -> bytes:
        """See Answer.read."""
        return b"".join([chunk async for chunk in self.iter_chunks()])

    async def iter_chunks(self) -> AsyncIterator[bytes]:
        """See Answer.chunks."""
        try:
            async for chunk in self._stream:
                yield chunk
        except Exception as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """The stream's generator lets go of its connection when it is collected."""


def missing_dependency(error: ImportError) -> Unsupported:
    """litellm streams some providers' /v1/messages by way of its proxy, whose libraries need not be installed."""
    return Unsupported(f"lacks {error.name or 'a library'} for this: pip install 'litellm[proxy]'")


async def _chat_chunks(stream: Any) -> AsyncIterator[bytes]:
    async for chunk in stream:
        yield b"data: " + json.dumps(chunk.model_dump(exclude_unset=True)).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


async def _messages_chunks(stream: Any) -> AsyncIterator[bytes]:
    """litellm writes these as events already; a provider that it only translates gives them as documents."""
    async for chunk in stream:
        if isinstance(chunk, bytes):
            yield chunk
        else:
            event = _document(chunk)
            yield f"event: {event.get('type', 'message')}\ndata: {json.dumps(event)}\n\n".encode()


def _document(made: Any) -> dict[str, Any]:
    return dict(made) if isinstance(made, Mapping) else dict(made.model_dump(exclude_unset=True))


def _refused(status: int, message: str) -> "BufferedResponse":
    told = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return BufferedResponse(status, json.dumps({"error": told}).encode())


def _import(name: str) -> ModuleType:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or importing it fetches a price list
    try:
        import litellm
    except ImportError as error:
        fault = (name, "kind litellm needs litellm: pip install 'benchroute[litellm]'")
        raise ConfigError("models", [fault]) from error
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    module: ModuleType = litellm
    return module
