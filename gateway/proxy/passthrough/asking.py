"""The attempts of a request that is passed through, as the failover plan says."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.proxy.passthrough.endpoints import ChosenBy, PassthroughEndpoint
from gateway.proxy.passthrough.target import Target
from gateway.proxy.passthrough.upload import RelayAttempt, RelayedRequest
from gateway.proxy.request_record import RequestRecord
from gateway.upstream.errors import (
    ErrorStatus,
    StaleConnection,
    Unreachable,
    UpstreamFault,
    error_status,
    is_failover_status,
)
from gateway.upstream.failover import Failover, FailoverPlan, GiveUp, Step, Try, Wait, no_backend_error
from gateway.upstream.load_balancer import is_backend_fault
from gateway.upstream.timeouts import TimeoutOverrides

TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class AnsweredAttempt:
    """An attempt whose response goes to the client. fault: where its status is one that others might not give."""

    attempt: RelayAttempt
    fault: ErrorStatus | None

    def finish(self) -> None:
        """End the attempt; its backend is as healthy as its status says."""
        self.attempt.finish(False if self.fault is None else is_backend_fault(self.fault))


@dataclass(slots=True)
class Asking:
    """What the attempts of one request share.

    Attributes:
        clock: seconds, monotonic.
        refused: the last refusal so far, which is the client's answer should nobody else have one.
    """

    failover: Failover
    endpoint: PassthroughEndpoint
    request: RelayedRequest
    record: RequestRecord
    clock: Callable[[], float]
    refused: AnsweredAttempt | None = None

    async def ask_backends(self, target: Target, overrides: TimeoutOverrides) -> AnsweredAttempt:
        """Return the attempt that answers. The last one's refusal is an answer too: the client gets it as it is.

        Raises RequestError where no backend answers, and what the body raises.
        """
        try:
            answered = await self._follow_plan(target, overrides)
        except BaseException:
            self._keep_refusal(None)
            raise
        if answered is not self.refused:
            self._keep_refusal(None)
        return answered

    async def _follow_plan(self, target: Target, overrides: TimeoutOverrides) -> AnsweredAttempt:
        started = self.clock()
        plan = self.failover.start_plan(target.route.ranking, overrides, self.record.trail, started, target.placement)
        step = plan.next(None, started)
        while True:
            if isinstance(step, GiveUp):
                if self.refused is not None:
                    return self.refused
                raise step.error
            before = self.clock()
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
                result: AnsweredAttempt | Step = plan.next(None, self.clock())
            else:
                result = await self._try_backend(step, plan)
            self.record.trail.waited_s += self.clock() - before
            if isinstance(result, AnsweredAttempt):
                return result
            step = result

    async def _try_backend(self, step: Try, plan: FailoverPlan) -> AnsweredAttempt | Step:
        """Return the attempt that answers, or the plan's next step."""
        attempt = RelayAttempt(self.request, step, plan.started, self.clock)
        try:
            await attempt.send()
        except UpstreamFault as fault:
            following = plan.next(fault, self.clock())
            if not self._may_repeat(fault) and not isinstance(following, GiveUp):
                raise no_backend_error(self.record.trail.attempts) from fault
            return following
        response = attempt.response
        if not self._is_failover_status(response.status):
            plan.record_answer(self.clock())
            return AnsweredAttempt(attempt, None)
        refusal = error_status(response.status, response.headers)
        following = plan.next(refusal, self.clock())
        if isinstance(following, GiveUp) or not self._may_repeat(refusal):
            return AnsweredAttempt(attempt, refusal)
        # Counted now; its body stays unread, in case that it is the last word.
        attempt.count_result(is_backend_fault(refusal))
        self._keep_refusal(AnsweredAttempt(attempt, refusal))
        return following

    def _keep_refusal(self, refused: AnsweredAttempt | None) -> None:
        """Keep a refusal in place of the one before."""
        before, self.refused = self.refused, refused
        if before is not None:
            before.finish()

    def _may_repeat(self, fault: UpstreamFault) -> bool:
        """Return True where the request may be sent again. One that has made something must not make it twice."""
        is_untouched = isinstance(fault, Unreachable | StaleConnection) or (
            isinstance(fault, ErrorStatus) and fault.status == TOO_MANY_REQUESTS
        )
        return self.request.body.can_repeat and (self.endpoint.is_repeatable or is_untouched)

    def _is_failover_status(self, status: int) -> bool:
        if self.endpoint.chosen_by is ChosenBy.MODEL:
            return is_failover_status(status)
        # Only one backend has the object: a 404 is its answer.
        return status >= 500 or status == TOO_MANY_REQUESTS
