"""Backends that speak OpenAI's API: bytes out, bytes in."""

from importlib.metadata import version
from urllib.parse import quote, urlsplit

from gateway.config.schema import OpenAIBackendConfig
from gateway.http.endpoints import MESSAGES, Endpoint
from gateway.http.headers import Headers
from gateway.http.request_body import json_string
from gateway.upstream.errors import Unsupported
from gateway.upstream.interface import Backend, ResponseHandle, ResponseHandler, UpstreamRequest
from gateway.upstream.pool import ConnectionPool, Origin, PendingConnection

USER_AGENT = f"user-agent: benchroute/{version('benchroute')}\r\n".encode()
JOINED_BYTES = 16 * 1024
"""Up to this size it is cheaper to copy a body's pieces into one than to write them one by one."""

PATH_SAFE = "/:@!$&'()*+,;=~%"
"""Characters that a path may contain besides letters, digits and `-._` (RFC 3986, 3.3); % for what is encoded."""


class OpenAIBackend:
    """A base URL that serves a model."""

    def __init__(
        self, name: str, model: str, config: OpenAIBackendConfig, pool: ConnectionPool, adapter: Backend | None = None
    ) -> None:
        """model: its name where the backend's configuration has no other.

        adapter: answers Anthropic's /v1/messages where the backend itself does not.
        """
        self.name = name
        self.weight = config.weight
        self.origin: Origin = pool.origin_of(config.base_url)
        self._model = json_string(config.model or model)
        self._path = quote(urlsplit(config.base_url).path, safe=PATH_SAFE).encode()
        self._fixed = _fixed(config)
        self._heads: dict[Endpoint, bytes] = {}
        self.asks_for_usage = config.stream_usage
        self._speaks_messages = config.speaks_messages
        self._adapter = adapter

    def start(
        self, request: UpstreamRequest, handler: ResponseHandler, connect_s: float, is_fresh: bool = False
    ) -> ResponseHandle:
        """Write the request to a pooled connection, or to a new one as soon as it is open."""
        if request.body.operation is MESSAGES and not self._speaks_messages:
            if self._adapter is None:
                raise Unsupported(f"does not answer {MESSAGES.path}")
            return self._adapter.start(request, handler, connect_s)
        written = self.build_request(request)
        # Connections that were idle are the ones that may be stale: a second one of them could be stale too.
        pooled = None if is_fresh else self.origin.take_idle()
        if pooled is None:
            return PendingConnection(self.origin, connect_s, written, handler)
        pooled.send_request(written, handler)
        return pooled

    async def close(self) -> None:
        """Close the adapter; the connections belong to the pool."""
        if self._adapter is not None:
            await self._adapter.close()

    def build_request(self, request: UpstreamRequest) -> list[bytes]:
        """Return the request, head and body, piece by piece; in one piece where that is small."""
        body = request.body.forwarded_parts(self._model, request.with_usage and self.asks_for_usage)
        size = sum(map(len, body))
        fixed = self._heads.get(request.body.operation) or self._head(request.body.operation)
        # RFC 9110, 10.1.5: the client's User-Agent goes on as it is, and only its absence is filled.
        agent = b"" if request.forwarded.names_agent else USER_AGENT
        written = [b"%b%b%bcontent-length: %d\r\n\r\n" % (fixed, request.forwarded.lines, agent, size), *body]
        return written if size > JOINED_BYTES else [b"".join(written)]

    def _head(self, operation: Endpoint) -> bytes:
        """Return the part of a request's head that is always the same."""
        fixed = self._fixed if operation is MESSAGES else [one for one in self._fixed if one[0] != b"x-api-key"]
        lines = b"".join([b"%b: %b\r\n" % pair for pair in fixed])
        head = b"POST %b%b HTTP/1.1\r\n%b" % (self._path, operation.path.encode(), lines)
        self._heads[operation] = head
        return head


def _fixed(config: OpenAIBackendConfig) -> Headers:
    """Return the headers of every request. Anthropic's endpoints get the key in both of their headers.

    Bodies come uncompressed (RFC 9110, 12.5.3), so that they are relayed and inspected as they are.
    """
    headers = [
        (b"host", _host(config.base_url)),
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
    ]
    if config.api_key is not None:
        key = config.api_key.get_secret_value().encode()
        headers += [(b"authorization", b"Bearer " + key), (b"x-api-key", key)]
    return headers


def _host(url: str) -> bytes:
    """Return the value of the Host header."""
    netloc = urlsplit(url).netloc
    return netloc.encode() if netloc.isascii() else netloc.encode("idna")
