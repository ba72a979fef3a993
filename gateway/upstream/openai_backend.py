"""Backends that speak OpenAI's API: bytes out, bytes in."""

import asyncio
import hashlib
from importlib.metadata import version

from gateway.config.schema import AzureBackendConfig, OpenAIBackendConfig
from gateway.http.endpoints import MESSAGES, Endpoint
from gateway.http.forwarding import BackendFilter
from gateway.http.request_body import json_string
from gateway.upstream.errors import Unsupported
from gateway.upstream.interface import (
    Backend,
    RelayHandle,
    RelayRequest,
    ResponseHandle,
    ResponseHandler,
    UpstreamRequest,
)
from gateway.upstream.pool import ConnectionPool, Origin, PendingConnection
from gateway.upstream.proxies import Proxy
from gateway.upstream.request_heads import RequestHeads

USER_AGENT = f"user-agent: benchroute/{version('benchroute')}\r\n".encode()
JOINED_BYTES = 16 * 1024
"""Up to this size it is cheaper to copy a body's pieces into one than to write them one by one."""

KEY_CHECK_S = 1.0
"""Seconds until a key's file is read again, at most once in that time, and not without requests."""


class OpenAIBackend:
    """A base URL that serves a model."""

    def __init__(
        self,
        name: str,
        model: str,
        config: OpenAIBackendConfig | AzureBackendConfig,
        pool: ConnectionPool,
        adapter: Backend | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        """model: its name where the backend's configuration has no other.

        adapter: answers Anthropic's /v1/messages where the backend itself does not. Raises ValueError where a file of
        the configuration cannot be used any more.
        """
        self.name = name
        self.weight = config.weight
        self.origin: Origin = pool.origin_of(config.base_url, config.tls, proxy)
        self._model = json_string(config.model or model)
        self._request_heads = RequestHeads(config, config.model or model, proxy)
        self._heads: dict[Endpoint, bytes] = {}
        # Nearly always there is nothing to take out: None, so that a request costs no call.
        self._filter: BackendFilter | None = self._request_heads.client_filter
        self.asks_for_usage = config.stream_usage
        self._speaks_messages = config.speaks_messages
        self._adapter = adapter
        self.account = _account(config)

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

    async def start_relay(
        self, request: RelayRequest, handler: ResponseHandler, connect_s: float, is_fresh: bool = False
    ) -> RelayHandle:
        """Write the request's head to a connection, as soon as there is one. Raises UpstreamFault."""
        if request.target.startswith(b"/v1/messages") and not self._speaks_messages:
            raise Unsupported(f"does not answer {MESSAGES.path}")
        head = self.build_relay_head(request)
        connection = None if is_fresh else self.origin.take_idle()
        if connection is None:
            connection = await self.origin.open_connection(connect_s)
        connection.send_head(head, handler)
        return connection

    def model_name(self) -> bytes:
        """Return the model's name at the backend, as JSON."""
        return self._model

    def build_relay_head(self, request: RelayRequest) -> bytes:
        """Return the head of a request that is passed through."""
        fixed = self._request_heads.build_relay_head(request.method, request.target.decode("latin-1"))
        forwarded = request.forwarded if self._filter is None else self._filter.narrow_headers(request.forwarded)
        lines = [fixed, forwarded.lines, b"" if forwarded.names_agent else USER_AGENT]
        if request.content_type is not None:
            lines.append(b"content-type: %b\r\n" % request.content_type)
        if request.size is None:
            lines.append(b"transfer-encoding: chunked\r\n")
        # A GET without a body has no length (RFC 9110, 8.6).
        elif request.size or request.method == "POST":
            lines.append(b"content-length: %d\r\n" % request.size)
        return b"%b\r\n" % b"".join(lines)

    async def close(self) -> None:
        """Close the adapter; the connections belong to the pool."""
        if self._adapter is not None:
            await self._adapter.close()

    def build_request(self, request: UpstreamRequest) -> list[bytes]:
        """Return the request, head and body, piece by piece; in one piece where that is small."""
        body = request.body.forwarded_parts(self._model, request.with_usage and self.asks_for_usage)
        size = sum(map(len, body))
        fixed = self._heads.get(request.body.operation) or self._head(request.body.operation)
        forwarded = request.forwarded if self._filter is None else self._filter.narrow_headers(request.forwarded)
        # RFC 9110, 10.1.5: the client's User-Agent goes on as it is, and only its absence is filled.
        agent = b"" if forwarded.names_agent else USER_AGENT
        written = [b"%b%b%bcontent-length: %d\r\n\r\n" % (fixed, forwarded.lines, agent, size), *body]
        return written if size > JOINED_BYTES else [b"".join(written)]

    def _head(self, operation: Endpoint) -> bytes:
        """Return the part of a request's head that is the same until the key changes."""
        head = self._heads[operation] = self._request_heads.build_head(operation)
        if self._request_heads.has_key_file:
            # The next request after that builds its head anew, with what the file then has.
            asyncio.get_running_loop().call_later(KEY_CHECK_S, self._heads.clear)
        return head


def _account(config: OpenAIBackendConfig | AzureBackendConfig) -> str:
    """Return what is the same for the backends of one account: where it is, and its key or the key's file."""
    secret = config.api_key_file or "" if config.api_key is None else config.api_key.get_secret_value()
    return hashlib.sha256(f"{config.base_url}\n{secret}".encode()).hexdigest()
