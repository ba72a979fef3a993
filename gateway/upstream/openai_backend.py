"""Any URL that speaks OpenAI's API: bytes there, bytes back."""

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
"""Up to this size it is cheaper to copy a body's pieces into one than to write them one after the other."""

PATH_SAFE = "/:@!$&'()*+,;=~%"
"""What may stand in a path beside letters, digits and `-._` (RFC 3986, 3.3), and what is encoded already."""


class OpenAIBackend:
    """One endpoint."""

    def __init__(
        self, name: str, model: str, config: OpenAIBackendConfig, pool: ConnectionPool, adapter: Backend | None = None
    ) -> None:
        """model: what it is called where the backend's configuration has no other name.

        adapter: answers Anthropic's /v1/messages where the backend itself does not.
        """
        self.name = name
        self.weight = config.weight
        self.origin: Origin = pool.origin_of(config.base_url)
        self._model = json_string(config.model or model)
        self._path = quote(urlsplit(config.base_url).path, safe=PATH_SAFE).encode()
        self._fixed = _fixed(config)
        self._heads: dict[Endpoint, bytes] = {}
        self._stream_usage = config.stream_usage
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
        pooled = None if is_fresh else self.origin.take_idle()
        if pooled is None:
            return PendingConnection(self.origin, connect_s, written, handler)
        pooled.send_request(written, handler)
        return pooled

    async def close(self) -> None:
        """The connections belong to the pool."""
        if self._adapter is not None:
            await self._adapter.close()

    def build_request(self, call: UpstreamRequest) -> list[bytes]:
        """What is sent, head and body, one piece after the other; in one where that is small."""
        body = call.body.forwarded_parts(self._model, call.with_usage and self._stream_usage)
        size = sum(map(len, body))
        fixed = self._heads.get(call.body.operation) or self._head(call.body.operation)
        agent = b"" if call.forwarded.names_agent else USER_AGENT
        written = [b"%b%b%bcontent-length: %d\r\n\r\n" % (fixed, call.forwarded.lines, agent, size), *body]
        return written if size > JOINED_BYTES else [b"".join(written)]

    def _head(self, operation: Endpoint) -> bytes:
        """The part of a request's head that is always the same."""
        fixed = self._fixed if operation is MESSAGES else [one for one in self._fixed if one[0] != b"x-api-key"]
        lines = b"".join([b"%b: %b\r\n" % pair for pair in fixed])
        made = b"POST %b%b HTTP/1.1\r\n%b" % (self._path, operation.path.encode(), lines)
        self._heads[operation] = made
        return made


def _fixed(config: OpenAIBackendConfig) -> Headers:
    """Bodies come uncompressed, so that they can be relayed as they are. Anthropic's endpoints take the key twice."""
    told = [
        (b"host", _host(config.base_url)),
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
    ]
    if config.api_key is not None:
        key = config.api_key.get_secret_value().encode()
        told += [(b"authorization", b"Bearer " + key), (b"x-api-key", key)]
    return told


def _host(url: str) -> bytes:
    """As the Host header has it."""
    netloc = urlsplit(url).netloc
    return netloc.encode() if netloc.isascii() else netloc.encode("idna")
