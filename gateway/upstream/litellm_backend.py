"""Backends of any provider that litellm supports.

Importing litellm takes seconds and hundreds of megabytes, so it happens in the constructor: a gateway without such a
backend never does it.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from types import ModuleType
from typing import Any, TypeAlias

from gateway.config.backends import LitellmBackendConfig, secret_headers
from gateway.config.key_file import KeyFile
from gateway.errors import ConfigError
from gateway.http.endpoints import CHAT, MESSAGES
from gateway.http.forwarding import BackendFilter, ForwardedHeaders
from gateway.http.headers import Headers
from gateway.upstream.errors import (
    ErrorStatus,
    TimedOut,
    Unreachable,
    Unsupported,
    UpstreamFault,
    UpstreamProtocolError,
    error_status,
    is_shortage,
    local_shortage,
)
from gateway.upstream.interface import RelayHandle, RelayRequest, ResponseHandle, ResponseHandler, UpstreamRequest
from gateway.upstream.litellm_errors import error_body, error_headers, provider_error

ResponsePart: TypeAlias = tuple[int, Headers] | bytes
"""A response's head, or a piece of its body."""

NOT_LITELLMS = ("accept", "user-agent", "anthropic-version")
"""Headers that litellm's clients write for the provider that they speak to."""

KEY_CHECK_S = 1.0
"""Seconds until a key's file is read again, at most once in that time, and not without requests."""

CLIENT_STATUSES = (400, 413, 422)
"""Refusals of what the client has written: another backend would refuse it too."""

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
"""The members that become arguments of Anthropic's endpoint (https://docs.anthropic.com/en/api/messages)."""


class LitellmBackend:
    """A model of one provider."""

    def __init__(self, name: str, config: LitellmBackendConfig) -> None:
        """Raises ConfigError if litellm is not installed."""
        self.name = name
        self.weight = config.weight
        self.account = name
        self._model = config.model
        self.asks_for_usage = True
        self._litellm = _import(name)
        self._arguments: dict[str, Any] = {"model": config.model, "num_retries": 0, "drop_params": False}
        self._arguments |= {name: value.get_secret_value() for name, value in config.parameters.items()}
        if config.base_url:
            self._arguments["api_base"] = config.base_url
        if config.api_version:
            self._arguments["api_version"] = config.api_version
        if config.api_key:
            self._arguments["api_key"] = config.api_key.get_secret_value()
        self._key_file = None if config.api_key_file is None else KeyFile(config.api_key_file)
        self._key_due = 0.0
        self._own_headers = {name.decode(): value.decode() for name, value in secret_headers(config.headers)}
        self._filter = BackendFilter([*config.headers, *config.deny_headers, *NOT_LITELLMS], names_agent=True)

    def start(
        self, request: UpstreamRequest, handler: ResponseHandler, connect_s: float, is_fresh: bool = False
    ) -> ResponseHandle:
        """Call litellm in a task of its own. Its connections are its own too, so connect_s and is_fresh change nothing.

        A refusal that is the client's affair (400, 413, 422) comes as a response.
        """
        if request.body.operation not in (CHAT, MESSAGES):
            raise Unsupported(f"answers only {CHAT.path} and {MESSAGES.path}")
        return FeedingTask(self._respond(request), handler, self._fault)

    async def start_relay(
        self, request: RelayRequest, handler: ResponseHandler, connect_s: float, is_fresh: bool = False
    ) -> RelayHandle:
        """Raise Unsupported: litellm has functions of its own for every endpoint, and none for bytes."""
        raise Unsupported(f"answers only {CHAT.path} and {MESSAGES.path}")

    def model_name(self) -> bytes:
        """Return the model's name at the backend, as JSON."""
        return json.dumps(self._model).encode()

    async def close(self) -> None:
        """Close litellm's cached clients."""
        close = getattr(self._litellm, "close_litellm_async_clients", None)
        if close is not None:
            await close()

    async def _respond(self, request: UpstreamRequest) -> AsyncGenerator[ResponsePart, None]:
        """Yield the head, then the body. Raises litellm's exceptions."""
        if request.body.operation is CHAT:
            ask, names, encode = self._litellm.acompletion, CHAT_ARGUMENTS, _chat_chunks
        else:
            ask, names, encode = self._litellm.anthropic_messages, MESSAGES_ARGUMENTS, _messages_chunks
            if "max_tokens" not in request.body.members:
                for part in _refusal(400, "max_tokens: field required"):
                    yield part
                return
        body = {name: json.loads(value) for name, value in request.body.members.items() if name in names}
        # Only members on the list go on: litellm would take `api_base` from a client, and send our key there.
        if request.with_usage:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        try:
            result = await ask(
                **body, **self._current_arguments(), extra_headers=self._headers(request.forwarded) or None
            )
        except Exception as error:
            fault = self._fault(error)
            if not isinstance(fault, ErrorStatus) or fault.status not in CLIENT_STATUSES:
                raise
            yield fault.status, JSON_HEADERS
            yield error_body(provider_error(error), fault.status)
            return
        if not body.get("stream"):
            yield 200, JSON_HEADERS
            yield json.dumps(_document(result)).encode()
            return
        yield 200, SSE_HEADERS
        async with aclosing(encode(result)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _headers(self, forwarded: ForwardedHeaders) -> dict[str, str]:
        """Return the client's headers for the provider, and the backend's own."""
        pairs = self._filter.narrow_headers(forwarded).pairs
        # httpx, which litellm's clients use, encodes text that is not ASCII as UTF-8: only ASCII stays what it was.
        text = {name.decode(): value.decode() for name, value in pairs if name.isascii() and value.isascii()}
        return {**text, **self._own_headers}

    def _current_arguments(self) -> Mapping[str, Any]:
        """Return the fixed arguments, with what the key's file has now."""
        now = asyncio.get_running_loop().time()
        if self._key_file is not None and now >= self._key_due:
            self._arguments["api_key"] = self._key_file.current_key()
            self._key_due = now + KEY_CHECK_S
        return self._arguments

    def _fault(self, error: Exception) -> UpstreamFault:
        """Return our fault for litellm's exception, most specific first."""
        litellm = self._litellm
        if isinstance(error, UpstreamFault):
            return error
        error = provider_error(error)
        if isinstance(error, ImportError):
            return missing_dependency(error)
        if is_shortage(error):
            return local_shortage()
        if isinstance(error, litellm.exceptions.Timeout):
            return TimedOut("did not answer in time")
        if isinstance(error, litellm.exceptions.APIConnectionError):
            return Unreachable("could not be reached")
        # 529 is InternalServerError to litellm, which keeps the provider's number beside its own.
        status = getattr(error, "provider_status_code", None) or getattr(error, "status_code", None)
        if isinstance(status, int):
            kept = [pair for pair in error_headers(error) if pair[0] not in (b"content-type", b"content-length")]
            return error_status(status, [*JSON_HEADERS, *kept], error_body(error, status))
        return UpstreamProtocolError(f"could not be asked: {type(error).__name__}")


class FeedingTask:
    """A task that feeds a handler: the handle of its response."""

    def __init__(
        self,
        parts: AsyncGenerator[ResponsePart, None],
        handler: ResponseHandler,
        fault: Callable[[Exception], UpstreamFault],
    ) -> None:
        """parts: the head, then the body. fault: translates what they raise."""
        self._handler: ResponseHandler | None = handler
        self._fault = fault
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._task = asyncio.get_running_loop().create_task(self._feed(parts))

    def pause_reading(self) -> None:
        """Ask litellm for nothing more."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """Go on after pause_reading."""
        self._may_read.set()

    def set_handler(self, handler: ResponseHandler) -> None:
        """Let another handler receive the rest of the response."""
        self._handler = handler

    def abort(self) -> None:
        """Cancel the call, and with it litellm's request."""
        self._handler = None
        self._task.cancel()

    async def _feed(self, parts: AsyncGenerator[ResponsePart, None]) -> None:
        try:
            # A generator that is left half-way keeps its connection until it is collected: close it here.
            async with aclosing(parts):
                async for part in parts:
                    if self._handler is None:
                        return
                    if isinstance(part, bytes):
                        self._handler.on_data(part)
                    else:
                        self._handler.on_head(*part)
                    await self._may_read.wait()
        # litellm's exceptions are of its own tree, and of its providers' clients; this is where they become ours.
        except Exception as error:
            self._end(self._fault(error))
        else:
            self._end(None)

    def _end(self, fault: UpstreamFault | None) -> None:
        handler, self._handler = self._handler, None
        if handler is None:
            return
        if fault is None:
            handler.on_complete()
        else:
            handler.on_error(fault)


def missing_dependency(error: ImportError) -> Unsupported:
    """Return the fault for a missing library: litellm streams some providers' messages through its proxy package."""
    return Unsupported(f"lacks {error.name or 'a library'} for this: pip install 'litellm[proxy]'")


async def _chat_chunks(stream: Any) -> AsyncGenerator[bytes, None]:
    async for chunk in stream:
        yield b"data: " + json.dumps(chunk.model_dump(exclude_unset=True)).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


async def _messages_chunks(stream: Any) -> AsyncGenerator[bytes, None]:
    """Yield events: litellm's own bytes, or the documents that it gives for a provider that it translates."""
    async for chunk in stream:
        if isinstance(chunk, bytes):
            yield chunk
        else:
            event = _document(chunk)
            yield f"event: {event.get('type', 'message')}\ndata: {json.dumps(event)}\n\n".encode()


def _document(result: Any) -> dict[str, Any]:
    return dict(result) if isinstance(result, Mapping) else dict(result.model_dump(exclude_unset=True))


def _refusal(status: int, message: str) -> tuple[ResponsePart, ResponsePart]:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return (status, JSON_HEADERS), json.dumps({"error": error}).encode()


def _import(name: str) -> ModuleType:
    # Without this, importing it fetches a price list from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm
    except ImportError as error:
        fault = (name, "kind litellm needs litellm: pip install 'benchroute[litellm]'")
        raise ConfigError("models", [fault]) from error
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    module: ModuleType = litellm
    return module
