"""Any URL that speaks OpenAI's API: bytes there, bytes back."""

from collections.abc import AsyncIterator, Mapping

import aiohttp

from gateway.config.schema import OpenAIBackend
from gateway.upstream.contract import Answer, Call
from gateway.upstream.faults import Broken, translated

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

    def __init__(self, name: str, model: str, config: OpenAIBackend, session: aiohttp.ClientSession) -> None:
        """model: what it is called where the backend's configuration has no other name."""
        self.name = name
        self.weight = config.weight
        self._model = config.model or model
        self._base_url = config.base_url
        self._authorization = {"authorization": f"Bearer {config.api_key.get_secret_value()}"} if config.api_key else {}
        self._session = session

    async def open(self, call: Call) -> Answer:
        """See Backend.open. A pooled connection that the backend has just closed is replaced once by a new one."""
        body = call.body.forwarded(self._model)
        try:
            try:
                return HttpAnswer(await self._send(body, call))
            except aiohttp.ServerDisconnectedError:
                return HttpAnswer(await self._send(body, call))
        except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError) as error:
            raise translated(error) from error

    async def close(self) -> None:
        """The session belongs to whoever made it."""

    async def _send(self, body: bytes, call: Call) -> aiohttp.ClientResponse:
        return await self._session.post(
            self._base_url + call.body.operation.path,
            data=body,
            headers={**call.headers, **self._authorization},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=call.connect_s),
        )


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
