"""One request, step by step: who, what, which task, where to, forward, relay. Bare ASGI, for it must be cheap."""

import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec.structs import replace

from gateway.errors import Internal, MethodNotAllowed, RequestError
from gateway.http import error_envelope
from gateway.http.asgi import Message, Receive, Scope, Send, response_start
from gateway.http.endpoints import BY_PATH, SAY_USAGE_IF_ASKED, Operation
from gateway.http.headers import to_client
from gateway.http.read_body import ClientGone, read_all
from gateway.http.request_body import Body, read_body
from gateway.http.request_head import Head
from gateway.http.sse import EVENT_STREAM
from gateway.http.token_usage import usage_in
from gateway.keys.auth import Keys, Principal
from gateway.proxy.accounting import Accountant
from gateway.proxy.capabilities import Abilities, eligible, needs_nothing, needs_of
from gateway.proxy.disconnect import while_connected
from gateway.proxy.exploration import explored
from gateway.proxy.relay import relay_stream
from gateway.proxy.request_record import Progress
from gateway.proxy.response_cache import Answers, Kept, Slot
from gateway.proxy.responses import HTTP_OK, UNBUFFERED, answer, foreign, refuse, whole
from gateway.proxy.session_affinity import Sessions
from gateway.proxy.sse_keepalive import kept_alive
from gateway.proxy.stream_inspector import Passing
from gateway.proxy.task_target import route_of, session_of, task_of
from gateway.tasks.decision_table import DecisionTable, Route
from gateway.upstream.failover import Forwarder, Opened
from gateway.upstream.interface import Call
from gateway.upstream.timeouts import Asked, asked_for
from gateway.vocabulary import JSON_PATH, PINNED, REQUESTED, SESSION, asks_for_routing

log = logging.getLogger("benchroute.request")


class Understood(msgspec.Struct, frozen=True, gc=False):
    """A request that has been read. asked: limits of its own. slot: where its answer is kept, if it is."""

    route: Route
    call: Call
    asked: Asked
    session: str | None
    slot: Slot | None


@dataclass(frozen=True, slots=True)
class Lane:
    """The endpoints that go to backends. observe: takes a task and its input's JSON, and never waits.

    draw: uniform in [0, 1), for tasks that explore.
    """

    keys: Keys
    abilities: Abilities
    table: DecisionTable
    forwarder: Forwarder
    observe: Callable[[str, bytes], None]
    books: Accountant
    sessions: Sessions
    answers: Answers
    max_body_bytes: int
    keepalive_s: float | None
    draw: Callable[[], float] = random.random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, whatever happens."""
        head = Head(scope["headers"])
        progress = self.begun(head, BY_PATH[scope["path"]])
        await self._to_its_end(self._answer(head, scope, receive, send, progress), send, progress)

    async def go_on(self, step: Understood | RequestError, receive: Receive, send: Send, progress: Progress) -> None:
        """Answers a request that has been `begun` and `understood`, or could not be; backends may have been asked."""
        made = _refused(step) if isinstance(step, RequestError) else self._forward(step, receive, send, progress)
        await self._to_its_end(made, send, progress)

    def begun(self, head: Head, operation: Operation) -> Progress:
        """A request has come. Whoever calls this closes the books on it."""
        self.books.metrics.in_flight += 1
        return Progress(head.request_id, operation=operation)

    def closed(self, progress: Progress) -> None:
        """It has ended, in whatever way."""
        self.books.metrics.in_flight -= 1
        self.books.close(progress)

    def admitted(self, head: Head, progress: Progress) -> Principal:
        """Whom it is from, and that they may ask now. Raises Unauthenticated, Forbidden, RateLimited, BudgetSpent."""
        principal = self.keys.principal(head.digest)
        progress.key = principal.name
        self.books.admit(progress)
        return principal

    def understood(self, data: bytes, head: Head, principal: Principal, progress: Progress) -> Understood:
        """What it asks, and where it goes. Raises RequestError."""
        progress.read_now()
        assert progress.operation is not None  # noqa: S101 - requests that come here have one
        body = read_body(data, progress.operation)
        tag = task_of(head, body, principal)
        progress.task = tag.task
        session = session_of(head, body)
        progress.route = self._route(body, tag.task, session, principal)
        policy = self.table.policy(tag.task)
        if tag.is_explicit or asks_for_routing(body.model):
            self.observe(tag.task, body.whole if policy.input.startswith(JSON_PATH) else body.content)
        slot = self.answers.slot(policy.cache, body, principal.name, progress.route.ranking[0], head.headers)
        hides_usage = body.is_stream and body.operation in SAY_USAGE_IF_ASKED and not body.asks_for_usage
        call = Call(body, self.books.traced(head, progress), with_usage=hides_usage)
        return Understood(progress.route, call, asked_for(head.own), session, slot)

    def opened(self, step: Understood, progress: Progress) -> None:
        """A backend has begun to answer: the conversation is on its model from now on."""
        if step.session is not None and progress.task is not None:
            self.sessions.answered(progress.key, progress.task, step.session, progress.model)

    async def _to_its_end(self, made: Coroutine[None, None, None], send: Send, progress: Progress) -> None:
        try:
            await made
        except ClientGone:
            pass
        except RequestError as error:
            await refuse(error, send, progress)
        except Exception:  # the edge of a request: whatever went wrong, the client gets an answer, the log the reason
            log.exception("%s failed inside the gateway", progress.request_id)
            if not progress.is_complete:
                await refuse(failed_inside(progress), send, progress)
        finally:
            self.closed(progress)

    async def _answer(self, head: Head, scope: Scope, receive: Receive, send: Send, progress: Progress) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['method']} is not answered here: POST")
        principal = self.admitted(head, progress)
        data = await read_all(scope, receive, self.max_body_bytes)
        await self._forward(self.understood(data, head, principal, progress), receive, send, progress)

    async def _forward(self, step: Understood, receive: Receive, send: Send, progress: Progress) -> None:
        if step.slot is not None and (kept := step.slot.kept()) is not None:
            await _again(kept, send, progress)
            return
        every_s = self.keepalive_s if step.call.body.is_stream else None
        async with while_connected(receive):
            async with kept_alive(every_s, partial(_begin_early, progress), send):
                opened = await self.forwarder.open(step.route.ranking, step.call, step.asked, progress.trail)
            self.opened(step, progress)
            await self._relay(opened, step, send, progress)

    def _route(self, body: Body, task: str, session: str | None, principal: Principal) -> Route:
        """Where it goes. A model that the request names is asked whether it can or not: its backend will say."""
        route = route_of(body, task, principal, self.abilities.by_model, self.table.route)
        if route.reason == REQUESTED:
            return route
        if not needs_nothing(body, self.abilities):
            able = eligible(route.ranking, needs_of(body), self.abilities)
            if len(able) < len(route.ranking):
                route = replace(route, ranking=able)
        if session is None or route.reason == PINNED:
            return explored(route, self.draw) if route.exploration else route
        ranking, is_kept = self.sessions.ranking(principal.name, task, session, route.ranking)
        if is_kept:
            return replace(route, ranking=ranking, reason=SESSION, propensity=None)
        return replace(route, propensity=None) if route.exploration else route

    async def _relay(self, opened: Opened, step: Understood, send: Send, progress: Progress) -> None:
        is_fault: bool | None = None
        try:
            if opened.rest is not None:
                is_fault = await self._stream(opened, step, send, progress)
            elif progress.status:  # a stream was promised by the first sign of life
                is_fault = False
                raise foreign(opened.answer.status, opened.first)
            else:
                is_fault = False
                self.books.priced(progress, usage_in(opened.first))
                await whole(opened, send, progress)
                if step.slot is not None and opened.answer.status == HTTP_OK:
                    step.slot.saw(opened.first)
                    step.slot.keep(progress.model, _content_type(opened))
        finally:
            opened.answer.close()
            opened.watched.finished(is_fault)

    async def _stream(self, opened: Opened, step: Understood, send: Send, progress: Progress) -> bool:
        """Whether it broke off."""
        passing = Passing(step.call.body.operation, step.call.with_usage)
        if not progress.status:
            headers = [*to_client(opened.answer.headers), *UNBUFFERED]
            await send(response_start(HTTP_OK, [*headers, *progress.begin_headers(HTTP_OK)]))
        try:
            fault = await relay_stream(opened, passing, step.slot, send)
        finally:
            self.books.priced(progress, passing.usage())
        progress.is_complete, progress.broke = fault is None, str(fault) if fault else None
        if fault is None and step.slot is not None:
            step.slot.keep(progress.model, _content_type(opened))
        return fault is not None


def failed_inside(progress: Progress) -> Internal:
    """What a client is told of a fault of ours."""
    return Internal(f"the gateway failed; its log names request {progress.request_id}")


async def _refused(error: RequestError) -> None:
    raise error


def _begin_early(progress: Progress) -> Message | None:
    """The beginning of a stream whose first event is still to come; None where it has begun."""
    if progress.status:
        return None
    headers = [(b"content-type", EVENT_STREAM), *UNBUFFERED]
    return response_start(HTTP_OK, [*headers, *progress.begin_headers(HTTP_OK)])


def _content_type(opened: Opened) -> bytes:
    return next(
        (value for name, value in to_client(opened.answer.headers) if name == b"content-type"), error_envelope.JSON
    )


async def _again(kept: Kept, send: Send, progress: Progress) -> None:
    """An answer that was given before."""
    progress.kept = kept.model
    await answer(HTTP_OK, [(b"content-type", kept.content_type)], kept.body, send, progress)
