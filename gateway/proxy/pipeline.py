"""The steps from a request to its route: authenticate, parse, task, candidates, cache slot. No I/O.

Pipeline  what the endpoints that go to backends share; RoutedRequest is what its steps come to
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from gateway.errors import Internal
from gateway.http.endpoints import EMBEDDINGS, RESPONSES, USAGE_ON_REQUEST, Endpoint
from gateway.http.forwarding import Forwarding
from gateway.http.headers import RequestHead, new_request_id
from gateway.http.request_body import RequestBody, parse_body
from gateway.keys.auth import ANONYMOUS, Authenticator, Principal
from gateway.keys.host_check import HostCheck
from gateway.proxy.accounting import Accounting
from gateway.proxy.body_capture import BodyCapture
from gateway.proxy.capabilities import CapabilityTable, explain_barred, filter_capable, needs_no_check, request_needs
from gateway.proxy.continuation import place_continuation, record_made
from gateway.proxy.exploration import apply_exploration
from gateway.proxy.request_record import RequestRecord
from gateway.proxy.response_affinity import MadeObject, ResponseAffinity
from gateway.proxy.response_cache import CacheSlot, ResponseCache
from gateway.proxy.session_affinity import SessionAffinity
from gateway.proxy.task_target import TaskResolver, resolve_embedding_route, resolve_route, resolve_session
from gateway.tasks.decision_table import DecisionTable, Route
from gateway.upstream.failover import Failover, Placement
from gateway.upstream.interface import UpstreamRequest
from gateway.upstream.timeouts import NOTHING, TimeoutOverrides, parse_timeout_headers
from gateway.vocabulary import JSON_PATH, PINNED, REQUESTED, SESSION, is_routed_model


class RoutedRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that has been parsed and routed.

    Attributes:
        timeout_overrides: Timeouts that the request sets by headers.
        slot: Its place in the response cache, None where it has none.
        placement: Backends that it has to do with, None where any will do.
    """

    route: Route
    request: UpstreamRequest
    timeout_overrides: TimeoutOverrides
    session: str | None
    slot: CacheSlot | None
    placement: Placement | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that routes a request.

    Attributes:
        observe: Takes a task, its input's JSON, and the name of the key that sent it. Never waits.
        draw: Uniform in [0, 1), for tasks that explore.
        captures_bodies: The request log stores what is said.
    """

    authenticator: Authenticator
    host_check: HostCheck
    capabilities: CapabilityTable
    tasks: TaskResolver
    table: DecisionTable
    failover: Failover
    observe: Callable[[str, bytes, str | None], None]
    accounting: Accounting
    sessions: SessionAffinity
    responses: ResponseAffinity
    response_cache: ResponseCache
    forwarding: Forwarding
    max_body_bytes: int
    max_response_bytes: int
    keepalive_s: float | None
    draw: Callable[[], float] = random.random
    captures_bodies: bool = False

    def start_request(self, head: RequestHead, operation: Endpoint) -> RequestRecord:
        """Begin the record of a request; finish_request follows, whatever happens."""
        self.accounting.metrics.in_flight += 1
        return RequestRecord(new_request_id(), endpoint=operation, client_id=head.client_id)

    def finish_request(self, record: RequestRecord) -> None:
        """Hand the record of a request that has ended to accounting."""
        self.accounting.metrics.in_flight -= 1
        self.accounting.finish_request(record)

    def authenticate(self, head: RequestHead, record: RequestRecord) -> Principal:
        """Authenticate and check the quota. Raises Unauthenticated, Forbidden, RateLimited, BudgetExceeded."""
        principal = self.authenticator.authenticate(head.digest)
        # Once for a head that repeats: nothing else decides it.
        if principal is ANONYMOUS and not head.is_checked:
            self.host_check.check_request(head.headers, is_change=True)
            head.is_checked = True
        record.key, record.secret = principal.name, principal.secret
        self.accounting.check_quota(record)
        return principal

    def parse_and_route(
        self, data: bytes, head: RequestHead, principal: Principal, record: RequestRecord
    ) -> RoutedRequest:
        """Parse a request and choose its ranking of models. Raises RequestError."""
        record.mark_read()
        assert record.endpoint is not None  # noqa: S101 - requests that come here have one
        body = parse_body(data, record.endpoint)
        record.asked_model, record.is_stream = body.model, body.is_stream
        if self.captures_bodies:
            record.capture = BodyCapture(body)
        tag = self.tasks.resolve_task(head, body, principal)
        record.task = tag.task
        session = resolve_session(head, body)
        if body.operation is EMBEDDINGS:
            session = None  # of a conversation, whose model answers no embeddings
        record.route = self._route(body, session, principal, record)
        placement = None if session is None else self._place_session(record, session)
        if body.operation is RESPONSES:
            record.route, continued = place_continuation(
                body, record.route, principal, self.responses, self.failover.backends
            )
            placement = continued or placement
        policy = self.table.policy_of(tag.task)
        # A model called by its name without a task says nothing about any task's inputs.
        if (tag.is_explicit or is_routed_model(body.model)) and body.operation is not EMBEDDINGS:
            content = body.encoded if policy.input.startswith(JSON_PATH) else body.content
            if content:
                self.observe(tag.task, content, principal.name)
        slot = None
        if policy.response_cache is not None:
            slot = self.response_cache.open_slot(
                policy.response_cache, body, principal.name, record.route.ranking[0], head.headers
            )
        # Without usage in its stream, a request could not be priced; a client that did not ask does not see it.
        hides_usage = record.is_stream and body.operation in USAGE_ON_REQUEST and not body.asks_for_usage
        forwarded = self.accounting.inject_trace_context(head, record, self.forwarding.request)
        request = UpstreamRequest(body, forwarded, with_usage=hides_usage)
        overrides = parse_timeout_headers(head.gateway_headers) if head.gateway_headers else NOTHING
        return RoutedRequest(record.route, request, overrides, session, slot, placement)

    def response_started(self, routed: RoutedRequest, record: RequestRecord, data: bytes) -> None:
        """Pin the session, if there is one, to the model and backend that answer, and note who makes a response.

        data: a whole response, or the first of a stream: it can be cancelled before it ends.
        """
        if routed.request.body.operation is RESPONSES:
            self.record_made(record, data)
        if routed.session is not None and record.task is not None:
            self.sessions.pin_model(record.key, record.task, routed.session, record.model, record.backend)

    def record_made(self, record: RequestRecord, data: bytes) -> None:
        """Note who made the response that a body, or the events of a stream, name."""
        record_made(data, MadeObject(record.key, "", record.model, record.backend), self.responses)

    def _place_session(self, record: RequestRecord, session: str) -> Placement | None:
        """Return the session's backend, which is asked first while it is healthy."""
        assert record.task is not None  # noqa: S101 - the request has been routed
        assert record.route is not None  # noqa: S101
        backend = self.sessions.find_backend(record.key, record.task, session, record.route.ranking[0])
        return None if backend is None else Placement((backend,), is_required=False)

    def _route(self, body: RequestBody, session: str | None, principal: Principal, record: RequestRecord) -> Route:
        """Return the route. A model that the request names is not checked for capabilities: its backend will."""
        task = record.task
        assert task is not None  # noqa: S101 - it has been resolved
        if body.operation is EMBEDDINGS:
            return resolve_embedding_route(body, self.table.policy_of(task), principal, self.capabilities)
        route = resolve_route(body, task, principal, self.capabilities, self.table.route_task)
        if route.reason == REQUESTED:
            return route
        if principal.models is not None:
            record.barred = explain_forbidden(principal, self.table.route_task(task))
        if not needs_no_check(body, self.capabilities):
            needs = request_needs(body)
            capable = filter_capable(route.ranking, needs, self.capabilities)
            if len(capable) < len(route.ranking):
                record.barred += explain_barred(route.ranking, needs, self.capabilities)
                route = replace(route, ranking=capable)
        # A pin is an operator's word, and goes before a session.
        if session is None or route.reason == PINNED:
            return apply_exploration(route, self.draw) if route.exploration else route
        ranking, is_changed = self.sessions.reorder_ranking(principal.name, task, session, route.ranking)
        if is_changed:
            return replace(route, ranking=ranking, reason=SESSION, propensity=None)
        # A session's requests are not explored: the propensity of a draw that did not take place is unknown.
        return replace(route, propensity=None) if route.exploration else route


def explain_forbidden(principal: Principal, route: Route) -> tuple[tuple[str, str], ...]:
    """Return the models of a route that a key may not use, and that reason."""
    return tuple(
        [(name, "is not among the key's models") for name in route.ranking if not principal.can_use_model(name)]
    )


def internal_error(record: RequestRecord) -> Internal:
    """Return the error for a fault of the gateway's own."""
    return Internal(f"the gateway failed; its log names request {record.request_id}")
