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
from gateway.http.endpoints import BY_PATH, USAGE_ON_REQUEST, Endpoint
from gateway.http.headers import response_headers
from gateway.http.read_body import ClientDisconnected, read_body
from gateway.http.request_body import RequestBody, parse_body
from gateway.http.request_head import RequestHead
from gateway.http.sse import EVENT_STREAM
from gateway.http.token_usage import find_usage
from gateway.keys.auth import Authenticator, Principal
from gateway.proxy.accounting import Accounting
from gateway.proxy.capabilities import CapabilityTable, filter_capable, needs_no_check, request_needs
from gateway.proxy.disconnect import cancel_on_disconnect
from gateway.proxy.exploration import apply_exploration
from gateway.proxy.relay import relay_stream
from gateway.proxy.request_record import RequestRecord
from gateway.proxy.response_cache import CachedResponse, CacheSlot, ResponseCache
from gateway.proxy.responses import (
    HTTP_OK,
    UNBUFFERED_HEADERS,
    send_error,
    send_response,
    send_upstream_response,
    upstream_refusal,
)
from gateway.proxy.session_affinity import SessionAffinity
from gateway.proxy.sse_keepalive import send_keepalives
from gateway.proxy.stream_inspector import StreamInspector
from gateway.proxy.task_target import resolve_route, resolve_session, resolve_task
from gateway.tasks.decision_table import DecisionTable, Route
from gateway.upstream.failover import Failover, OpenResponse
from gateway.upstream.interface import UpstreamRequest
from gateway.upstream.timeouts import TimeoutOverrides, parse_timeout_headers
from gateway.vocabulary import JSON_PATH, PINNED, REQUESTED, SESSION, is_routed_model

log = logging.getLogger("benchroute.request")


class RoutedRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that has been read. asked: limits of its own. slot: where its answer is kept, if it is."""

    route: Route
    call: UpstreamRequest
    timeout_overrides: TimeoutOverrides
    session: str | None
    slot: CacheSlot | None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The endpoints that go to backends. observe: takes a task and its input's JSON, and never waits.

    draw: uniform in [0, 1), for tasks that explore.
    """

    authenticator: Authenticator
    capabilities: CapabilityTable
    table: DecisionTable
    failover: Failover
    observe: Callable[[str, bytes], None]
    accounting: Accounting
    sessions: SessionAffinity
    response_cache: ResponseCache
    max_body_bytes: int
    keepalive_s: float | None
    draw: Callable[[], float] = random.random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, whatever happens."""
        head = RequestHead(scope["headers"])
        progress = self.start_request(head, BY_PATH[scope["path"]])
        await self._to_its_end(self._answer(head, scope, receive, send, progress), send, progress)

    async def resume(
        self, step: RoutedRequest | RequestError, receive: Receive, send: Send, progress: RequestRecord
    ) -> None:
        """Answers a request that has been `begun` and `understood`, or could not be; backends may have been asked."""
        made = _refused(step) if isinstance(step, RequestError) else self._forward(step, receive, send, progress)
        await self._to_its_end(made, send, progress)

    def start_request(self, head: RequestHead, operation: Endpoint) -> RequestRecord:
        """A request has come. Whoever calls this closes the books on it."""
        self.accounting.metrics.in_flight += 1
        return RequestRecord(head.request_id, endpoint=operation)

    def finish_request(self, progress: RequestRecord) -> None:
        """It has ended, in whatever way."""
        self.accounting.metrics.in_flight -= 1
        self.accounting.finish_request(progress)

    def authenticate(self, head: RequestHead, progress: RequestRecord) -> Principal:
        """Authenticate and check the quota. Raises Unauthenticated, Forbidden, RateLimited, BudgetExceeded."""
        principal = self.authenticator.authenticate(head.digest)
        progress.key = principal.name
        self.accounting.check_quota(progress)
        return principal

    def parse_and_route(
        self, data: bytes, head: RequestHead, principal: Principal, progress: RequestRecord
    ) -> RoutedRequest:
        """What it asks, and where it goes. Raises RequestError."""
        progress.mark_read()
        assert progress.endpoint is not None  # noqa: S101 - requests that come here have one
        body = parse_body(data, progress.endpoint)
        tag = resolve_task(head, body, principal)
        progress.task = tag.task
        session = resolve_session(head, body)
        progress.route = self._route(body, tag.task, session, principal)
        policy = self.table.policy_of(tag.task)
        if tag.is_explicit or is_routed_model(body.model):
            self.observe(tag.task, body.encoded if policy.input.startswith(JSON_PATH) else body.content)
        slot = self.response_cache.open_slot(
            policy.response_cache, body, principal.name, progress.route.ranking[0], head.headers
        )
        hides_usage = body.is_stream and body.operation in USAGE_ON_REQUEST and not body.asks_for_usage
        call = UpstreamRequest(body, self.accounting.inject_trace_context(head, progress), with_usage=hides_usage)
        return RoutedRequest(progress.route, call, parse_timeout_headers(head.gateway_headers), session, slot)

    def response_started(self, step: RoutedRequest, progress: RequestRecord) -> None:
        """A backend has begun to answer: the conversation is on its model from now on."""
        if step.session is not None and progress.task is not None:
            self.sessions.pin_model(progress.key, progress.task, step.session, progress.model)

    async def _to_its_end(self, made: Coroutine[None, None, None], send: Send, progress: RequestRecord) -> None:
        try:
            await made
        except ClientDisconnected:
            pass
        except RequestError as error:
            await send_error(error, send, progress)
        except Exception:  # the edge of a request: whatever went wrong, the client gets an answer, the log the reason
            log.exception("%s failed inside the gateway", progress.request_id)
            if not progress.is_complete:
                await send_error(internal_error(progress), send, progress)
        finally:
            self.finish_request(progress)

    async def _answer(
        self, head: RequestHead, scope: Scope, receive: Receive, send: Send, progress: RequestRecord
    ) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['method']} is not answered here: POST")
        principal = self.authenticate(head, progress)
        data = await read_body(scope, receive, self.max_body_bytes)
        await self._forward(self.parse_and_route(data, head, principal, progress), receive, send, progress)

    async def _forward(self, step: RoutedRequest, receive: Receive, send: Send, progress: RequestRecord) -> None:
        if step.slot is not None and (kept := step.slot.cached_response()) is not None:
            await _again(kept, send, progress)
            return
        every_s = self.keepalive_s if step.call.body.is_stream else None
        async with cancel_on_disconnect(receive):
            async with send_keepalives(every_s, partial(_begin_early, progress), send):
                opened = await self.failover.open_response(
                    step.route.ranking, step.call, step.timeout_overrides, progress.trail
                )
            self.response_started(step, progress)
            await self._relay(opened, step, send, progress)

    def _route(self, body: RequestBody, task: str, session: str | None, principal: Principal) -> Route:
        """Where it goes. A model that the request names is asked whether it can or not: its backend will say."""
        route = resolve_route(body, task, principal, self.capabilities.by_model, self.table.route_task)
        if route.reason == REQUESTED:
            return route
        if not needs_no_check(body, self.capabilities):
            able = filter_capable(route.ranking, request_needs(body), self.capabilities)
            if len(able) < len(route.ranking):
                route = replace(route, ranking=able)
        if session is None or route.reason == PINNED:
            return apply_exploration(route, self.draw) if route.exploration else route
        ranking, is_kept = self.sessions.reorder_ranking(principal.name, task, session, route.ranking)
        if is_kept:
            return replace(route, ranking=ranking, reason=SESSION, propensity=None)
        return replace(route, propensity=None) if route.exploration else route

    async def _relay(self, opened: OpenResponse, step: RoutedRequest, send: Send, progress: RequestRecord) -> None:
        is_fault: bool | None = None
        try:
            if opened.remaining_chunks is not None:
                is_fault = await self._stream(opened, step, send, progress)
            elif progress.status:  # a stream was promised by the first sign of life
                is_fault = False
                raise upstream_refusal(opened.response.status, opened.first_bytes)
            else:
                is_fault = False
                self.accounting.record_usage(progress, find_usage(opened.first_bytes))
                await send_upstream_response(opened, send, progress)
                if step.slot is not None and opened.response.status == HTTP_OK:
                    step.slot.append_chunk(opened.first_bytes)
                    step.slot.commit_response(progress.model, _content_type(opened))
        finally:
            opened.response.close()
            opened.backend_state.on_finish(is_fault)

    async def _stream(self, opened: OpenResponse, step: RoutedRequest, send: Send, progress: RequestRecord) -> bool:
        """Whether it broke off."""
        passing = StreamInspector(step.call.body.operation, step.call.with_usage)
        if not progress.status:
            headers = [*response_headers(opened.response.headers), *UNBUFFERED_HEADERS]
            await send(response_start(HTTP_OK, [*headers, *progress.begin_headers(HTTP_OK)]))
        try:
            fault = await relay_stream(opened, passing, step.slot, send)
        finally:
            self.accounting.record_usage(progress, passing.find_usage())
        progress.is_complete, progress.stream_error = fault is None, str(fault) if fault else None
        if fault is None and step.slot is not None:
            step.slot.commit_response(progress.model, _content_type(opened))
        return fault is not None


def internal_error(progress: RequestRecord) -> Internal:
    """What a client is told of a fault of ours."""
    return Internal(f"the gateway failed; its log names request {progress.request_id}")


async def _refused(error: RequestError) -> None:
    raise error


def _begin_early(progress: RequestRecord) -> Message | None:
    """The beginning of a stream whose first event is still to come; None where it has begun."""
    if progress.status:
        return None
    headers = [(b"content-type", EVENT_STREAM), *UNBUFFERED_HEADERS]
    return response_start(HTTP_OK, [*headers, *progress.begin_headers(HTTP_OK)])


def _content_type(opened: OpenResponse) -> bytes:
    return next(
        (value for name, value in response_headers(opened.response.headers) if name == b"content-type"),
        error_envelope.JSON,
    )


async def _again(kept: CachedResponse, send: Send, progress: RequestRecord) -> None:
    """An answer that was given before."""
    progress.cached_model = kept.model
    await send_response(HTTP_OK, [(b"content-type", kept.content_type)], kept.body, send, progress)
