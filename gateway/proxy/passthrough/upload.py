"""A request on its way to one backend, up to the head of the response."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from gateway.http.forwarding import ForwardedHeaders
from gateway.proxy.passthrough.bodies import Body
from gateway.proxy.passthrough.relay import RelayedResponse
from gateway.upstream.errors import TimedOut, UpstreamFault
from gateway.upstream.failover import Try
from gateway.upstream.interface import RelayHandle, RelayRequest
from gateway.upstream.load_balancer import BackendState, is_backend_fault


@dataclass(frozen=True, slots=True)
class RelayedRequest:
    """A request as it goes to whichever backend.

    Attributes:
        target: path from its version on, with the query.
    """

    method: str
    target: bytes
    forwarded: ForwardedHeaders
    body: Body


class RelayAttempt:
    """A request at one backend: counted there until `finish`.

    Attributes:
        deadline: of the whole response, by the clock.
        idle_s: limit of the time between two of its pieces.
    """

    def __init__(self, request: RelayedRequest, step: Try, since: float, clock: Callable[[], float]) -> None:
        """since: when the request was complete, by the clock; a body that still comes is complete later."""
        self._request, self._step, self._clock = request, step, clock
        self._target: BackendState | None = None
        self.response = RelayedResponse()
        self.idle_s = step.timeouts.between_chunks_s
        self.deadline = since + step.timeouts.total_s

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - self._clock()

    async def send(self) -> None:
        """Send the request, and wait for the response's head. Raises UpstreamFault, and what the body raises."""
        target, timeouts, body = self._step.target, self._step.timeouts, self._request.body
        target.on_start()
        self._target = target
        model = target.backend.model_name()
        head = RelayRequest(
            self._request.method, self._request.target, body.content_type, body.size(model), self._request.forwarded
        )
        try:
            # A body that goes on as it comes cannot be sent again, should a pooled connection turn out to be closed.
            was_held = body.is_held
            is_fresh = self._step.is_fresh or not was_held
            handle = await target.backend.start_relay(head, self.response, timeouts.connect_s, is_fresh)
            self.response.handle = handle
            pieces = body.pieces(model) if head.size is not None else _chunked(body.pieces(model))
            await self._send_body(handle, pieces, timeouts.between_chunks_s)
            if not was_held:
                self.deadline = self._clock() + timeouts.total_s
            await self.response.wait_head(min(timeouts.first_byte_s, self.left_s))
        except UpstreamFault as fault:
            self.finish(is_backend_fault(fault))
            raise
        except BaseException:
            # The client left, or what it sent is invalid: the backend must not take what it has for all.
            self.finish(None)
            raise

    def finish(self, is_fault: bool | None) -> None:
        """End the attempt, and the backend's work. is_fault: as for count_result."""
        self.response.abort()
        self.count_result(is_fault)

    def count_result(self, is_fault: bool | None) -> None:
        """Count the attempt's result, once. is_fault: None where it says nothing about the backend's health."""
        target, self._target = self._target, None
        if target is not None:
            target.on_finish(is_fault)

    async def _send_body(self, handle: RelayHandle, pieces: AsyncIterator[bytes], idle_s: float) -> None:
        async for piece in pieces:
            if not piece:
                continue
            if self.response.has_begun:
                if self.response.status == 0:
                    break
                # A refusal: most clients read no answer until they have sent all, so the rest is read and dropped.
                continue
            try:
                async with asyncio.timeout(idle_s):
                    is_taken = await handle.send_more(piece)
            except TimeoutError as error:
                raise TimedOut("did not take the request in time") from error
            # The connection is gone; why, the response is told in a moment.
            if not is_taken:
                break
        handle.end_body()


async def _chunked(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces as chunks (RFC 9112, 7.1)."""
    async for piece in pieces:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
