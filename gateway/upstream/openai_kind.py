"""Any URL that speaks OpenAI's API: bytes there, bytes back."""

from collections.abc import AsyncIterator, Mapping

import aiohttp

from gateway.config.schema import OpenAIBackend
from gateway.upstream.contract import Answer, Backend, Call
from gateway.upstream.faults import Broken, Unsupported, translated
from gateway.wire.operations import MESSAGES

MAX_ANSWER_BYTES = 64 * 1024 * 1024
KEEPALIVE_S = 30.0
READ_BYTES = 256 * 1024
HEADER_BYTES = 32 * 1024


def client_session() -> aiohttp.ClientSession:
    """The connection pool of all backends.

    No decompression, no cookies, no redirects' state: what a backend says is relayed. Nothing is timed here but
    connecting, call by call: silence is timed where it is waited for, since a garbled chunk size leaves aiohttp waiting
    without end.
    """
    return aiohttp.ClientSession(
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
        read_bufsize=READ_BYTES,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    )


class HttpBackend:
    """One endpoint."""

    def __init__(
        self,
        name: str,
        model: str,
        config: OpenAIBackend,
        session: aiohttp.ClientSession,
        adapter: Backend | None = None,
    ) -> None:
        """model: what it is called where the backend's configuration has no other name.

        adapter: answers Anthropic's /v1/messages where the backend itself does not.
        """
        self.name = name
        self.weight = config.weight
        self._model = config.model or model
        self._base_url = config.base_url
        self._authorization = _authorization(config)
        self._stream_usage = config.stream_usage
        self._speaks_messages = config.speaks_messages
        self._adapter = adapter
        self._session = session

    async def open(self, call: Call) -> Answer:
        """See Backend.open. A pooled connection that the backend has just closed is replaced once by a new one."""
        if call.body.operation is MESSAGES and not self._speaks_messages:
            if self._adapter is None:
                raise Unsupported(f"does not answer {MESSAGES.path}")
            return await self._adapter.open(call)
        body = call.body.forwarded(self._model, call.with_usage and self._stream_usage)
        try:
            try:
                return HttpAnswer(await self._send(body, call))
            except aiohttp.ServerDisconnectedError:
                return HttpAnswer(await self._send(body, call))
        except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError) as error:
            raise translated(error) from error

    async def close(self) -> None:
        """The session belongs to whoever made it."""
        if self._adapter is not None:
            await self._adapter.close()

    async def _send(self, body: bytes, call: Call) -> aiohttp.ClientResponse:
        return await self._session.post(
            self._base_url + call.body.operation.path,
            data=body,
            headers={**call.headers, **self._authorization[call.body.operation is MESSAGES]},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=call.connect_s),
        )


def _authorization(config: OpenAIBackend) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The key as OpenAI's endpoints take it, and as Anthropic's do."""
    if config.api_key is None:
        return {}, {}
    key = config.api_key.get_secret_value()
    return {"authorization": f"Bearer {key}"}, {"authorization": f"Bearer {key}", "x-api-key": key}


class HttpAnswer:
    """A response of aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.is_stream = response.content_type == "text/event-stream"

    async def read(self) -> bytes:
        """See Answer.read."""
        parts, size = [], 0
        async for chunk in self.chunks():
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise Broken(f"answered more than {MAX_ANSWER_BYTES} bytes")
        return b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Answer.chunks."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError) as error:
            raise translated(error) from error

    def close(self) -> None:
        """See Answer.close."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()
