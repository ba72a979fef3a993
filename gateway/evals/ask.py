"""Concurrent requests to models, through the gateway's own backends and failover.

No client waits for a response, so the retries are more patient than a gateway's: more rounds, longer Retry-After, and
no circuit breaker, since an open one would only leave questions unanswered.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.config import Config
from gateway.config.schema import BreakerConfig, UpstreamConfig
from gateway.errors import RequestError
from gateway.evals.answers import EmptyAnswer, ModelAnswer, read_answer
from gateway.evals.questions import EvalRequest
from gateway.evals.read_response import HTTP_OK, ask_backends
from gateway.http.endpoints import CHAT
from gateway.http.forwarding import NO_HEADERS
from gateway.http.request_body import parse_body
from gateway.upstream.errors import ErrorStatus
from gateway.upstream.factory import build_backends
from gateway.upstream.failover import AttemptLog, Failover
from gateway.upstream.interface import UpstreamRequest
from gateway.upstream.load_balancer import LoadBalancer
from gateway.upstream.pool import ConnectionPool
from gateway.upstream.retry import RetryPolicy
from gateway.upstream.timeouts import Timeouts

MAX_CONSECUTIVE_FAILURES = 20
"""Consecutive failed questions until a model is asked no more."""

NEVER = BreakerConfig(consecutive_faults=10**9, min_requests=10**9)
PATIENCE_RETRIES, PATIENCE_ATTEMPTS, PATIENCE_RETRY_AFTER_S = 3, 12, 120.0
SHOWN = 300

NOT_ADMITTED = "not asked: the spending limit is reached"

REFUSALS = range(400, 500)
NOT_FOR_THE_WISH = frozenset({401, 408, 425, 429})
"""Error statuses that have nothing to do with the request for log-probabilities."""


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A question without an answer.

    Attributes:
        asked: EvalRequest.with_settings of the request.
        reason: short, without addresses or keys.
    """

    input_id: str
    model: str
    asked: str
    reason: str

    @property
    def journal_key(self) -> tuple[str, str, str]:
        """The key of the answer in the journal."""
        return self.input_id, self.model, self.asked


class _Refused(Exception):
    """A failed request. status: the backend's, None without a response."""

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


class EvalClient:
    """Client for all models of a run, each with a retry budget of its own."""

    def __init__(
        self,
        config: Config,
        pool: ConnectionPool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """config: with the asked models only. Raises ConfigError if the library of a backend kind is missing."""
        upstream = with_patient_retries(config.upstream)
        general = Timeouts().overridden_by(upstream.timeouts)
        self._backends = build_backends(config, pool)
        self._failovers = {
            model.name: Failover(
                LoadBalancer({model.name: self._backends[model.name]}, upstream.breaker),
                {model.name: general.overridden_by(model.timeouts)},
                RetryPolicy(upstream),
                upstream.max_attempts,
            )
            for model in config.models
        }
        self._max_response_bytes = upstream.max_response_bytes
        self._sleep = sleep
        self._clock = time.monotonic
        self._without_logprobs: set[str] = set()

    async def ask_model(self, job: EvalRequest) -> ModelAnswer | FailedRequest:
        """Ask one question, with retries. A model that rejects log-probabilities is asked without them."""
        wanted = job.settings.logprobs and job.model not in self._without_logprobs
        try:
            return await self._once(job, wanted)
        except _Refused as refused:
            if not wanted or refused.status not in REFUSALS or refused.status in NOT_FOR_THE_WISH:
                return FailedRequest(*job.journal_key, str(refused))
        try:
            answer = await self._once(job, False)
        except _Refused as refused:
            return FailedRequest(*job.journal_key, str(refused))
        self._without_logprobs.add(job.model)
        return answer

    async def ask_all(
        self,
        jobs: Sequence[EvalRequest],
        concurrency: int,
        told: Callable[[ModelAnswer | FailedRequest], None],
        admit: Callable[[EvalRequest], bool] | None = None,
    ) -> None:
        """Send one model's requests, at most `concurrency` at a time.

        told: called with every result as it comes. admit: False for a request that may not be sent.
        """
        waiting, failed_in_a_row = iter(jobs), 0

        async def worker() -> None:
            nonlocal failed_in_a_row
            for job in waiting:
                if failed_in_a_row >= MAX_CONSECUTIVE_FAILURES:
                    told(
                        FailedRequest(
                            *job.journal_key, f"not asked: {MAX_CONSECUTIVE_FAILURES} questions in a row had failed"
                        )
                    )
                    continue
                if admit is not None and not admit(job):
                    told(FailedRequest(*job.journal_key, NOT_ADMITTED))
                    continue
                said = await self.ask_model(job)
                failed_in_a_row = failed_in_a_row + 1 if isinstance(said, FailedRequest) else 0
                told(said)

        await asyncio.gather(*(worker() for _ in range(min(concurrency, len(jobs)))))

    async def close_backends(self) -> None:
        """Close all backends."""
        for backend in (one for served in self._backends.values() for one in served):
            await backend.close()

    async def _once(self, job: EvalRequest, with_logprobs: bool) -> ModelAnswer:
        request = UpstreamRequest(parse_body(job.to_body(with_logprobs), CHAT), NO_HEADERS)
        log = AttemptLog()
        plan = self._failovers[job.model].start_plan([job.model], {}, log, self._clock())
        try:
            response = await ask_backends(plan, request, self._max_response_bytes, self._sleep, self._clock)
        except RequestError as error:
            fault = log.attempts[-1].fault if log.attempts else None
            raise _Refused(error.message, fault.status if isinstance(fault, ErrorStatus) else None) from error
        if response.is_stream:
            raise _Refused("answered with a stream that was not asked for")
        if response.status != HTTP_OK:
            raise _Refused(_told(response.status, response.body), response.status)
        try:
            return read_answer(job.journal_key, response.body)
        except EmptyAnswer as error:
            raise _Refused(str(error)) from error


def with_patient_retries(upstream: UpstreamConfig) -> UpstreamConfig:
    """Return retry settings at least as patient as a benchmark run needs, without a circuit breaker."""
    return upstream.model_copy(
        update={
            "retries": max(upstream.retries, PATIENCE_RETRIES),
            "max_attempts": max(upstream.max_attempts, PATIENCE_ATTEMPTS),
            "max_retry_after_s": max(upstream.max_retry_after_s, PATIENCE_RETRY_AFTER_S),
            "retry_budget": 1.0,
            "breaker": NEVER,
        }
    )


def _told(status: int, body: bytes) -> str:
    """The reason of a failure: the envelope's message, else the beginning of the body."""
    try:
        message = str(json.loads(body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        message = body[:SHOWN].decode("utf-8", "replace")
    return f"answered {status}: {' '.join(message.split())[:SHOWN]}"
