"""The order in which backends are asked, as a pure plan: no I/O, and no clock of its own.

    plan.next(fault, now) -> Try(backend) | Wait(seconds) | GiveUp(error)

Nothing has reached the client yet, so a failure can be made good by another backend: those of the chosen model first,
least busy first, then those again after a pause, then the next model's. A response counts from its first byte on: a
stream that dies before it is another failure, one that dies after it is the client's to see. Whoever drives a plan does
the asking and the waiting: gateway.proxy.upstream_call by callbacks, gateway.evals.ask with `await`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import msgspec

from gateway.errors import Overloaded, RequestError, UpstreamBusy, UpstreamFailed, UpstreamTimeout
from gateway.upstream.errors import ErrorResponse, ErrorStatus, LocalShortage, StaleConnection, TimedOut, UpstreamFault
from gateway.upstream.load_balancer import BackendState, LoadBalancer
from gateway.upstream.retry import RetryPolicy
from gateway.upstream.timeouts import TimeoutOverrides, Timeouts


class Attempt(msgspec.Struct, frozen=True):
    """An attempt at a backend. Known to the garbage collector if it has a fault, which may refer to anything.

    Attributes:
        fault: None where it answered.
    """

    model: str
    backend: str
    fault: UpstreamFault | None = None


class AttemptLog(msgspec.Struct, gc=False):
    """The attempts of one request.

    Attributes:
        waited_s: Seconds spent waiting for backends and in pauses.
        is_degraded: Every breaker was open, and the least bad backend was asked all the same.
        times: When each attempt began and ended, by the plan's clock: two numbers an attempt. One that answered ends
            with a stream's first token, or with the last byte of a whole response.
    """

    attempts: list[Attempt] = []
    waited_s: float = 0.0
    is_degraded: bool = False
    times: tuple[float, ...] = ()


class Try(msgspec.Struct, frozen=True, gc=False):
    """Ask this backend now.

    Attributes:
        is_fresh: On a new connection: a pooled one has just been found closed.
    """

    target: BackendState
    timeouts: Timeouts
    is_fresh: bool = False


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Call `next` again after this pause."""

    seconds: float


class GiveUp(msgspec.Struct, frozen=True):
    """No backend is left to ask. Known to the garbage collector: whoever raises its error may still refer to it.

    Attributes:
        error: For the client, where no backend has said anything.
        attempt: The last one whose backend has; its fault's response is for the client, in place of the error.
    """

    error: RequestError
    attempt: Attempt | None = None

    @property
    def response(self) -> ErrorResponse | None:
        """Return the last word."""
        return None if self.attempt is None or self.attempt.fault is None else self.attempt.fault.response


Step: TypeAlias = Try | Wait | GiveUp


class Placement(msgspec.Struct, frozen=True, gc=False):
    """Backends that a request has to do with: they hold the conversation that it continues, or its prefix.

    Attributes:
        backends: their names.
        is_required: no other backend can answer; else they are asked first while they are healthy.
    """

    backends: tuple[str, ...]
    is_required: bool

    def order(self, candidates: list[BackendState], is_first: bool) -> list[BackendState]:
        """Return the candidates in the order in which they are asked. is_first: nothing has been asked yet."""
        placed = [one for one in candidates if one.backend.name in self.backends]
        if self.is_required or not is_first:
            return placed if self.is_required else candidates
        return placed + [one for one in candidates if one.backend.name not in self.backends]


class Failover:
    """All backends, and the rules for asking them."""

    def __init__(
        self, backends: LoadBalancer, timeouts: Mapping[str, Timeouts], retry: RetryPolicy, max_attempts: int
    ) -> None:
        """timeouts: by model."""
        self.backends = backends
        self.retry = retry
        self.max_attempts = max_attempts
        self._timeouts = timeouts

    def start_plan(
        self,
        ranking: Sequence[str],
        overrides: TimeoutOverrides,
        log: AttemptLog,
        now: float,
        placement: Placement | None = None,
    ) -> "FailoverPlan":
        """Return the plan of one request.

        ranking: models, best first. overrides: the request's own timeouts. log: filled as the plan goes on. now: in
        seconds, by the same clock as in every later call. placement: None where any backend of the models will do.
        """
        return FailoverPlan(self, ranking, overrides, log, now, placement)

    def timeouts_for(self, model: str, overrides: TimeoutOverrides) -> Timeouts:
        """Return the timeouts of a request to a model."""
        return replace(self._timeouts[model], **overrides) if overrides else self._timeouts[model]


class FailoverPlan(msgspec.Struct):
    """The way of one request through the backends.

    Attributes:
        started: When the request was first to be forwarded: total timeouts count from here.
        placement: Backends that the request has to do with.
        place: Index of the current model in the ranking.
        round: Pauses so far before the current model was asked again.
        round_start: Attempts made before the current round.
        asked: The backend asked last.
        asked_at: When.
        is_fresh: It was asked on a new connection, after a pooled one had been found closed.
    """

    rules: Failover
    ranking: Sequence[str]
    overrides: TimeoutOverrides
    log: AttemptLog
    started: float
    placement: Placement | None = None
    place: int = 0
    round: int = 0
    round_start: int = 0
    asked: BackendState | None = None
    asked_at: float = 0.0
    is_fresh: bool = False

    def next(self, fault: UpstreamFault | None, now: float) -> Step:
        """Return what to do next. fault: how the last `Try` failed; None at the beginning and after a `Wait`."""
        rules, attempts = self.rules, self.log.attempts
        if fault is not None and (step := self._record_fault(fault, now)) is not None:
            return step
        while self.place < len(self.ranking):
            model = self.ranking[self.place]
            # Nearly always nothing has been tried: no candidates are sorted, and no deadline can have passed.
            is_plain = not attempts and self.placement is None
            target = rules.backends.pick(model) if is_plain else self._next_backend(model, now)
            if target is not None:
                self.asked, self.asked_at = target, now
                if not self.round:
                    rules.retry.on_request(target.backend.name, now)
                return Try(target, rules.timeouts_for(model, self.overrides))
            pause_s = self._next_round(model, now)
            if pause_s is not None:
                return Wait(pause_s)
            # Another model: its backends have a round of their own, and retries begin anew.
            self.place, self.round, self.round_start = self.place + 1, 0, len(attempts)
        if attempts:
            return give_up(attempts)
        # All breakers are open. One request still goes through: an outage must not outlast its cause by open_s.
        self.log.is_degraded = True
        self.asked, self.asked_at = self._soonest_available(), now
        return Try(self.asked, rules.timeouts_for(self.asked.model, self.overrides))

    def record_answer(self, now: float) -> None:
        """Note that the backend asked last has answered."""
        assert self.asked is not None  # noqa: S101 - a backend was asked
        self.log.attempts.append(Attempt(self.asked.model, self.asked.backend.name))
        self.log.times += (self.asked_at, now)

    def _record_fault(self, fault: UpstreamFault, now: float) -> Step | None:
        """Note how the last attempt failed. Return what follows without asking another backend.

        A request on a pooled connection that the backend has just closed is sent once more on a new connection, and
        this is no attempt: no byte of a response was seen (RFC 9112, 9.3.1).
        """
        asked, attempts = self.asked, self.log.attempts
        assert asked is not None  # noqa: S101 - a fault is of a backend that was asked
        if isinstance(fault, LocalShortage):
            # No attempt, and no reason to ask another backend: there is no descriptor for it either.
            return GiveUp(Overloaded("The gateway is out of file descriptors for a connection to a backend: retry."))
        if isinstance(fault, StaleConnection) and not self.is_fresh:
            self.is_fresh = True
            return Try(asked, self.rules.timeouts_for(asked.model, self.overrides), is_fresh=True)
        self.is_fresh = False
        # Kept in the request's record, and that in the frames that its traceback names: neither would ever be freed.
        fault.forget_frames()
        attempts.append(Attempt(asked.model, asked.backend.name, fault))
        self.log.times += (self.asked_at, now)
        if len(attempts) >= self.rules.max_attempts:
            return give_up(attempts)
        return None

    def _next_backend(self, model: str, now: float) -> BackendState | None:
        """Return the least busy of the model's backends that has not been asked in this round."""
        if now >= self._deadline(model):
            return None
        # Asked anew at every step: a breaker may have opened, or another request may have made a backend busy.
        tried = {attempt.backend for attempt in self.log.attempts[self.round_start :]}
        candidates = self.rules.backends.candidates(model)
        if self.placement is not None:
            candidates = self.placement.order(candidates, not self.log.attempts)
        return next((one for one in candidates if one.backend.name not in tried), None)

    def _soonest_available(self) -> BackendState:
        """Return the backend whose breaker is the first to let a request through."""
        backends, placement = self.rules.backends, self.placement
        if placement is not None and placement.is_required:
            placed = [found for name in placement.backends if (found := backends.find_backend(name)) is not None]
            if placed:
                return min(placed, key=lambda one: one.breaker.retry_in_s)
        return backends.soonest_available(self.ranking)

    def _next_round(self, model: str, now: float) -> float | None:
        """Begin another round over the model's backends. Return the pause before it, None for no more rounds."""
        attempts = self.log.attempts
        self.round += 1
        # A round without an attempt had only open breakers: to wait for them would keep the client from other models.
        last = attempts[-1] if len(attempts) > self.round_start else None
        pause_s = None
        if last is not None and last.fault is not None:
            pause_s = self.rules.retry.backoff_s(self.round, last.fault, last.backend, now)
        if pause_s is None or now + pause_s >= self._deadline(model):
            return None
        self.round_start = len(attempts)
        return pause_s

    def _deadline(self, model: str) -> float:
        return self.started + self.rules.timeouts_for(model, self.overrides).total_s


def give_up(attempts: Sequence[Attempt]) -> GiveUp:
    """Return the end of a plan: the last backend that said anything has the last word.

    A timeout or a lost connection after it says less than the error before: that one tells the client what is wrong,
    and when to come back.
    """
    spoken = [one for one in attempts if one.fault is not None and one.fault.response is not None]
    return GiveUp(no_backend_error(attempts), spoken[-1] if spoken else None)


def describe_faults(attempts: Sequence[Attempt]) -> str:
    """Return what failed, attempt by attempt: names of backends and a few words each."""
    return "; ".join(f"{attempt.backend} {attempt.fault}" for attempt in attempts if attempt.fault is not None)


def no_backend_error(attempts: Sequence[Attempt]) -> RequestError:
    """Return the client's error where no backend answered: the last failure gives the status, all are named."""
    message, last = f"no backend could answer: {describe_faults(attempts)}", attempts[-1].fault
    if isinstance(last, ErrorStatus) and last.status == UpstreamBusy.status:
        return UpstreamBusy(message, retry_after=last.retry_after)
    if isinstance(last, TimedOut):
        return UpstreamTimeout(message)
    return UpstreamFailed(message)
