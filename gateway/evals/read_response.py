"""Whole responses with `await`, for those who have time: the failover plan driven by a coroutine."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.http.headers import Headers
from gateway.http.json_members import is_json_object
from gateway.http.sse import is_event_stream
from gateway.upstream.errors import (
    TimedOut,
    UpstreamFault,
    UpstreamProtocolError,
    error_status,
    is_failover_status,
    response_too_large,
)
from gateway.upstream.failover import FailoverPlan, GiveUp, Try, Wait
from gateway.upstream.interface import ResponseHandle, UpstreamRequest
from gateway.upstream.load_balancer import is_backend_fault

HTTP_OK = 200


class WholeResponse(NamedTuple):
    """A response that has been read to its end."""

    status: int
    headers: Headers
    body: bytes

    @property
    def is_stream(self) -> bool:
        """Return whether the body is a stream of events."""
        return is_event_stream(self.headers)


class ResponseReader:
    """A handler that collects one response."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._status = 0
        self._headers: Headers = ()
        self._pieces: list[bytes] = []
        self._size = 0
        self._has_ended = False
        self._done: asyncio.Future[WholeResponse] = asyncio.get_running_loop().create_future()

    async def read_response(self, handle: ResponseHandle) -> WholeResponse:
        """Wait for the end. Raises UpstreamFault; a caller that is cancelled ends the backend's work too."""
        try:
            return await self._done
        except BaseException:
            # The handle is the response's until its end. After that its connection is back in the pool, and may be
            # answering somebody else.
            if not self._has_ended:
                handle.abort()
            raise

    def on_head(self, status: int, headers: Headers) -> None:
        """Take the head."""
        self._status, self._headers = status, headers
        if is_failover_status(status):
            self._fail(error_status(status, headers))

    def on_data(self, data: bytes, chunk: bytes | None = None) -> None:
        """Take more of the body."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._max_bytes:
            self._fail(response_too_large(self._max_bytes))

    def on_complete(self) -> None:
        """End the reading."""
        self._has_ended = True
        response = WholeResponse(self._status, self._headers, b"".join(self._pieces))
        if response.status == HTTP_OK and not response.is_stream and not is_json_object(response.body):
            self._fail(UpstreamProtocolError("answered what is no JSON object"))
        elif not self._done.done():
            self._done.set_result(response)

    def on_error(self, fault: UpstreamFault) -> None:
        """End the reading with a fault."""
        self._has_ended = True
        self._fail(fault)

    def _fail(self, fault: UpstreamFault) -> None:
        if not self._done.done():
            self._done.set_exception(fault)


async def ask_backends(
    plan: FailoverPlan,
    request: UpstreamRequest,
    max_bytes: int,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> WholeResponse:
    """Return the first response to be had, of at most max_bytes. Raises the plan's RequestError where there is none."""
    step = plan.next(None, clock())
    while not isinstance(step, GiveUp):
        fault: UpstreamFault | None = None
        if isinstance(step, Wait):
            await sleep(step.seconds)
        else:
            try:
                response = await _try_backend(step, request, max_bytes, plan.started, clock)
            except UpstreamFault as error:
                fault = error
            else:
                plan.record_answer(clock())
                return response
        step = plan.next(fault, clock())
    raise step.error


async def _try_backend(
    step: Try, request: UpstreamRequest, max_bytes: int, started: float, clock: Callable[[], float]
) -> WholeResponse:
    """Return one backend's response. Raises UpstreamFault."""
    target, timeouts, is_fault = step.target, step.timeouts, None
    limit_s = min(timeouts.first_byte_s, started + timeouts.total_s - clock())
    target.on_start()
    try:
        async with asyncio.timeout(limit_s):
            reader = ResponseReader(max_bytes)
            handle = target.backend.start(request, reader, timeouts.connect_s, step.is_fresh)
            response = await reader.read_response(handle)
            is_fault = False
            return response
    except TimeoutError as error:
        is_fault = True
        raise TimedOut("did not answer in time") from error
    except UpstreamFault as fault:
        is_fault = is_backend_fault(fault)
        raise
    finally:
        target.on_finish(is_fault)
