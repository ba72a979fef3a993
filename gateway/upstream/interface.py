"""The contract of a backend: a request goes in, a response comes out by callbacks.

Callbacks, because a task, a future or an `await` for every request costs more than all else the gateway does to one.
"""

from typing import Protocol

import msgspec

from gateway.http.headers import ForwardedHeaders, Headers
from gateway.http.request_body import RequestBody
from gateway.upstream.errors import UpstreamFault

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""Limit of a response that is not a stream: it is held in memory until it is complete."""


class UpstreamRequest(msgspec.Struct, frozen=True, gc=False):
    """A client's request on its way to a backend.

    Attributes:
        forwarded: The client's headers that backends get.
        with_usage: The stream is to report its usage, although the client did not ask for it.
    """

    body: RequestBody
    forwarded: ForwardedHeaders
    with_usage: bool = False


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


class Backend(Protocol):
    """An endpoint that serves one model."""

    @property
    def name(self) -> str:
        """Name in headers, metrics and messages: never an address, never a key."""

    @property
    def weight(self) -> float:
        """Share among the model's backends."""

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

    async def close(self) -> None:
        """Close the backend's connections."""
