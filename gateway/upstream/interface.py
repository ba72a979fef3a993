"""The contract of a backend: a request goes in, a response comes out by callbacks.

Callbacks, because a task, a future or an `await` for every request costs more than all else the gateway does to one.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from gateway.http.forwarding import ForwardedHeaders
from gateway.http.headers import Headers
from gateway.http.request_body import RequestBody
from gateway.upstream.errors import UpstreamFault


class UpstreamRequest(msgspec.Struct, frozen=True, gc=False):
    """A client's request on its way to a backend.

    Attributes:
        forwarded: The client's headers that backends get.
        with_usage: The stream is to report its usage, although the client did not ask for it.
    """

    body: RequestBody
    forwarded: ForwardedHeaders
    with_usage: bool = False


class RelayRequest(msgspec.Struct, frozen=True, gc=False):
    """A request of any method to any of a backend's paths, without its body, which follows piece by piece.

    Attributes:
        target: path from its version on, with the query: `/v1/images/edits`.
        content_type: of the body, None without one.
        size: of the body, in bytes; None where it is sent in chunks.
        forwarded: the client's headers that backends get.
    """

    method: str
    target: bytes
    content_type: bytes | None
    size: int | None
    forwarded: ForwardedHeaders


class ResponseHandler(Protocol):
    """Receives one response, by these calls in this order; there are none after on_complete or on_error.

    on_error can come at any time. No call may raise.
    """

    def on_head(self, status: int, headers: Headers) -> None:
        """Receive the head; interim responses (1xx) are passed over."""

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Receive more of the body. chunk: where it came as one whole chunk, that chunk with its framing."""

    def on_complete(self) -> None:
        """Receive the end of the response."""

    def on_error(self, fault: UpstreamFault) -> None:
        """Receive the reason why nothing more comes."""


class ChunkHandler(ResponseHandler, Protocol):
    """A handler that also receives whole chunks as they came, in place of on_data."""

    def on_chunk(self, chunk: bytes) -> None:
        """Receive one whole chunk, with its framing."""

    def on_chunks(self, pieces: Sequence[bytes], chunks: bytes) -> None:
        """Receive several whole chunks: what each holds, and all of them with their framing."""


class ResponseHandle(Protocol):
    """A request that a backend is working on."""

    def pause_reading(self) -> None:
        """Hold the backend back: the handler cannot take more for now."""

    def resume_reading(self) -> None:
        """Go on after pause_reading."""

    def set_handler(self, handler: ResponseHandler) -> None:
        """Let another handler receive the rest of the response."""

    def abort(self) -> None:
        """End the backend's work at once. The handler is not called any more."""


class RelayHandle(ResponseHandle, Protocol):
    """A request whose body is sent as it comes."""

    async def send_more(self, data: bytes) -> bool:
        """Send more of the body as soon as the backend takes it. Return False where it takes no more."""

    def end_body(self) -> None:
        """End the request's body."""


class Backend(Protocol):
    """An endpoint that serves one model."""

    @property
    def name(self) -> str:
        """Name in headers, metrics and messages: never an address, never a key."""

    @property
    def weight(self) -> float:
        """Share among the model's backends."""

    @property
    def account(self) -> str:
        """Name of the place where it keeps what it makes: backends of one address and key share it."""

    @property
    def asks_for_usage(self) -> bool:
        """True if it asks for a stream's usage where UpstreamRequest.with_usage says so."""

    def start(
        self, request: UpstreamRequest, handler: ResponseHandler, connect_s: float, is_fresh: bool = False
    ) -> ResponseHandle:
        """Send a request. The handler's first call comes after this has returned.

        connect_s: time for connecting, in seconds. is_fresh: not on a pooled connection. Raises UpstreamFault where
        the backend cannot be asked at all.
        """

    async def start_relay(
        self, request: RelayRequest, handler: ResponseHandler, connect_s: float, is_fresh: bool = False
    ) -> RelayHandle:
        """Send a request's head, once there is a connection. Raises UpstreamFault.

        connect_s, is_fresh: as for start.
        """

    def model_name(self) -> bytes:
        """Return the model's name at the backend, as JSON."""

    async def close(self) -> None:
        """Close the backend's connections."""
