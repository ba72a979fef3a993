"""Backends in order until one answers.

Nothing has reached the client yet, so any failure here can be made good by another backend: those of the chosen model
first, in an order drawn by weight, then the next model's. An answer counts from its first byte on: a stream that dies
before it is another failure, one that dies after it is the client's to see.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.config.schema import UpstreamConfig
from gateway.errors import RequestError, UpstreamBusy, UpstreamFailed, UpstreamTimeout
from gateway.upstream.contract import Answer, Backend, Call
from gateway.upstream.faults import Answered, Broken, TimedOut, UpstreamFault, answered, is_fault
from gateway.wire.body import is_json_object


@dataclass(frozen=True, slots=True)
class Attempt:
    """One backend asked. fault: None where it answered."""

    model: str
    backend: str
    fault: UpstreamFault | None = None


@dataclass(slots=True)
class Trail:
    """What has been tried for one request, and how long backends were waited for."""

    attempts: list[Attempt] = field(default_factory=list)
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer that goes to the client. first: its body, or a stream's first chunk; rest: the stream's chunks."""

    answer: Answer
    first: bytes
    rest: AsyncIterator[bytes] | None


class Forwarder:
    """All backends, and the limits on asking them."""

    def __init__(
        self,
        backends: Mapping[str, Sequence[Backend]],
        limits: UpstreamConfig,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._backends = backends
        self._limits = limits
        self._draw = draw

    async def open(self, ranking: Sequence[str], call: Call, trail: Trail) -> Opened:
        """The first answer to be had; `trail` tells of the way there. Raises an UpstreamFailed when there is none."""
        for model, backend in self._in_order(ranking):
            asked = time.perf_counter()
            try:
                opened = await self._ask(backend, call)
            except UpstreamFault as fault:
                trail.attempts.append(Attempt(model, backend.name, fault))
            else:
                trail.attempts.append(Attempt(model, backend.name))
                return opened
            finally:
                trail.waited_s += time.perf_counter() - asked
            if len(trail.attempts) >= self._limits.max_attempts:
                break
        raise failure(trail.attempts)

    async def _ask(self, backend: Backend, call: Call) -> Opened:
        answer: Answer | None = None
        try:
            async with asyncio.timeout(self._limits.answer_s):
                answer = await backend.open(call)
                if is_fault(answer.status):
                    raise answered(answer.status, answer.headers)
                return await _begun(answer)
        except TimeoutError as error:
            _close(answer)
            raise TimedOut("did not answer in time") from error
        except BaseException:
            _close(answer)
            raise

    def _in_order(self, ranking: Sequence[str]) -> Iterator[tuple[str, Backend]]:
        for model in ranking:
            backends = self._backends[model]
            for backend in backends if len(backends) == 1 else self._drawn(backends):
                yield model, backend

    def _drawn(self, backends: Sequence[Backend]) -> list[Backend]:
        """A weighted shuffle: sorted by u ** (1 / weight) (Efraimidis & Spirakis, 2006)."""
        return sorted(backends, key=lambda backend: self._draw() ** (1 / backend.weight), reverse=True)


def failure(attempts: Sequence[Attempt]) -> RequestError:
    """What the client is told when no backend answered: the last failure gives the status, all are named."""
    told = "; ".join(f"{attempt.backend} {attempt.fault}" for attempt in attempts)
    message, last = f"no backend could answer: {told}", attempts[-1].fault
    if isinstance(last, Answered) and last.status == UpstreamBusy.status:
        return UpstreamBusy(message, retry_after=last.retry_after)
    if isinstance(last, TimedOut):
        return UpstreamTimeout(message)
    return UpstreamFailed(message)


async def _begun(answer: Answer) -> Opened:
    """The answer with its first bytes; an answer that is no stream is read to its end."""
    if not answer.is_stream or answer.status != 200:
        body = await answer.read()
        if answer.status == 200 and not is_json_object(body):
            raise Broken("answered what is no JSON object")
        answer.close()
        return Opened(answer, body, None)
    rest = answer.chunks()
    async for chunk in rest:
        return Opened(answer, chunk, rest)
    raise Broken("ended its stream before the first event")


def _close(answer: Answer | None) -> None:
    if answer is not None:
        answer.close()
