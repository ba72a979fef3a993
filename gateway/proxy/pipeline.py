"""The steps from a request to its route: authenticate, parse, task, candidates, cache. No I/O."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from gateway.errors import Internal
from gateway.http.endpoints import USAGE_ON_REQUEST, Endpoint
from gateway.http.headers import RequestHead
from gateway.http.request_body import RequestBody, parse_body
from gateway.keys.auth import Authenticator, Principal
from gateway.proxy.accounting import Accounting
from gateway.proxy.capabilities import CapabilityTable, filter_capable, needs_no_check, request_needs
from gateway.proxy.exploration import apply_exploration
from gateway.proxy.request_record import RequestRecord
from gateway.proxy.response_cache import CacheSlot, ResponseCache
from gateway.proxy.session_affinity import SessionAffinity
from gateway.proxy.task_target import resolve_route, resolve_session, resolve_task
from gateway.tasks.decision_table import DecisionTable, Route
from gateway.upstream.failover import Failover
from gateway.upstream.interface import UpstreamRequest
from gateway.upstream.timeouts import TimeoutOverrides, parse_timeout_headers
from gateway.vocabulary import JSON_PATH, PINNED, REQUESTED, SESSION, is_routed_model


class RoutedRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that has been read. asked: limits of its own. slot: where its answer is kept, if it is."""

    route: Route
    request: UpstreamRequest
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
        request = UpstreamRequest(body, self.accounting.inject_trace_context(head, progress), with_usage=hides_usage)
        return RoutedRequest(progress.route, request, parse_timeout_headers(head.gateway_headers), session, slot)

    def response_started(self, step: RoutedRequest, progress: RequestRecord) -> None:
        """A backend has begun to answer: the conversation is on its model from now on."""
        if step.session is not None and progress.task is not None:
            self.sessions.pin_model(progress.key, progress.task, step.session, progress.model)

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


def internal_error(progress: RequestRecord) -> Internal:
    """What a client is told of a fault of ours."""
    return Internal(f"the gateway failed; its log names request {progress.request_id}")
