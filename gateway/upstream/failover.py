"""Backends in order until one answers.

Nothing has reached the client yet, so any failure here can be made good by another backend: those of the chosen model
first, least busy first, then those again after a pause, then the next model's. An answer counts from its first byte on:
a stream that dies before it is another failure, one that dies after it is the client's to see.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from gateway.errors import RequestError, UpstreamBusy, UpstreamFailed, UpstreamTimeout
from gateway.http.request_body import is_json_object
from gateway.upstream.errors import (
    ErrorStatus,
    TimedOut,
    UpstreamFault,
    UpstreamProtocolError,
    error_status,
    is_failover_status,
)
from gateway.upstream.interface import UpstreamRequest, UpstreamResponse
from gateway.upstream.load_balancer import BackendState, LoadBalancer
from gateway.upstream.retry import RetryPolicy
from gateway.upstream.timeouts import TimeoutOverrides, Timeouts


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One backend asked. fault: None where it answered."""

    model: str
    backend: str
    fault: UpstreamFault | None = None


class AttemptLog(msgspec.Struct):
    """What has been tried for one request, and how long backends were waited for.

    is_degraded: every breaker was open, and the least bad backend was asked all the same. started: by time.monotonic(),
    0 before the first is asked.
    """

    attempts: list[Attempt] = []
    waited_s: float = 0.0
    is_degraded: bool = False
    started: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenResponse:
    """An answer that goes to the client. first: its body, or a stream's first chunk; rest: the stream's chunks.

    deadline: by time.monotonic(), for all of it.
    """

    response: UpstreamResponse
    first_bytes: bytes
    remaining_chunks: AsyncIterator[bytes] | None
    backend_state: BackendState
    between_chunks_s: float
    deadline: float


class Failover:
    """All backends, and the rules for asking them."""

    def __init__(
        self,
        backends: LoadBalancer,
        timeouts: Mapping[str, Timeouts],
        retry: RetryPolicy,
        max_attempts: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """timeouts: by model."""
        self._backends = backends
        self._timeouts = timeouts
        self._retry = retry
        self._max_attempts = max_attempts
        self._sleep = sleep

    def start_request(self, trail: AttemptLog) -> float:
        """A request is going to be forwarded. When that was, by time.monotonic()."""
        self._retry.on_request()
        trail.started = time.monotonic()
        return trail.started

    def pick_backend(self, model: str) -> BackendState | None:
        """The model's backend that is asked first; None where all of them are left alone."""
        return self._backends.pick(model)

    async def open_response(
        self, ranking: Sequence[str], call: UpstreamRequest, asked: TimeoutOverrides, trail: AttemptLog
    ) -> OpenResponse:
        """The first answer to be had; `trail` tells of the way there. Raises an UpstreamFailed when there is none.

        Backends that the trail has tried already are not the first to be asked.
        """
        started = trail.started or self.start_request(trail)
        for model in ranking:
            opened = await self._of_model(model, call, self.timeouts_for(model, asked), started, trail)
            if opened is not None:
                return opened
            if len(trail.attempts) >= self._max_attempts:
                break
        if not trail.attempts:
            trail.is_degraded = True
            watched = self._backends.soonest_available(ranking)
            opened = await self._try(watched, call, self.timeouts_for(watched.model, asked), started, trail)
            if opened is not None:
                return opened
        raise no_backend_error(trail.attempts)

    async def _of_model(
        self, model: str, call: UpstreamRequest, limits: Timeouts, started: float, trail: AttemptLog
    ) -> OpenResponse | None:
        """The model's backends, round after round."""
        tried = {attempt.backend for attempt in trail.attempts if attempt.model == model}
        round_, before = 0, len(trail.attempts) - len(tried)
        while len(trail.attempts) < self._max_attempts:
            for watched in self._backends.candidates(model):
                if watched.backend.name in tried:
                    continue
                opened = await self._try(watched, call, limits, started, trail)
                if opened is not None or len(trail.attempts) >= self._max_attempts:
                    return opened
            round_ += 1
            last = trail.attempts[-1].fault if len(trail.attempts) > before else None
            if last is None or not await self._paused(round_, last, started + limits.total_s, trail):
                return None
            tried, before = set(), len(trail.attempts)
        return None

    async def _paused(self, round_: int, fault: UpstreamFault, deadline: float, trail: AttemptLog) -> bool:
        """Whether the model is asked again; if so, after the pause."""
        pause_s = self._retry.backoff_s(round_, fault)
        if pause_s is None or time.monotonic() + pause_s >= deadline:
            return False
        trail.waited_s += pause_s
        await self._sleep(pause_s)
        return True

    async def _try(
        self, watched: BackendState, call: UpstreamRequest, limits: Timeouts, started: float, trail: AttemptLog
    ) -> OpenResponse | None:
        name, begun = watched.backend.name, time.perf_counter()
        try:
            with watched.track_request():
                opened = await self._ask(watched, call, limits, started + limits.total_s)
        except UpstreamFault as fault:
            trail.attempts.append(Attempt(watched.model, name, fault))
            return None
        finally:
            trail.waited_s += time.perf_counter() - begun
        trail.attempts.append(Attempt(watched.model, name))
        return opened

    async def _ask(
        self, watched: BackendState, call: UpstreamRequest, limits: Timeouts, deadline: float
    ) -> OpenResponse:
        answer: UpstreamResponse | None = None
        try:
            async with asyncio.timeout(min(limits.first_byte_s, deadline - time.monotonic())):
                answer = await watched.backend.open_response(msgspec.structs.replace(call, connect_s=limits.connect_s))
                if is_failover_status(answer.status):
                    raise error_status(answer.status, answer.headers)
                first, rest = await _begun(answer)
                return OpenResponse(answer, first, rest, watched, limits.between_chunks_s, deadline)
        except TimeoutError as error:
            _close(answer)
            raise TimedOut("did not answer in time") from error
        except BaseException:
            _close(answer)
            raise

    def timeouts_for(self, model: str, asked: TimeoutOverrides) -> Timeouts:
        """How long is waited for a model's backends."""
        return replace(self._timeouts[model], **asked) if asked else self._timeouts[model]


def no_backend_error(attempts: Sequence[Attempt]) -> RequestError:
    """What the client is told when no backend answered: the last failure gives the status, all are named."""
    told = "; ".join(f"{attempt.backend} {attempt.fault}" for attempt in attempts)
    message, last = f"no backend could answer: {told}", attempts[-1].fault
    if isinstance(last, ErrorStatus) and last.status == UpstreamBusy.status:
        return UpstreamBusy(message, retry_after=last.retry_after)
    if isinstance(last, TimedOut):
        return UpstreamTimeout(message)
    return UpstreamFailed(message)


async def _begun(answer: UpstreamResponse) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """The answer's first bytes, and the rest of a stream; an answer that is no stream is read to its end."""
    if not answer.is_stream or answer.status != 200:
        body = await answer.read_body()
        if answer.status == 200 and not is_json_object(body):
            raise UpstreamProtocolError("answered what is no JSON object")
        answer.close()
        return body, None
    rest = answer.iter_chunks()
    async for chunk in rest:
        return chunk, rest
    raise UpstreamProtocolError("ended its stream before the first event")


def _close(answer: UpstreamResponse | None) -> None:
    if answer is not None:
        answer.close()
